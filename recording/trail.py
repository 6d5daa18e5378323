"""The trail in the database: appended by one transaction at a time, never changed.

The life of an entry:
1. the trail's head row is locked, so that numbers are contiguous and hashes chain whoever appends at the same time;
2. personal texts get a salt and become commitments; the bodies are built and hashed in order;
3. entries, texts and the new head are written by one statement each, in the caller's transaction: what the entry speaks of
   and the entry commit together or not at all.
Entries can't be updated or deleted even by hand: `recording/guards.py` has the triggers.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, media_ms
from core.database import among, waiting_at_most
from core.errors import NOT_FOUND, Refused
from recording.chain import GENESIS, SALT_BYTES, Draft, Entry, commitment, next_entry, read_entry
from recording.errors import TrailSealed
from recording.tables import sessions, trail_entries, trail_heads, trail_texts

__all__ = ["Draft", "Entry", "Head", "Trail", "after_trail", "lock_head", "lock_heads"]

PAGE = 500
# A group of orders, the longest that holds a head, takes some 60 ms.
BRIEFLY_MS = 1_000


def after_trail(session_id: str) -> str:
    """The name of the second trail, for what happens after the seal: views, exports, late answers of the core."""
    return f"{session_id}/after"


class Trail:
    """Appends to and reads from trails; holds no state of its own, so that any number of processes may."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def append(self, tx: AsyncConnection, session_id: str, *drafts: Draft) -> list[Entry]:
        """Append in this order, numbered without a gap. Raises TrailSealed, and ValueError for a draft JSON can't carry."""
        if not drafts:
            return []
        head = await lock_head(tx, session_id)
        if head.sealed:
            raise TrailSealed(session_id)
        return (await self.append_all(tx, [(head, drafts)]))[0]

    async def append_all(self, tx: AsyncConnection, work: Sequence[tuple[Head, Sequence[Draft]]]) -> list[list[Entry]]:
        """Append to several trails in one go: their heads, locked in this transaction, each with its drafts.

        Answers the entries of each and moves the heads on. Raises TrailSealed, and ValueError for a draft JSON can't carry.
        """
        for head, drafts in work:
            if head.sealed and drafts:
                raise TrailSealed(head.trail)
        now = self._clock.now()  # after the locks: a later number never has an earlier time on the same machine
        written = _Written()
        made = [[written.add(head, draft, now) for draft in drafts] for head, drafts in work]
        await written.save(tx, [head for head, drafts in work if drafts])
        return made

    async def entries(
        self,
        tx: AsyncConnection,
        session_id: str,
        after: int = 0,
        limit: int = PAGE,
        kinds: Collection[str] | None = None,
    ) -> list[Entry]:
        """At most `limit` entries with a number above `after`, in order; only of `kinds` when given."""
        return [read_entry(body, stored) for body, stored in await self.bodies(tx, session_id, after, limit, kinds)]

    async def bodies(
        self,
        tx: AsyncConnection,
        session_id: str,
        after: int = 0,
        limit: int = PAGE,
        kinds: Collection[str] | None = None,
    ) -> list[tuple[str, str]]:
        """The same as stored: (canonical JSON, hash), for export and verification."""
        return [(row.body, row.hash) for row in await self.stored(tx, session_id, after, limit, kinds)]

    async def stored(
        self,
        tx: AsyncConnection,
        session_id: str,
        after: int = 0,
        limit: int = PAGE,
        kinds: Collection[str] | None = None,
    ) -> Sequence[Row[Any]]:
        """The same as rows of `trail_entries`; their columns beside `body` are an index, only the body is hashed."""
        query = (
            select(trail_entries)
            .where(trail_entries.c.session_id == session_id, trail_entries.c.seq > after)
            .order_by(trail_entries.c.seq)
            .limit(limit)
        )
        if kinds is not None:
            query = query.where(trail_entries.c.kind.in_(sorted(kinds)))
        return (await tx.execute(query)).all()

    async def stream(
        self, tx: AsyncConnection, session_id: str, after: int = 0, kinds: Collection[str] | None = None
    ) -> AsyncIterator[Entry]:
        """Every entry above `after`, read in pages of bounded size."""
        while True:
            page = await self.entries(tx, session_id, after, PAGE, kinds)
            for entry in page:
                yield entry
            if len(page) < PAGE:
                return
            after = page[-1].seq

    async def latest(self, tx: AsyncConnection, session_id: str, kinds: Collection[str]) -> Entry | None:
        """The last entry of these kinds; None when there is none."""
        mine = (trail_entries.c.session_id == session_id) & trail_entries.c.kind.in_(sorted(kinds))
        row = (await tx.execute(select(trail_entries).where(mine).order_by(trail_entries.c.seq.desc()).limit(1))).one_or_none()
        return None if row is None else read_entry(row.body, row.hash)

    async def last(self, tx: AsyncConnection, session_id: str) -> int:
        """The number of the last entry, 0 when there is none: the `seq` that events to pages carry."""
        query = select(trail_heads.c.seq).where(trail_heads.c.session_id == session_id)
        return int((await tx.execute(query)).scalar_one_or_none() or 0)

    async def count(self, tx: AsyncConnection, session_id: str, kinds: Collection[str]) -> int:
        """How many entries of these kinds there are."""
        query = select(func.count()).where(trail_entries.c.session_id == session_id, trail_entries.c.kind.in_(sorted(kinds)))
        return int((await tx.execute(query)).scalar_one())

    async def texts(
        self, tx: AsyncConnection, session_id: str, first: int = 1, last: int | None = None
    ) -> dict[tuple[int, str], str]:
        """The personal texts of entries `first` to `last`, by (seq, field); erased ones are missing."""
        opened = await self.openings(tx, session_id, first, last)
        return {place: text for place, (_salt, text) in opened.items()}

    async def openings(
        self, tx: AsyncConnection, session_id: str, first: int = 1, last: int | None = None
    ) -> dict[tuple[int, str], tuple[bytes, str]]:
        """Salt and text of each commitment that was not erased: what evidence needs to prove a text."""
        query = select(trail_texts).where(
            trail_texts.c.session_id == session_id, trail_texts.c.seq >= first, trail_texts.c.text.is_not(None)
        )
        if last is not None:
            query = query.where(trail_texts.c.seq <= last)
        return {(row.seq, row.field): (bytes(row.salt), row.text) for row in await tx.execute(query)}

    async def erase(self, tx: AsyncConnection, session_id: str, seq: int, field: str) -> None:
        """Forget a personal text and its salt for good; the chain still verifies. Raises Refused(NOT_FOUND)."""
        query = (
            update(trail_texts)
            .where(trail_texts.c.session_id == session_id, trail_texts.c.seq == seq, trail_texts.c.field == field)
            .values(salt=None, text=None)
        )
        if (await tx.execute(query)).rowcount != 1:
            raise Refused(NOT_FOUND)


@dataclass(slots=True)
class Head:
    """The end of a trail while its row is locked: number and hash of the last entry, whether it is sealed, and when its
    session started. `Trail.append_all` moves it on."""

    trail: str
    seq: int
    hash: str
    sealed: bool
    started_at: datetime | None


async def lock_head(tx: AsyncConnection, trail: str, *, briefly: bool = False) -> Head:
    """The trail's head, made if missing, locked until the transaction ends. `briefly` as for `lock_heads`."""
    return (await lock_heads(tx, (trail,), briefly=briefly))[trail]


async def lock_heads(
    tx: AsyncConnection, trails: Collection[str], *, make: bool = True, briefly: bool = False
) -> dict[str, Head]:
    """The heads of these trails by name, locked until the transaction ends, always in the order of their names.

    Those that are missing are made (two that make one at once: the second's insert waits for the first and then does nothing,
    and both go on to the lock), or with `make` off left out.

    `briefly`, for whoever may be told to come again: on PostgreSQL the transaction waits `BRIEFLY_MS` at most for these and for
    whatever it locks after, so that one row on which somebody sits does not keep the heads as well (`is_away`).
    """
    if not trails:
        return {}
    heads = await _locked(tx, trails, briefly=briefly)
    missing = sorted(set(trails) - heads.keys())
    if missing and make:
        insert_or = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
        fresh = [{"session_id": trail, "seq": 0, "hash": GENESIS, "sealed": 0} for trail in missing]
        await tx.execute(insert_or(trail_heads).values(fresh).on_conflict_do_nothing())
        heads |= await _locked(tx, missing)
    return heads


_LOCK_HEADS = (
    select(
        trail_heads.c.session_id,
        trail_heads.c.seq,
        trail_heads.c.hash,
        trail_heads.c.sealed,
        sessions.c.id.label("session"),
        sessions.c.started_at,
    )
    .select_from(trail_heads.outerjoin(sessions, sessions.c.id == trail_heads.c.session_id))
    .where(among(trail_heads.c.session_id, "trails"))
    .order_by(trail_heads.c.session_id)
    .with_for_update(of=trail_heads)
)
_LOCK_HEADS_BRIEFLY = _LOCK_HEADS.where(waiting_at_most(BRIEFLY_MS))
_STARTED = select(sessions.c.id, sessions.c.started_at).where(
    among(sessions.c.id, "sessions"), sessions.c.started_at.is_not(None)
)
_MOVE_HEAD = (
    update(trail_heads)
    .where(trail_heads.c.session_id == bindparam("trail"))
    .values(seq=bindparam("last_seq"), hash=bindparam("last_hash"))
)


async def _locked(tx: AsyncConnection, trails: Collection[str], *, briefly: bool = False) -> dict[str, Head]:
    lock = _LOCK_HEADS_BRIEFLY if briefly and tx.dialect.name != "sqlite" else _LOCK_HEADS
    rows = (await tx.execute(lock, {"trails": list(trails)})).all()
    heads = {row.session_id: Head(row.session_id, row.seq, row.hash, bool(row.sealed), row.started_at) for row in rows}
    # PostgreSQL reads the head anew when it had to wait for it, but the session as it was before: whoever held the head may
    # have started it. Once started it stays so, and SQLite begins a writing transaction with its one lock.
    doubtful = {row.session_id for row in rows if row.session is not None and row.started_at is None}
    if doubtful and tx.dialect.name != "sqlite":
        for row in await tx.execute(_STARTED, {"sessions": doubtful}):
            heads[row.id].started_at = row.started_at
    return heads


class _Written:
    """What is about to be written by one statement for each table."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._texts: list[dict[str, Any]] = []

    def add(self, head: Head, draft: Draft, now: datetime) -> Entry:
        """The entry that follows the head, which moves on."""
        seq = head.seq + 1
        data = dict(draft.data)
        for name, text in draft.private.items():
            if name in data:
                raise ValueError(f"{draft.kind}: {name!r} is both data and private")
            salt = secrets.token_bytes(SALT_BYTES)
            data[name] = {"sha256": commitment(salt, text)}
            self._texts.append({"session_id": head.trail, "seq": seq, "field": name, "salt": salt, "text": text})
        moment = _moment(draft, head.started_at, now)
        entry, body = next_entry(head.trail, seq, now, moment, draft.kind, draft.actor, data, head.hash)
        head.seq, head.hash = seq, entry.hash
        self._entries.append(
            {
                "session_id": head.trail,
                "seq": seq,
                "kind": entry.kind,
                "media_ms": moment,
                "body": body.decode(),
                "hash": entry.hash,
            }
        )
        return entry

    async def save(self, tx: AsyncConnection, heads: Sequence[Head]) -> None:
        if self._entries:
            await tx.execute(insert(trail_entries), self._entries)
        if self._texts:
            await tx.execute(insert(trail_texts), self._texts)
        if heads:
            moved = [{"trail": head.trail, "last_seq": head.seq, "last_hash": head.hash} for head in heads]
            await tx.execute(_MOVE_HEAD, moved)


def _moment(draft: Draft, started_at: datetime | None, now: datetime) -> int | None:
    if draft.media_ms is not None:
        return draft.media_ms
    return media_ms(started_at, now) if started_at is not None else None
