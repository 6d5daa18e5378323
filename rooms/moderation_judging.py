"""What becomes of each comment of a batch: decided in the transaction that puts it on the record.

The rules and the sanctions are read there, after the trail's head is locked. Moderators' acts hold the same lock
(`rooms/moderation.py`), so what one has laid down holds for the next comment, whichever web process takes it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, to_text
from core.database import among
from core.errors import Refused
from core.identity import Person
from rooms.errors import BANNED, COMMENT_MUTED, COMMENT_SLOW
from rooms.tables import held_comments, room_rules, sanctions
from rooms.wire import RoomRules

SPOKE_MAX = 50_000
HeldFor = Literal["lexicon", "premoderated"]

_RULES = select(room_rules).where(among(room_rules.c.session_id, "ids"))
_SANCTIONS = select(sanctions.c.session_id, sanctions.c.person_id, sanctions.c.kind, sanctions.c.until).where(
    among(sanctions.c.session_id, "ids"), among(sanctions.c.person_id, "people"), sanctions.c.forgiven_at.is_(None)
)


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
    """Judges batches. In memory it has who spoke when, for slow mode: with several web processes each has its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spoke: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def judge(self, tx: AsyncConnection, batches: Mapping[str, Sequence[One]]) -> dict[str, list[tuple[One, Judged]]]:
        """Each comment with what becomes of it, in order. The trails' heads of the sessions are locked in `tx`."""
        if not batches:
            return {}
        rules = await rules_of(tx, batches)
        people = sorted({one.author.id for batch in batches.values() for one in batch})
        found = (await tx.execute(_SANCTIONS, {"ids": sorted(batches), "people": people})).all()
        now, told = self._clock.now(), self._clock.monotonic()
        return {
            session_id: self._session(session_id, batch, rules.get(session_id, RoomRules()), in_force(found, now), told)
            for session_id, batch in batches.items()
        }

    def spoke(self, session_id: str, people: Iterable[str]) -> None:
        """They have spoken: to be called after the commit, so that nobody waits for what was not taken."""
        now = self._clock.monotonic()
        for person_id in people:
            self._spoke[session_id, person_id] = now
            self._spoke.move_to_end((session_id, person_id))
        while len(self._spoke) > SPOKE_MAX:
            self._spoke.popitem(last=False)

    def _session(
        self, session_id: str, batch: Sequence[One], rules: RoomRules, sanctioned: Mapping[tuple[str, str], dict[str, Any]],
        now: float,
    ) -> list[tuple[One, Judged]]:  # fmt: skip
        judged: list[tuple[One, Judged]] = []
        taken: set[str] = set()
        for one in batch:
            key = (session_id, one.author.id)
            spoke = now if one.author.id in taken else self._spoke.get(key)
            verdict = SHOWN if one.host else verdict_on(one, rules, sanctioned.get(key, {}), spoke, now)
            if isinstance(verdict, Verdict):
                taken.add(one.author.id)
            judged.append((one, verdict))
        return judged


def verdict_on(one: Said, rules: RoomRules, kinds: Mapping[str, datetime | None], spoke: float | None, now: float) -> Judged:
    """One comment that is not the host's. `kinds`: its author's sanctions and how long they last; times monotonic seconds."""
    if "ban" in kinds:
        return Refused(BANNED)
    if "mute" in kinds:
        until = kinds["mute"]
        return Refused(COMMENT_MUTED, until=to_text(until) if until is not None else None)
    wait_s = 0.0 if spoke is None else rules.slow_s - (now - spoke)
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
