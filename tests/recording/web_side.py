"""What the tests of the web side share: a feed that keeps what is not acknowledged, and a session that has begun."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from core.clock import ManualClock
from core.database import Database
from recording import sessions
from recording.closing import Closer
from recording.intake import Intake
from recording.keys import SigningKeys
from recording.trail import Draft, Trail


class LocalFeed:
    """A media process's feed in memory: numbered, sent again until acknowledged, ending where the records end.

    `name` is the feed's id; without one it is as the feeds were before they had any.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.records: list[dict[str, Any]] = []
        self.acked = 0
        self.last = 0

    def append(self, kind: str, **data: Any) -> int:
        self.last += 1
        self.records.append({"n": self.last, "kind": kind, "at": "2026-11-22T08:00:00.000000Z", **data})
        return self.last

    async def feed_id(self) -> str:
        return self.name

    async def feed(self, after: int, feed: str) -> AsyncIterator[dict[str, Any]]:
        for record in list(self.records):
            if record["n"] > after:
                yield record

    async def ack(self, upto: int, feed: str) -> None:
        self.acked = max(self.acked, upto)
        self.records = [record for record in self.records if record["n"] > upto]


class World:
    """One database, one feed, and everything of the web side that works on them."""

    def __init__(self, database: Database, clock: ManualClock, folder: Path) -> None:
        self.db = database
        self.clock = clock
        self.trail = Trail(clock)
        self.feed = LocalFeed()
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        self.found: list[tuple[str, list[str]]] = []
        self.keys = SigningKeys(folder / "keys")
        self.intake = self.new_intake()
        self.closer = self.new_closer()

    def new_intake(self) -> Intake:
        return Intake(self.db, self.trail, self.clock, self.feed, self.on_change)

    def new_closer(self) -> Closer:
        return Closer(self.db, self.trail, self.clock, self.keys, on_finding=self.on_finding, on_change=self.on_change)

    async def on_change(self, session_id: str, kind: str, data: dict[str, Any]) -> None:
        self.told.append((session_id, kind, data))

    async def on_finding(self, _tx: object, session_id: str, orders: list[str]) -> None:
        self.found.append((session_id, orders))

    async def live(self, *required: str) -> str:
        """A session that has just begun."""
        async with self.db.write() as tx:
            made = await sessions.create(tx, self.clock, kind="show", title="晨会", host_id="adviser-1", required=required)
            await sessions.move(tx, self.clock, self.trail, made.id, "start", "adviser-1")
        return made.id

    async def end(self, session_id: str) -> None:
        async with self.db.write() as tx:
            await sessions.move(tx, self.clock, self.trail, session_id, "end", "adviser-1")

    async def order(self, session_id: str, name: str) -> None:
        async with self.db.write() as tx:
            await self.trail.append(
                tx, session_id, Draft("order_placed", "customer-c3", {"order": name, "product": "prd_1", "price": "1.00"})
            )

    def fragment(
        self, session_id: str, index: int, start_ms: int, end_ms: int, stream: str = "host", epoch: int = 1
    ) -> dict[str, Any]:
        """Announce a fragment; answers with the record's data."""
        path = f"{session_id}/{stream}/{epoch:013d}-{index:06d}.mp4"
        data = {
            "session": session_id,
            "stream": stream,
            "epoch": epoch,
            "index": index,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "bytes": 1000,
            "sha256": hashlib.sha256(path.encode()).hexdigest(),
            "path": path,
            "video": {"codec": "avc1.42e01f", "width": 1280, "height": 720},
            "audio": {"codec": "opus"},
        }
        self.feed.append("fragment_sealed", **data)
        return data

    def publisher(
        self, kind: str, session_id: str, media_ms: int, stream: str = "host", epoch: int = 1, reason: str = ""
    ) -> None:
        """Announce publisher_joined, publisher_lost, recording_failed and their like."""
        self.feed.append(kind, session=session_id, stream=stream, epoch=epoch, media_ms=media_ms, reason=reason)

    async def kinds(self, session_id: str) -> list[str]:
        async with self.db.read() as tx:
            return [entry.kind for entry in await self.trail.entries(tx, session_id)]

    async def data(self, session_id: str, kind: str) -> list[dict[str, Any]]:
        async with self.db.read() as tx:
            return [dict(entry.data) for entry in await self.trail.entries(tx, session_id, kinds={kind})]
