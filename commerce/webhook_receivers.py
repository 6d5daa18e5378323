"""Partners who hear of orders and seals: who they are, what they want, and the secret we sign with.

A secret is derived from the installation's own, the receiver's id and a version: the database and its backups hold none. It is
shown once, when it is made. After a rotation both versions sign for a day, so that the partner can change over in peace.
Whatever is done to a receiver is kept in `delivery_acts`, which takes no change.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import delivery_errors
from commerce.outbox_post import Address
from commerce.outbox_rows import CANCELLED, CONFIRMED, PLACED, REJECTED, SEALED
from commerce.tables import delivery_acts, receivers
from commerce.webhook_guard import fit_url
from core.clock import Clock
from core.errors import NOT_FOUND, Refused
from core.identity import Person
from core.ids import new_id

KINDS: Final = (PLACED, CONFIRMED, REJECTED, CANCELLED, SEALED)
MOST: Final = 20
OVERLAP: Final = timedelta(hours=24)

ADDED: Final = "receiver_added"
CHANGED: Final = "receiver_changed"
ROTATED: Final = "secret_rotated"
SENT_AGAIN: Final = "sent_again"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A partner's receiver. Until `overlap_until` the secret before `secret_version` signs as well."""

    id: str
    name: str
    url: str
    kinds: tuple[str, ...]
    active: bool
    secret_version: int
    overlap_until: datetime | None
    created_at: datetime


class Secrets:
    """Every receiver's secret, from one root that never leaves this process."""

    def __init__(self, root: bytes) -> None:
        self._root = root

    def of(self, receiver_id: str, version: int) -> str:
        """As it is shown, and as its ASCII bytes sign: `whs_` and 64 hexadecimal digits."""
        return "whs_" + hmac.new(self._root, f"{receiver_id}.{version}".encode(), hashlib.sha256).hexdigest()

    def address(self, receiver: Receiver, now: datetime) -> Address:
        """Where to send and what signs at this time, the newest secret first."""
        newest = receiver.secret_version
        holds = [newest]
        if newest > 1 and receiver.overlap_until is not None and now < receiver.overlap_until:
            holds.append(newest - 1)
        return Address(receiver.url, tuple(self.of(receiver.id, version).encode() for version in holds))


class Receivers:
    """Adding and changing receivers; `allow_private` lets the demo send to this machine, over http."""

    def __init__(self, clock: Clock, *, allow_private: bool) -> None:
        self._clock = clock
        self._allow_private = allow_private

    async def add(self, tx: AsyncConnection, person: Person, *, name: str, url: str, kinds: tuple[str, ...]) -> Receiver:
        """A new one, active. Raises Refused(URL_UNFIT), Refused(RECEIVERS_FULL)."""
        now = self._clock.now()
        if (await tx.execute(select(func.count()).select_from(receivers))).scalar_one() >= MOST:
            raise Refused(delivery_errors.RECEIVERS_FULL, most=MOST)
        url = fit_url(url, allow_private=self._allow_private)
        made = Receiver(new_id("rcv"), name, url, _ordered(kinds), True, 1, None, now)
        row = {"id": made.id, "name": name, "url": url, "kinds": list(made.kinds), "active": 1}
        await tx.execute(insert(receivers).values(**row, secret_version=1, created_at=now))
        await record(tx, self._clock, person, ADDED, made.id, data={"name": name, "url": url, "kinds": list(made.kinds)})
        return made

    async def change(
        self,
        tx: AsyncConnection,
        person: Person,
        receiver_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        kinds: tuple[str, ...] | None = None,
        active: bool | None = None,
    ) -> Receiver:
        """Change what is given. Raises Refused(NOT_FOUND), Refused(URL_UNFIT).

        One that is not active is sent nothing: what waits for it waits, and what happens meanwhile is not kept for it.
        """
        before = await get(tx, receiver_id, lock=True)
        given: dict[str, Any] = {
            "name": name,
            "url": None if url is None else fit_url(url, allow_private=self._allow_private),
            "kinds": None if kinds is None else _ordered(kinds),
            "active": active,
        }
        new = {field: value for field, value in given.items() if value is not None and value != getattr(before, field)}
        if not new:
            return before
        values = new | ({"kinds": list(new["kinds"])} if "kinds" in new else {})
        stored = values | ({"active": int(new["active"])} if "active" in new else {})
        await tx.execute(update(receivers).where(receivers.c.id == receiver_id).values(stored))
        await record(tx, self._clock, person, CHANGED, receiver_id, data=values)
        return replace(before, **new)

    async def rotate(self, tx: AsyncConnection, person: Person, receiver_id: str) -> Receiver:
        """A new secret; the one before signs for a day more. Raises Refused(NOT_FOUND)."""
        before = await get(tx, receiver_id, lock=True)
        version, until = before.secret_version + 1, self._clock.now() + OVERLAP
        values = {"secret_version": version, "overlap_until": until}
        await tx.execute(update(receivers).where(receivers.c.id == receiver_id).values(values))
        await record(tx, self._clock, person, ROTATED, receiver_id, data={"version": version})
        return replace(before, secret_version=version, overlap_until=until)


async def get(tx: AsyncConnection, receiver_id: str, *, lock: bool = False) -> Receiver:
    """One receiver. Raises Refused(NOT_FOUND)."""
    query = select(receivers).where(receivers.c.id == receiver_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise Refused(NOT_FOUND)
    return _receiver(row)


async def all_of(tx: AsyncConnection) -> list[Receiver]:
    """Every receiver, oldest first."""
    return [_receiver(row) for row in await tx.execute(select(receivers).order_by(receivers.c.id))]


async def record(
    tx: AsyncConnection,
    clock: Clock,
    person: Person,
    act: str,
    receiver: str,
    *,
    event_id: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Keep who did what to a receiver or a delivery, and when."""
    row = {"id": new_id("act"), "at": clock.now(), "person_id": person.id, "act": act, "receiver": receiver}
    await tx.execute(insert(delivery_acts).values(**row, event_id=event_id, data=data or {}))


def _ordered(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(kind for kind in KINDS if kind in kinds)


def _receiver(row: Row[Any]) -> Receiver:
    return Receiver(
        id=row.id,
        name=row.name,
        url=row.url,
        kinds=tuple(row.kinds),
        active=bool(row.active),
        secret_version=row.secret_version,
        overlap_until=row.overlap_until,
        created_at=row.created_at,
    )
