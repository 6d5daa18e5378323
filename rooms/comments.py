"""Bullet comments: limited, checked, put on the record, and only then shown.

The life of a comment:
1. length, the person's rate, the lexicon; what is refused here is not on the record and nothing typed is lost;
2. it waits in its session's bounded queue for the tick (every 100 to 250 ms, longer the more there is to do);
3. one transaction appends what waits in all sessions to their trails, texts as salted commitments; a session that takes none
   is refused, and what can't be written is found session by session: neither costs another session's comments;
4. after the commit the sender gets the acknowledgement (so what is acknowledged survives SIGKILL) and the room one batch: all
   of it while a person can read that many, and otherwise a fair choice (`rooms/shaping.py`), of which the record knows
   nothing. Who wrote what is not chosen sees it all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import lexicon
from compliance.lexicon import Action
from core.clock import Clock, to_text
from core.database import Database
from core.errors import BAD_REQUEST, NOT_FOUND, Refused, Unavailable
from core.identity import Person
from core.ids import new_id
from recording import kinds, sessions
from recording.chain import read_entry
from recording.errors import TrailSealed
from recording.tables import trail_entries
from recording.trail import Draft, Entry, Trail, lock_heads
from rooms.closing import announce
from rooms.errors import COMMENT_BLOCKED, COMMENT_TOO_FAST, COMMENT_TOO_LONG, NOT_LIVE, NOT_RECORDED, TOO_MANY_HERE
from rooms.rate import Buckets
from rooms.shaping import Shapings
from rooms.wire import COMMENT_MAX, Comment, CommentKind

log = structlog.get_logger()

# A tick waits four times as long as the last one took: comments have at most a fifth of the process, orders the rest.
TICK_S, TICK_MOST_S, _SHARE = 0.1, 0.25, 4.0
BURST, PER_SECOND = 3.0, 1.0
# Of one session, in a tick; waiting: a second of that, so that nobody is acknowledged later than a person waits.
PER_TICK = 200
# Writing down this many takes a few dozen ms, and so long orders wait for their turn; what is more goes with the next commit.
PER_COMMIT = 400
QUEUE_MAX = 1000
ROOMS_MAX = 1000
RATED_PEOPLE_MAX = 20_000
ACK_TIMEOUT_S = 10.0
HISTORY = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """A tick's comments of one session: what everybody is shown, what only its author, by person; all in their order."""

    comments: list[Comment]
    own: dict[str, list[Comment]]

    @property
    def skipped(self) -> int:
        """How many are not for everybody."""
        return sum(map(len, self.own.values()))


Show = Callable[[str, Shown], Awaitable[None]]


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
    question: bool
    done: asyncio.Future[Comment]

    def draft(self) -> Draft:
        data: dict[str, Any] = {"id": self.id, "author_tag": self.tag, "host": self.host}
        private = {"text": self.shown, "author": self.author.masked, "person": self.author.id}
        if self.question:
            data["question"] = True
        if self.flags:
            data["flags"] = self.flags
        if self.typed != self.shown:
            private["typed"] = self.typed
        return Draft(kinds.COMMENT, self.author.role.value, data, private)


@dataclass(slots=True)
class _Room:
    waiting: deque[_Pending] = field(default_factory=deque)


# What one tick takes of each session, by session.
_Batches = dict[str, list[_Pending]]
# SQLSTATE classes of what the values or the moment are to blame for, not the database: it has undone the transaction and is
# there for the next. 22 data, 23 integrity, 40 rollback (deadlock), 55 not in the needed state (lock not to be had).
_UNDONE = frozenset({"22", "23", "40", "55"})


class CommentDesk:
    """Takes comments, ticks, and shows each session's batch through `show(session, comments)` after its commit."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, tags: AuthorTags, show: Show) -> None:
        self._db, self._trail, self._clock, self._tags, self._show = db, trail, clock, tags, show
        self._rate = Buckets(BURST, PER_SECOND, RATED_PEOPLE_MAX)
        self._rooms: dict[str, _Room] = {}
        self._shaping = Shapings()
        self._wanted = asyncio.Event()

    async def say(self, person: Person, session_id: str, text: str, *, host: bool, question: bool = False) -> Comment:
        """Put a comment on the record and show it; answers it as it is shown, after the commit.

        Raises Refused (COMMENT_TOO_LONG, COMMENT_TOO_FAST, COMMENT_BLOCKED, session_not_live) or Unavailable (TOO_MANY_HERE,
        NOT_RECORDED); a refused one is neither kept nor shown. After NOT_RECORDED it may yet be shown.
        """
        pending = self._checked(person, session_id, text.strip(), host, question)
        room = self._rooms.setdefault(session_id, _Room())
        if len(room.waiting) >= QUEUE_MAX or len(self._rooms) > ROOMS_MAX:
            raise Unavailable(TOO_MANY_HERE)
        room.waiting.append(pending)
        self._wanted.set()
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                return await pending.done
        except TimeoutError as error:
            raise Unavailable(NOT_RECORDED) from error

    async def run(self) -> None:
        """Tick for ever: at once after silence, then every 100 to 250 ms. Cancel it to stop."""
        while True:
            await self._wanted.wait()
            began = self._clock.monotonic()
            try:
                await self.tick()
            except Exception:  # the next tick is another chance; nobody's comment may end all others'
                log.exception("a tick of comments failed")
            took_s = self._clock.monotonic() - began
            await asyncio.sleep(min(TICK_MOST_S, max(TICK_S, _SHARE * took_s)))

    async def tick(self) -> None:
        """Record and show what waits, at most PER_TICK comments a session; the rest waits for the next tick.

        One commit for all sessions, or where they are very many one for each PER_COMMIT comments.
        """
        self._wanted.clear()
        for batches in _commits(self._taken()):
            await self._record(batches)

    def _taken(self) -> _Batches:
        """What this tick is for, off the queues; who has given up is left out."""
        taken: _Batches = {}
        for session_id in list(self._rooms):
            waiting = self._rooms[session_id].waiting
            batch = [waiting.popleft() for _ in range(min(PER_TICK, len(waiting)))]
            if not waiting:
                del self._rooms[session_id]
            else:
                self._wanted.set()
            if left := [one for one in batch if not one.done.cancelled()]:
                taken[session_id] = left
        return taken

    def _checked(self, person: Person, session_id: str, text: str, host: bool, question: bool) -> _Pending:
        if any(ord(letter) < ord(" ") for letter in text):
            raise Refused(BAD_REQUEST, detail="control characters")
        if any("\ud800" <= letter <= "\udfff" for letter in text):  # JSON's escapes can say so; no text on the record can
            raise Refused(BAD_REQUEST, detail="half a character")
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
            question=question and not host,
            done=asyncio.get_running_loop().create_future(),
        )

    async def _record(self, batches: _Batches) -> None:
        """One commit for all batches, then the acknowledgements, then one emit for each session."""
        try:
            async with self._db.write() as tx:
                outcomes = await self._append(tx, batches)
        except Exception as error:
            if len(batches) > 1 and _is_undone(error):
                log.warning("comments are recorded session by session", sessions=len(batches), error=repr(error))
                for session_id, batch in batches.items():
                    await self._record({session_id: batch})
                return
            log.exception("comments could not be recorded", sessions=sorted(batches), count=sum(map(len, batches.values())))
            for batch in batches.values():
                _refuse(batch, lambda: Unavailable(NOT_RECORDED))
            return
        shows = []
        for session_id, batch in batches.items():
            outcome = outcomes[session_id]
            if isinstance(outcome, Refused):
                _refuse(batch, partial(_again, outcome))
                continue
            comments = [_shown(one, entry) for one, entry in zip(batch, outcome, strict=True)]
            for one, comment in zip(batch, comments, strict=True):
                if not one.done.done():
                    one.done.set_result(comment)
            shows.append(self._show(session_id, self._shaped(session_id, batch, comments)))
        await announce(*shows)

    def _shaped(self, session_id: str, batch: Sequence[_Pending], comments: Sequence[Comment]) -> Shown:
        now = self._clock.monotonic()
        always = [one.host or one.question for one in batch]
        chosen = self._shaping.of(session_id, now).choose([one.author.id for one in batch], always, now)
        shown = Shown([], {})
        for one, comment, is_chosen in zip(batch, comments, chosen, strict=True):
            (shown.comments if is_chosen else shown.own.setdefault(one.author.id, [])).append(comment)
        return shown

    async def _append(self, tx: AsyncConnection, batches: _Batches) -> dict[str, list[Entry] | Refused]:
        """The entries of each session's batch, or why it takes none."""
        outcomes: dict[str, list[Entry] | Refused] = {}
        found = await sessions.several(tx, batches)
        for session_id in batches:
            if session_id not in found:
                outcomes[session_id] = Refused(NOT_FOUND)
            elif not found[session_id].running:
                outcomes[session_id] = Refused(NOT_LIVE)
        heads = await lock_heads(tx, batches.keys() - outcomes.keys())
        outcomes |= {session_id: TrailSealed(session_id) for session_id, head in heads.items() if head.sealed}
        open_yet = [session_id for session_id in batches if session_id not in outcomes]
        work = [(heads[session_id], [one.draft() for one in batches[session_id]]) for session_id in open_yet]
        made = await self._trail.append_all(tx, work)
        return outcomes | dict(zip(open_yet, made, strict=True))


def _commits(taken: _Batches) -> Iterator[_Batches]:
    """The same in parts of at most PER_COMMIT comments; a session's are never apart."""
    part: _Batches = {}
    for session_id, batch in taken.items():
        if part and sum(map(len, part.values())) + len(batch) > PER_COMMIT:
            yield part
            part = {}
        part[session_id] = batch
    if part:
        yield part


def _is_undone(error: Exception) -> bool:
    """Whether certainly nothing was written, and another transaction may do better: what JSON or a column can't carry, or a
    deadlock. A database that is away, or went while it committed, is none of these."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return isinstance(error, IntegrityError) or state[:2] in _UNDONE
    return isinstance(error, ValueError)


def _again(refusal: Refused) -> Refused:
    return Refused(refusal.problem, **refusal.params)


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
        kind=_kind(host=one.host, question=one.question),
    )


def _kind(*, host: bool, question: bool) -> CommentKind:
    return "question" if question and not host else "comment"


async def latest(tx: AsyncConnection, trail: Trail, session_id: str, limit: int = HISTORY) -> list[Comment]:
    """The session's last comments, oldest first, from the trail; those that were taken down or erased are left out.

    However many there were before, as many rows are read as are asked for, by the index.
    """
    of_kind = select(trail_entries.c.body, trail_entries.c.hash).where(trail_entries.c.session_id == session_id)
    said = of_kind.where(trail_entries.c.kind == kinds.COMMENT).order_by(trail_entries.c.seq.desc()).limit(limit)
    entries = [read_entry(row.body, row.hash) for row in await tx.execute(said)]
    if not entries:
        return []
    since = of_kind.where(trail_entries.c.kind == kinds.COMMENT_REMOVED, trail_entries.c.seq > entries[-1].seq)
    removed = {read_entry(row.body, row.hash).data.get("id") for row in await tx.execute(since)}
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
            kind=_kind(host=bool(entry.data["host"]), question=bool(entry.data.get("question"))),
        )
        for entry in reversed(entries)
        if entry.data["id"] not in removed and (entry.seq, "text") in texts
    ]
