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
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import lexicon
from compliance.lexicon import Action, Hit
from core.clock import Clock, to_text
from core.database import Database
from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, Refused, Unavailable
from core.identity import Person
from core.ids import new_id
from core.metering import Meter, metered
from recording import kinds, sessions
from recording.errors import TrailSealed
from recording.trail import Draft, Entry, Trail, lock_heads
from rooms import legible, spoken
from rooms.author_tags import AuthorTags
from rooms.closing import announce
from rooms.errors import COMMENT_BLOCKED, COMMENT_TOO_FAST, COMMENT_TOO_LONG, NOT_LIVE, NOT_RECORDED, TOO_MANY_HERE
from rooms.moderation_judging import SHOWN, Judge, Verdict, hold
from rooms.rate import Buckets
from rooms.shaping import Shapings
from rooms.spoken import Spoken
from rooms.wire import COMMENT_MAX, Comment

log = structlog.get_logger()

# After a tick there is a pause of four times its work: comments have at most a fifth of the process, orders the rest.
TICK_S, TICK_MOST_S, _SHARE = 0.1, 0.25, 4.0
BURST, PER_SECOND = 3.0, 1.0
# A question is never left out for others: who calls everything a question would be heard above all.
ASKING_BURST, ASKING_PER_S = 2.0, 0.1
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
    skipped: int = 0  # how many of the own ones are there because there were too many
    held: int = 0  # how many wait for a moderator


@dataclass(frozen=True, slots=True)
class Taken:
    """A comment that is on the record; `held` while a moderator has to see it first."""

    comment: Comment
    held: bool

    @property
    def id(self) -> str:
        return self.comment.id


Show = Callable[[str, Shown], Awaitable[None]]
Undisturbed = Callable[[], AbstractContextManager[None]]


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
    lexicon: str  # the version that judged it
    question: bool
    suspect: Hit | None  # for what the lexicon wants a moderator to see it first
    answers: Spoken | None
    mentions: list[str]
    done: asyncio.Future[Taken]
    verdict: Verdict = SHOWN  # the transaction's that puts it on the record

    def draft(self) -> Draft:
        data: dict[str, Any] = {"id": self.id, "author_tag": self.tag, "host": self.host}
        if self.verdict.held:
            data["held"] = self.verdict.held
        if self.verdict.shadow:
            data["shadow"] = True
        if self.answers is not None:
            data |= {"answers": self.answers.id, "answers_seq": self.answers.entry.seq}
        private = {"text": self.shown, "author": self.author.masked, "person": self.author.id}
        if self.question:
            data["question"] = True
        if self.mentions:
            data["mentions"] = self.mentions
        if self.flags:
            data |= {"flags": self.flags, "lexicon": self.lexicon}
        if self.typed != self.shown:
            private["typed"] = self.typed
        kind = kinds.COMMENT_HELD if self.verdict.held else kinds.COMMENT
        return Draft(kind, self.author.role.value, data, private)


# What one tick takes of each session, by session.
_Batches = dict[str, list[_Pending]]
# SQLSTATE classes of what the values or the moment are to blame for, not the database: it has undone the transaction and is
# there for the next. 22 data, 23 integrity, 40 rollback (deadlock), 55 not in the needed state (lock not to be had).
_UNDONE = frozenset({"22", "23", "40", "55"})


class CommentDesk:
    """Takes comments, ticks (`undisturbed`), and shows each session's batch by `show(session, comments)` after its commit."""

    def __init__(
        self, db: Database, trail: Trail, clock: Clock, tags: AuthorTags, show: Show, undisturbed: Undisturbed = nullcontext
    ) -> None:
        self._db, self._trail, self._clock, self._tags, self._show = db, trail, clock, tags, show
        self._undisturbed = undisturbed
        self._rate = Buckets(BURST, PER_SECOND, RATED_PEOPLE_MAX)
        self._asking = Buckets(ASKING_BURST, ASKING_PER_S, RATED_PEOPLE_MAX)
        self._rooms: dict[str, deque[_Pending]] = {}  # what waits, by session
        self._shaping = Shapings()
        self._judge = Judge(clock)
        self._wanted = asyncio.Event()

    async def say(
        self,
        person: Person,
        session_id: str,
        text: str,
        *,
        host: bool,
        question: bool = False,
        answers: str | None = None,
        mentions: Sequence[str] = (),
    ) -> Taken:
        """Put a comment on the record and show it; answers it as it is shown, after the commit.

        Raises Refused (COMMENT_TOO_LONG, COMMENT_TOO_FAST, COMMENT_BLOCKED, COMMENT_SLOW, COMMENT_MUTED, BANNED,
        session_not_live; FORBIDDEN and NOT_FOUND for an answer) or Unavailable (TOO_MANY_HERE, NOT_RECORDED); a refused one is
        neither kept nor shown. After NOT_RECORDED it may yet be shown.
        """
        asked = None if answers is None else await self._asked(session_id, answers, host)
        pending = self._checked(person, session_id, text.strip(), host, question, asked)
        pending.mentions.extend(dict.fromkeys(mentions))
        waiting = self._rooms.setdefault(session_id, deque())
        if len(waiting) >= QUEUE_MAX or len(self._rooms) > ROOMS_MAX:
            raise Unavailable(TOO_MANY_HERE)
        waiting.append(pending)
        self._wanted.set()
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                return await pending.done
        except TimeoutError as error:
            raise Unavailable(NOT_RECORDED) from error

    async def run(self) -> None:
        """Tick for ever: at once after silence, then every 100 ms, less often the more work it is. Cancel it to stop."""
        while True:
            await self._wanted.wait()
            began, work = self._clock.monotonic(), Meter()
            try:
                with self._undisturbed():
                    await metered(self.tick(), work)
            except Exception:  # the next tick is another chance; nobody's comment may end all others'
                log.exception("a tick of comments failed")
            rest_s = TICK_S - (self._clock.monotonic() - began)
            await asyncio.sleep(max(rest_s, min(TICK_MOST_S, _SHARE * work.cpu_s)))

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
            waiting = self._rooms[session_id]
            batch = [waiting.popleft() for _ in range(min(PER_TICK, len(waiting)))]
            if not waiting:
                del self._rooms[session_id]
            else:
                self._wanted.set()
            if left := [one for one in batch if not one.done.cancelled()]:
                taken[session_id] = left
        return taken

    async def _asked(self, session_id: str, comment_id: str, host: bool) -> Spoken:
        """What the host answers: a comment that the others see too."""
        if not host:
            raise Refused(FORBIDDEN)
        async with self._db.read() as tx:
            found = await spoken.find(tx, session_id, comment_id)
            if found is None or found.is_hidden or await spoken.is_removed(tx, session_id, comment_id):
                raise Refused(NOT_FOUND)
        return found

    def _checked(
        self, person: Person, session_id: str, text: str, host: bool, question: bool, answers: Spoken | None
    ) -> _Pending:
        if (fault := legible.fault(text)) is not None:
            raise Refused(BAD_REQUEST, detail=fault)
        length = len(text) if legible.is_seen(text) else 0
        if not 1 <= length <= COMMENT_MAX:
            raise Refused(COMMENT_TOO_LONG, max=COMMENT_MAX, length=length)
        now = self._clock.monotonic()
        wait_s = self._rate.take(person.id, now) or (self._asking.take(person.id, now) if question and not host else 0.0)
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
            shown=lexicon.masked(text, [hit for hit in found if hit.action is not Action.HOLD]),
            typed=text,
            flags=sorted({hit.term for hit in found}),
            lexicon=lexicon.in_force().version,
            question=question and not host,
            suspect=next((hit for hit in found if hit.action is Action.HOLD), None),
            answers=answers,
            mentions=[],
            done=asyncio.get_running_loop().create_future(),
        )

    async def _record(self, batches: _Batches) -> None:
        """One commit for all batches, then the acknowledgements, then one emit for each session."""
        try:
            async with self._db.write() as tx:
                outcomes, unheard = await self._append(tx, batches)
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
        for one, refusal in unheard:
            _refuse([one], partial(_again, refusal))
        shows = []
        for session_id, outcome in outcomes.items():
            if isinstance(outcome, Refused):
                _refuse(batches[session_id], partial(_again, outcome))
                continue
            comments = [(one, _shown(one, entry)) for one, entry in outcome]
            for one, comment in comments:
                if not one.done.done():
                    one.done.set_result(Taken(comment, one.verdict.held is not None))
            if comments:
                shows.append(self._show(session_id, self._shaped(session_id, comments)))
        await announce(*shows)

    def _shaped(self, session_id: str, said: Sequence[tuple[_Pending, Comment]]) -> Shown:
        now = self._clock.monotonic()
        heard = [(one, comment) for one, comment in said if one.verdict == SHOWN]
        always = [one.host or one.question for one, _comment in heard]
        chosen = self._shaping.of(session_id, now).choose([one.author.id for one, _comment in heard], always, now)
        public: list[Comment] = []
        own: dict[str, list[Comment]] = defaultdict(list)
        for (one, comment), is_chosen in zip(heard, chosen, strict=True):
            (public if is_chosen else own[one.author.id]).append(comment)
        skipped = len(heard) - len(public)
        for one, comment in said:
            if one.verdict.shadow and not one.verdict.held:
                own[one.author.id].append(comment)
        held = sum(one.verdict.held is not None and not one.verdict.shadow for one, _comment in said)
        return Shown(public, dict(own), skipped, held)

    async def _append(
        self, tx: AsyncConnection, batches: _Batches
    ) -> tuple[dict[str, list[tuple[_Pending, Entry]] | Refused], list[tuple[_Pending, Refused]]]:
        """The entries of each session's batch, or why it takes none; and who was not heard, and why."""
        outcomes: dict[str, list[tuple[_Pending, Entry]] | Refused] = {}
        # The heads first: who ends or seals a session holds its own, so what is read after that is how it will stay.
        heads = await lock_heads(tx, batches, make=False)
        found = await sessions.several(tx, batches)
        for session_id in batches:
            if session_id not in found:
                outcomes[session_id] = Refused(NOT_FOUND)
            elif not found[session_id].running or session_id not in heads:
                outcomes[session_id] = Refused(NOT_LIVE)
            elif heads[session_id].sealed:
                outcomes[session_id] = TrailSealed(session_id)
        open_yet = [session_id for session_id in batches if session_id not in outcomes]
        kept: _Batches = {session_id: [] for session_id in open_yet}
        unheard: list[tuple[_Pending, Refused]] = []
        judged = await self._judge.judge(tx, {session_id: batches[session_id] for session_id in open_yet})
        for session_id, verdicts in judged.items():
            for one, verdict in verdicts:
                if one.answers is not None and await spoken.is_removed(tx, session_id, one.answers.id):
                    unheard.append((one, Refused(NOT_FOUND)))  # taken down since: nobody may see it quoted
                elif one.suspect is not None and not one.host and found[session_id].kind == "call":
                    # Nobody moderates a call: it would wait for ever.
                    unheard.append((one, Refused(COMMENT_BLOCKED, term=one.suspect.term, source=one.suspect.source)))
                elif isinstance(verdict, Refused):
                    unheard.append((one, verdict))
                else:
                    one.verdict = verdict
                    kept[session_id].append(one)
        work = [(heads[session_id], [one.draft() for one in batch]) for session_id, batch in kept.items()]
        made = await self._trail.append_all(tx, work)
        for (session_id, batch), entries in zip(kept.items(), made, strict=True):
            outcomes[session_id] = list(zip(batch, entries, strict=True))
            await hold(tx, session_id, [(one.id, entry.seq, one.verdict) for one, entry in zip(batch, entries, strict=True)])
        return outcomes, unheard


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
        kind=spoken.kind_of(host=one.host, question=one.question, answers=one.answers is not None),
        answers=None if one.answers is None else one.answers.quoted(),
        mentions=one.mentions,
    )
