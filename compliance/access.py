"""Every look is on the record: whoever opens, plays, reads, verifies, exports or searches leaves an entry.

What concerns one session stands in that session's after-trail. A search concerns no session in particular: it stands in a
trail of its own, `SEARCHES`, with the filters and the sessions it brought up; what was typed is personal text.
Entries are committed before anything is shown: who can't be recorded can't look. What a list costs to read is read outside of
that transaction, so that no order waits for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock
from core.identity import Person
from recording import kinds
from recording.chain import Draft, Entry
from recording.trail import Trail, after_trail

SEARCHES: Final = "search/after"
# A player asks for one film in dozens of ranges; those of one person within this time are one play.
PLAY_S: Final = 300.0
_PLAYS: Final = 10_000


class AccessLog:
    """Writes who looked at what. `fresh_play` remembers plays in this process only: a restart writes one entry more."""

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._plays: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def looked(self, tx: AsyncConnection, session_id: str, who: Person, what: str, **data: Any) -> Entry:
        """`what` is "opened", "timeline", "fairness", "case", "downloaded", "played" or, by viewers, "replayed"."""
        return await self.record(tx, session_id, kinds.VIEWED, who, {"what": what, **data})

    async def record(
        self,
        tx: AsyncConnection,
        session_id: str,
        kind: str,
        who: Person,
        data: Mapping[str, Any],
        private: Mapping[str, str] | None = None,
    ) -> Entry:
        """Any entry of the review lane in the session's after-trail."""
        draft = Draft(kind, who.id, {"role": who.role.value, **data}, private or {})
        [entry] = await self._trail.append(tx, after_trail(session_id), draft)
        return entry

    async def searched(
        self, tx: AsyncConnection, who: Person, what: str, filters: Mapping[str, str], text: str, found: Sequence[str]
    ) -> Entry:
        """A search or a list: `what` is "recordings" or "cases", `text` what was typed, `found` the sessions shown."""
        data = {"role": who.role.value, "what": what, "filters": dict(filters), "found": list(found)}
        draft = Draft(kinds.SEARCHED, who.id, data, {"text": text} if text else {})
        [entry] = await self._trail.append(tx, SEARCHES, draft)
        return entry

    def fresh_play(self, who: Person, session_id: str, stream: str) -> bool:
        """Whether this request begins a play; later ones of the same person within `PLAY_S` belong to it."""
        key, now = (who.id, session_id, stream), self._clock.monotonic()
        began = self._plays.get(key)
        return began is None or now - began >= PLAY_S

    def began_play(self, who: Person, session_id: str, stream: str) -> None:
        """To be called once the play's entry is committed."""
        key = (who.id, session_id, stream)
        self._plays[key] = self._clock.monotonic()
        self._plays.move_to_end(key)
        while len(self._plays) > _PLAYS:
            self._plays.popitem(last=False)
