"""Takes the media process's feed into the database, exactly once.

The life of a record:
1. it comes over the feed, numbered; the feed sends it again until it is acknowledged;
2. one transaction locks the feed's cursor, skips what it has seen, writes rows and entries, and moves the cursor;
3. after the commit others are told (`on_change`), then the record is acknowledged.
Killed between 2 and 3, the record comes again and is skipped. Several web processes may all run this: the cursor's lock lets
one of them take each record. A record that can't be understood is logged, counted, kept out and acknowledged: one bad line
must not keep the recording of every session from being known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import structlog
from prometheus_client import Counter
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock
from core.database import Database
from core.errors import Refused, Unavailable
from recording.journal import HANDLERS, Change, Journal
from recording.reports import read_report
from recording.tables import feed_cursors
from recording.trail import Trail
from stream.errors import FEED_AHEAD

log = structlog.get_logger("recording.intake")

TAKEN = Counter("tellercast_intake_records", "Feed records written down", ["kind"])
REJECTED = Counter("tellercast_intake_rejected", "Feed records that could not be understood and were left out")
SKIPPED_NUMBERS = Counter("tellercast_intake_missing", "Numbers that never came in the feed")
RECONNECTS = Counter("tellercast_intake_reconnects", "Times the feed was lost and asked for again")

FIRST_BACKOFF_S = 0.25
LAST_BACKOFF_S = 5.0
_CALLBACK_TIMEOUT_S = 5.0

OnChange = Callable[[str, str, dict[str, Any]], Awaitable[None]]


class MediaFeed(Protocol):
    """The part of the media process's client that is needed here (`stream.client.MediaClient`)."""

    async def feed_id(self) -> str:
        """Which feed it is: another one after the media process lost its feed's file."""
        ...

    def feed(self, after: int, feed: str) -> AsyncIterator[dict[str, Any]]:
        """Records of that feed with a number above `after`, without end; raises when the media process is away."""
        ...

    async def ack(self, upto: int, feed: str) -> None:
        """Records up to `upto` of that feed are safe and need not be sent again."""
        ...


class Intake:
    """Consumes one media process's feed. `media` names that process; its cursor is kept under `media@FEED`, with the feed's id.

    `on_change(session_id, kind, data)` is awaited after each commit; kind "finding" is for a person to look at.
    """

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        client: MediaFeed,
        on_change: OnChange,
        media: str = "media",
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._db = db
        self._clock = clock
        self._client = client
        self._on_change = on_change
        self._media = media
        self._feed = ""  # the id of the feed being followed
        self._pause = pause
        self._journal = Journal(trail)
        self.connected = False
        self.last_record_at: float | None = None  # monotonic seconds

    async def run(self) -> None:
        """Follow the feed until cancelled, reconnecting with a backoff of at most `LAST_BACKOFF_S`."""
        backoff = FIRST_BACKOFF_S
        while True:
            before = self.last_record_at
            try:
                await self.follow()
            except (Unavailable, OSError, TimeoutError, SQLAlchemyError) as error:
                log.warning("feed_lost", media=self._media, error=repr(error), retry_s=backoff)
            except Exception:
                log.exception("feed_broken", media=self._media, retry_s=backoff)
            finally:
                self.connected = False
            RECONNECTS.inc()
            if self.last_record_at != before:
                backoff = FIRST_BACKOFF_S
            await self._pause(backoff)
            backoff = min(backoff * 2, LAST_BACKOFF_S)

    async def follow(self) -> None:
        """Read the feed once, from where the database stands until it ends; raises what the client or the database raises."""
        self._feed = await self._client.feed_id()
        cursor = await self._cursor()
        if cursor:
            try:
                await self._client.ack(cursor, self._feed)  # what was committed but not acknowledged before a crash
            except Refused as refused:
                if refused.problem.code != FEED_AHEAD.code:
                    raise
                cursor = await self._begin_again(self._name, cursor)
        self.connected = True
        records = self._client.feed(cursor, self._feed)
        try:
            async for record in records:
                await self._handle(record)
        finally:
            if isinstance(records, AsyncGenerator):
                await records.aclose()  # now, not when the garbage collector gets to it

    async def _handle(self, record: dict[str, Any]) -> None:
        number = record.get("n")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            REJECTED.inc()
            log.error("record_without_number", media=self._media, record=str(record)[:500])
            return
        changes = await self.take(number, record)
        self.last_record_at = self._clock.monotonic()
        for change in changes:
            await self._tell(change)
        await self._client.ack(number, self._feed)

    async def take(self, number: int, record: dict[str, Any]) -> list[Change]:
        """One record in one transaction; what to tell others of, nothing when it was taken before.

        Raises when the database is away, so that the record comes again; every other failure is the record's own.
        """
        try:
            async with self._db.write() as tx:
                if not await self._advance(tx, number):
                    return []
                kind, report = str(record.get("kind")), read_report(record)
                changes = await HANDLERS[kind](self._journal, tx, report, kind)
        except (DataError, IntegrityError) as error:
            return await self._reject(number, record, error)
        except (SQLAlchemyError, OSError, TimeoutError):
            raise
        except Exception as error:
            return await self._reject(number, record, error)
        TAKEN.labels(kind).inc()
        return changes

    async def _reject(self, number: int, record: dict[str, Any], error: Exception) -> list[Change]:
        REJECTED.inc()
        log.error("record_rejected", media=self._media, n=number, record=str(record)[:500], error=repr(error), exc_info=error)
        async with self._db.write() as tx:
            await self._advance(tx, number)
        session_id = record.get("session")
        named = session_id if isinstance(session_id, str) else ""
        return [Change(named, "finding", {"finding": "record_rejected", "n": number, "kind": str(record.get("kind"))[:40]})]

    @property
    def _name(self) -> str:
        """What the cursor is kept under. A feed's file from before there were ids has none."""
        return f"{self._media}@{self._feed}" if self._feed else self._media

    async def _advance(self, tx: AsyncConnection, number: int) -> bool:
        """Lock the cursor and move it to `number`; False when it is already there or beyond."""
        query = select(feed_cursors.c.n).where(feed_cursors.c.media == self._name).with_for_update()
        last = (await tx.execute(query)).scalar_one_or_none()
        if last is None:
            make = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
            await tx.execute(make(feed_cursors).values(media=self._name, n=0).on_conflict_do_nothing())
            last = (await tx.execute(query)).scalar_one()
        if number <= last:
            return False
        if number != last + 1:
            SKIPPED_NUMBERS.inc(number - last - 1)
            log.error("feed_numbers_missing", media=self._media, after=last, got=number)
        await tx.execute(update(feed_cursors).where(feed_cursors.c.media == self._name).values(n=number))
        return True

    async def _begin_again(self, name: str, cursor: int) -> int:
        """The media process lost its feed and numbers anew. Follow it: fragments known already are recognised by their place,
        and what the lost feed still held shows as gaps. Waiting for a person would leave every sale closed."""
        REJECTED.inc()
        log.error("feed_numbered_anew", media=self._media, cursor=cursor)
        mine = (feed_cursors.c.media == name) & (feed_cursors.c.n == cursor)
        async with self._db.write() as tx:
            await tx.execute(update(feed_cursors).where(mine).values(media=self._name, n=0))
        await self._tell(Change("", "finding", {"finding": "feed_numbered_anew", "cursor": cursor}))
        return 0

    async def _cursor(self) -> int:
        """Where the database stands in this feed; at its beginning when it stands in one that is gone."""
        of_media = (feed_cursors.c.media == self._media) | feed_cursors.c.media.startswith(f"{self._media}@", autoescape=True)
        async with self._db.read() as tx:
            found = {row.media: int(row.n) for row in await tx.execute(select(feed_cursors).where(of_media))}
        if self._name in found or not found:
            return found.get(self._name, 0)
        return await self._begin_again(*max(found.items(), key=lambda item: item[1]))

    async def _tell(self, change: Change) -> None:
        try:
            async with asyncio.timeout(_CALLBACK_TIMEOUT_S):
                await self._on_change(change.session_id, change.kind, change.data)
        except Exception:  # the record is committed; whoever was not told reads the database
            log.exception("on_change_failed", session=change.session_id, kind=change.kind)
