"""What becomes of each comment of a batch: decided in the transaction that puts it on the record.

The rules and the sanctions are read there, after the trail's head is locked. Moderators' acts hold the same lock
(`rooms/moderation.py`), so what one has laid down holds for the next comment, whichever web process takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final, Literal, Protocol, TypeVar

from sqlalchemy import Row, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.trailing import insert_or
from core.clock import Clock, to_text
from core.database import among
from core.errors import Refused
from core.identity import Person
from rooms.errors import BANNED, COMMENT_MUTED, COMMENT_SLOW
from rooms.moderation_wire import SLOW_MAX_S
from rooms.tables import held_comments, last_spoken, room_rules, sanctions
from rooms.wire import RoomRules

HeldFor = Literal["lexicon", "premoderated"]

_RULES = select(room_rules).where(among(room_rules.c.session_id, "ids"))
_SANCTIONS = select(sanctions.c.session_id, sanctions.c.person_id, sanctions.c.kind, sanctions.c.until).where(
    among(sanctions.c.session_id, "ids"), among(sanctions.c.person_id, "people"), sanctions.c.forgiven_at.is_(None)
)
_SPOKEN = select(last_spoken).where(among(last_spoken.c.session_id, "ids"), among(last_spoken.c.person_id, "people"))
_LONG_AGO = delete(last_spoken).where(last_spoken.c.session_id == bindparam("session"), last_spoken.c.at <= bindparam("since"))

# No rule is slower: who spoke longer ago may speak again, whatever the rule will be.
_KEPT: Final = timedelta(seconds=SLOW_MAX_S)
# (session, person) → when he spoke last
Spoke = dict[tuple[str, str], datetime]


class Said(Protocol):
    """A comment as far as it is judged by."""

    @property
    def author(self) -> Person: ...

    @property
    def host(self) -> bool: ...

    @property
    def suspect(self) -> object:
        """Something where the lexicon wants a moderator to see it first."""
        ...


One = TypeVar("One", bound=Said)


@dataclass(frozen=True, slots=True)
class Verdict:
    """It goes on the record. `held`: for a moderator; `shadow`: shown to its author alone, who must not notice."""

    held: HeldFor | None = None
    shadow: bool = False


SHOWN = Verdict()
Judged = Verdict | Refused


class Judge:
    """Judges batches. It remembers nothing: other web processes judge the same people."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def judge(self, tx: AsyncConnection, batches: Mapping[str, Sequence[One]]) -> dict[str, list[tuple[One, Judged]]]:
        """Each comment with what becomes of it, in order. The trails' heads of the sessions are locked in `tx`.

        Where slow mode holds, `tx` also notes who has spoken: of a batch that does not come to the record nothing is known.
        """
        if not batches:
            return {}
        rules = await rules_of(tx, batches)
        people = sorted({one.author.id for batch in batches.values() for one in batch})
        found = (await tx.execute(_SANCTIONS, {"ids": sorted(batches), "people": people})).all()
        slow = sorted(session_id for session_id, one in rules.items() if one.slow_s)
        spoke = await _spoke(tx, slow, people) if slow else {}
        now = self._clock.now()
        sanctioned = in_force(found, now)
        judged = {
            session_id: _session(session_id, batch, rules.get(session_id, RoomRules()), sanctioned, spoke, now)
            for session_id, batch in batches.items()
        }
        await _note(tx, slow, judged, now)
        return judged


async def forget(tx: AsyncConnection, session_id: str) -> None:
    """Who has spoken there, once nobody has to wait any more: slow mode was turned off, or the show is over."""
    await tx.execute(delete(last_spoken).where(last_spoken.c.session_id == session_id))


async def _spoke(tx: AsyncConnection, session_ids: Sequence[str], people: Sequence[str]) -> Spoke:
    rows = await tx.execute(_SPOKEN, {"ids": session_ids, "people": people})
    return {(row.session_id, row.person_id): row.at for row in rows}


async def _note(
    tx: AsyncConnection, session_ids: Sequence[str], judged: Mapping[str, Sequence[tuple[One, Judged]]], now: datetime
) -> None:
    """Who has spoken in the sessions that have slow mode; who spoke long ago is forgotten."""
    for session_id in session_ids:
        people = {one.author.id for one, verdict in judged[session_id] if isinstance(verdict, Verdict) and not one.host}
        if not people:
            continue
        await tx.execute(_LONG_AGO, {"session": session_id, "since": now - _KEPT})
        upsert = insert_or(tx, last_spoken)
        places = [last_spoken.c.session_id, last_spoken.c.person_id]
        upsert = upsert.on_conflict_do_update(index_elements=places, set_={"at": upsert.excluded.at})
        await tx.execute(upsert, [{"session_id": session_id, "person_id": one, "at": now} for one in sorted(people)])


def _session(
    session_id: str, batch: Sequence[One], rules: RoomRules, sanctioned: Mapping[tuple[str, str], dict[str, Any]],
    spoke: Spoke, now: datetime,
) -> list[tuple[One, Judged]]:  # fmt: skip
    judged: list[tuple[One, Judged]] = []
    taken: set[str] = set()
    for one in batch:
        key = (session_id, one.author.id)
        last = now if one.author.id in taken else spoke.get(key)
        verdict = SHOWN if one.host else verdict_on(one, rules, sanctioned.get(key, {}), last, now)
        if isinstance(verdict, Verdict):
            taken.add(one.author.id)
        judged.append((one, verdict))
    return judged


def verdict_on(
    one: Said, rules: RoomRules, kinds: Mapping[str, datetime | None], spoke: datetime | None, now: datetime
) -> Judged:
    """One comment that is not the host's. `kinds`: its author's sanctions and how long they last; `spoke`: when he did last."""
    if "ban" in kinds:
        return Refused(BANNED)
    if "mute" in kinds:
        until = kinds["mute"]
        return Refused(COMMENT_MUTED, until=to_text(until) if until is not None else None)
    # Another machine's clock may be ahead.
    wait_s = 0.0 if spoke is None else min(rules.slow_s, rules.slow_s - (now - spoke).total_seconds())
    if wait_s > 0:
        return Refused(COMMENT_SLOW, slow_s=rules.slow_s, wait_s=max(1, ceil(wait_s)))
    held: HeldFor | None = "lexicon" if one.suspect else "premoderated" if rules.premoderated else None
    return Verdict(held, "shadow" in kinds)


def in_force(rows: Iterable[Row[Any]], now: datetime) -> dict[tuple[str, str], dict[str, datetime | None]]:
    """(session, person) → the kinds of sanctions that hold, each with its end; of several the longest."""
    found: dict[tuple[str, str], dict[str, datetime | None]] = {}
    for row in rows:
        if row.until is not None and row.until <= now:
            continue
        kinds = found.setdefault((row.session_id, row.person_id), {})
        until = kinds.get(row.kind, row.until)
        kinds[row.kind] = None if until is None or row.until is None else max(until, row.until)
    return found


async def rules_of(tx: AsyncConnection, session_ids: Iterable[str]) -> dict[str, RoomRules]:
    """The rules of those sessions that have any."""
    rows = await tx.execute(_RULES, {"ids": sorted(session_ids)})
    return {row.session_id: RoomRules(row.slow_s, row.premoderated) for row in rows}


async def hold(tx: AsyncConnection, session_id: str, said: Iterable[tuple[str, int, Verdict]]) -> None:
    """Of these comments (id, number, verdict) the held ones wait for a moderator; of one in the shadow nobody is asked."""
    rows = [
        {"id": id_, "session_id": session_id, "seq": seq, "reason": made.held, "state": "rejected" if made.shadow else "held"}
        for id_, seq, made in said
        if made.held
    ]
    if rows:
        await tx.execute(insert(held_comments), rows)


async def banned(tx: AsyncConnection, session_ids: Iterable[str]) -> set[tuple[str, str]]:
    """(session, person) of all who may not be in these sessions."""
    query = select(sanctions.c.session_id, sanctions.c.person_id).where(
        among(sanctions.c.session_id, "ids"), sanctions.c.kind == "ban", sanctions.c.forgiven_at.is_(None)
    )
    return {(row.session_id, row.person_id) for row in await tx.execute(query, {"ids": sorted(session_ids)})}
