"""Bullet comments: limited, checked, put on the record, and only then shown.

The life of a comment:
1. length, the person's rate, the lexicon; what is refused here is not on the record and nothing typed is lost;
2. it waits in its session's bounded queue for the tick (at most every 200 ms);
3. one transaction appends all that wait in a session to its trail, texts as salted commitments;
4. after the commit the sender gets the acknowledgement (so what is acknowledged survives SIGKILL) and the room one batch.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import lexicon
from compliance.lexicon import Action
from core.clock import Clock, to_text
from core.database import Database
from core.errors import BAD_REQUEST, Refused, Unavailable
from core.identity import Person
from core.ids import new_id
from recording import kinds, sessions
from recording.chain import read_entry
from recording.tables import trail_entries
from recording.trail import Draft, Entry, Trail
from rooms.closing import announce
from rooms.errors import COMMENT_BLOCKED, COMMENT_TOO_FAST, COMMENT_TOO_LONG, NOT_LIVE, NOT_RECORDED, TOO_MANY_HERE
from rooms.rate import Buckets
from rooms.wire import COMMENT_MAX, Comment

log = structlog.get_logger()

TICK_S = 0.2
BURST, PER_SECOND = 3.0, 1.0
# 200 ms of a room: RongCloud takes 40 upstream; more is unreadable anyway. Waiting: two seconds of that.
PER_TICK = 40
QUEUE_MAX = 400
ROOMS_MAX = 1000
RATED_PEOPLE_MAX = 20_000
ACK_TIMEOUT_S = 10.0
HISTORY = 50

Show = Callable[[str, list[Comment]], Awaitable[None]]


class AuthorTags:
    """A tag that is the same for one author within one session and says nothing across sessions."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def tag(self, session_id: str, person_id: str) -> str:
        """16 hex digits; the same on every process that has the secret."""
        return hmac.new(self._secret, f"author\0{session_id}\0{person_id}".encode(), hashlib.sha256).hexdigest()[:16]


@dataclass(slots=True)
class _Pending:
    """A comment on its way to the record; `done` is answered after the commit."""

    id: str
    author: Person
    tag: str
    host: bool
    shown: str
    typed: str
    flags: list[str]
    done: asyncio.Future[None]

    def draft(self) -> Draft:
        data: dict[str, Any] = {"id": self.id, "author_tag": self.tag, "host": self.host}
        private = {"text": self.shown, "author": self.author.masked, "person": self.author.id}
        if self.flags:
            data["flags"] = self.flags
        if self.typed != self.shown:
            private["typed"] = self.typed
        return Draft(kinds.COMMENT, self.author.role.value, data, private)


@dataclass(slots=True)
class _Room:
    waiting: deque[_Pending] = field(default_factory=deque)


class CommentDesk:
    """Takes comments, ticks, and shows each session's batch through `show(session, comments)` after its commit."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, tags: AuthorTags, show: Show) -> None:
        self._db, self._trail, self._clock, self._tags, self._show = db, trail, clock, tags, show
        self._rate = Buckets(BURST, PER_SECOND, RATED_PEOPLE_MAX)
        self._rooms: dict[str, _Room] = {}
        self._wanted = asyncio.Event()

    async def say(self, person: Person, session_id: str, text: str, *, host: bool) -> str:
        """Put a comment on the record and show it; answers its id after the commit.

        Raises Refused (COMMENT_TOO_LONG, COMMENT_TOO_FAST, COMMENT_BLOCKED, session_not_live) or Unavailable (TOO_MANY_HERE,
        NOT_RECORDED); a refused one is neither kept nor shown. After NOT_RECORDED it may yet be shown.
        """
        pending = self._checked(person, session_id, text.strip(), host)
        room = self._rooms.setdefault(session_id, _Room())
        if len(room.waiting) >= QUEUE_MAX or len(self._rooms) > ROOMS_MAX:
            raise Unavailable(TOO_MANY_HERE)
        room.waiting.append(pending)
        self._wanted.set()
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                await pending.done
        except TimeoutError as error:
            raise Unavailable(NOT_RECORDED) from error
        return pending.id

    async def run(self) -> None:
        """Tick for ever: at once after silence, then at most every 200 ms. Cancel it to stop."""
        while True:
            await self._wanted.wait()
            try:
                await self.tick()
            except Exception:  # the next tick is another chance; nobody's comment may end all others'
                log.exception("a tick of comments failed")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Record and show what waits, at most PER_TICK comments a session; the rest waits for the next tick."""
        self._wanted.clear()
        for session_id in list(self._rooms):
            waiting = self._rooms[session_id].waiting
            batch = [waiting.popleft() for _ in range(min(PER_TICK, len(waiting)))]
            if not waiting:
                del self._rooms[session_id]
            else:
                self._wanted.set()
            if batch:
                await self._record(session_id, [one for one in batch if not one.done.cancelled()])

    def _checked(self, person: Person, session_id: str, text: str, host: bool) -> _Pending:
        if any(ord(letter) < ord(" ") for letter in text):
            raise Refused(BAD_REQUEST, detail="control characters")
        if not 1 <= len(text) <= COMMENT_MAX:
            raise Refused(COMMENT_TOO_LONG, max=COMMENT_MAX, length=len(text))
        wait_s = self._rate.take(person.id, self._clock.monotonic())
        if wait_s:
            raise Refused(COMMENT_TOO_FAST, wait_s=max(1, round(wait_s)))
        found = lexicon.hits(text)
        blocked = next((hit for hit in found if hit.action is Action.BLOCK), None)
        if blocked is not None:
            raise Refused(COMMENT_BLOCKED, term=blocked.term, source=blocked.source)
        return _Pending(
            id=new_id("cmt"),
            author=person,
            tag=self._tags.tag(session_id, person.id),
            host=host,
            shown=lexicon.masked(text, found),
            typed=text,
            flags=sorted({hit.term for hit in found}),
            done=asyncio.get_running_loop().create_future(),
        )

    async def _record(self, session_id: str, batch: Sequence[_Pending]) -> None:
        """One commit for the batch, then the acknowledgements, then one emit. A failure refuses this batch, nothing else."""
        try:
            async with self._db.write() as tx:
                if not (await sessions.get(tx, session_id)).running:
                    raise Refused(NOT_LIVE)
                entries = await self._trail.append(tx, session_id, *(one.draft() for one in batch))
        except Refused as refusal:
            cause = refusal
            _refuse(batch, lambda: Refused(cause.problem, **cause.params))
            return
        except Exception:
            log.exception("comments could not be recorded", session=session_id, count=len(batch))
            _refuse(batch, lambda: Unavailable(NOT_RECORDED))
            return
        for one in batch:
            if not one.done.done():
                one.done.set_result(None)
        await announce(self._show(session_id, [_shown(one, entry) for one, entry in zip(batch, entries, strict=True)]))


def _refuse(batch: Sequence[_Pending], refusal: Callable[[], Refused]) -> None:
    """A fresh exception for each: a shared one would collect the tracebacks of all who wait."""
    for one in batch:
        if not one.done.done():
            one.done.set_exception(refusal())


def _shown(one: _Pending, entry: Entry) -> Comment:
    return Comment(
        id=one.id,
        at=to_text(entry.at),
        media_ms=entry.media_ms,
        author=one.author.masked,
        author_tag=one.tag,
        text=one.shown,
        host=one.host,
    )


async def latest(tx: AsyncConnection, trail: Trail, session_id: str, limit: int = HISTORY) -> list[Comment]:
    """The session's last comments, oldest first, from the trail; those that were taken down or erased are left out."""
    query = (
        select(trail_entries.c.body, trail_entries.c.hash)
        .where(
            trail_entries.c.session_id == session_id,
            trail_entries.c.kind.in_((kinds.COMMENT, kinds.COMMENT_REMOVED)),
        )
        .order_by(trail_entries.c.seq.desc())
        .limit(limit)
    )
    entries = [read_entry(row.body, row.hash) for row in await tx.execute(query)]
    if not entries:
        return []
    removed = {entry.data.get("id") for entry in entries if entry.kind == kinds.COMMENT_REMOVED}
    texts = await trail.texts(tx, session_id, entries[-1].seq, entries[0].seq)
    return [
        Comment(
            id=str(entry.data["id"]),
            at=to_text(entry.at),
            media_ms=entry.media_ms,
            author=texts.get((entry.seq, "author"), "**"),
            author_tag=str(entry.data["author_tag"]),
            text=texts[entry.seq, "text"],
            host=bool(entry.data["host"]),
        )
        for entry in reversed(entries)
        if entry.kind == kinds.COMMENT and entry.data["id"] not in removed and (entry.seq, "text") in texts
    ]
