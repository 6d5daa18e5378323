"""Is what must be recorded being recorded, and was it? Pure decisions over watermarks and fragments (invariant 1)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import among
from recording.tables import fragments as fragments_table
from recording.tables import streams

# Fragments are cut between frames, so that neighbours never touch exactly: a hole up to this long is not one.
HOLE_MS = 250
MAX_AGE_S = 5.0

PUBLISHING, LOST, LEFT, FAILED, CLOSED = "publishing", "lost", "left", "failed", "closed"


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far every track of a stream is safely on disk: `media_ms` on the session's axis, `at` the wall time of that.

    `status` is publishing | lost | left | failed | closed. Both times are None while one of its tracks never was.
    """

    stream: str
    status: str
    media_ms: int | None
    at: datetime | None


_STREAMS = select(streams).where(among(streams.c.session_id, "sessions")).order_by(streams.c.session_id, streams.c.name)


async def watermarks(tx: AsyncConnection, session_id: str) -> dict[str, Watermark]:
    """The watermark of every stream that was ever published in the session, by stream name."""
    return (await watermarks_of(tx, (session_id,)))[session_id]


async def watermarks_of(tx: AsyncConnection, session_ids: Collection[str]) -> dict[str, dict[str, Watermark]]:
    """The same of several sessions, by session; of one that nobody ever published in, none."""
    found: dict[str, dict[str, Watermark]] = {session_id: {} for session_id in session_ids}
    for row in await tx.execute(_STREAMS, {"sessions": session_ids}):
        found[row.session_id][row.name] = Watermark(row.name, row.status, row.watermark_ms, row.watermark_at)
    return found


async def spans(tx: AsyncConnection, session_id: str, stream: str) -> list[tuple[int, int]]:
    """What is recorded of a stream: (start_ms, end_ms) of its runs, holes up to `HOLE_MS` closed, in order."""
    table = fragments_table
    query = (
        select(table.c.start_ms, table.c.end_ms)
        .where(table.c.session_id == session_id, table.c.stream == stream)
        .order_by(table.c.start_ms)
    )
    return merge((row.start_ms, row.end_ms) for row in await tx.execute(query))


def sale_blocker(
    required: Iterable[str],
    watermarks: Mapping[str, Watermark],
    now: datetime,
    max_age_s: float = MAX_AGE_S,
) -> str | None:
    """Why nothing may be sold now, or None: recording_failed, recording_not_started, publisher_lost, recording_stale.

    A pause excuses nothing: it is recorded like the rest. Of several reasons the one named first above wins. A watermark from
    the future beyond `max_age_s` means clocks that disagree, and proves nothing.
    """
    found = {_blocker(watermarks.get(name), now, max_age_s) for name in required}
    for reason in ("recording_failed", "recording_not_started", "publisher_lost", "recording_stale"):
        if reason in found:
            return reason
    return None


def _blocker(mark: Watermark | None, now: datetime, max_age_s: float) -> str | None:
    if mark is None:
        return "recording_not_started"
    if mark.status == FAILED:
        return "recording_failed"
    if mark.status != PUBLISHING:
        return "publisher_lost"
    if mark.at is None:
        return "recording_not_started"
    return "recording_stale" if abs(now - mark.at) > timedelta(seconds=max_age_s) else None


def merge(pieces: Iterable[tuple[int, int]], hole_ms: int = HOLE_MS) -> list[tuple[int, int]]:
    """Overlapping and neighbouring pieces as the fewest runs, in order; a hole of up to `hole_ms` is closed."""
    runs: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if runs and start - runs[-1][1] <= hole_ms:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((start, end))
    return runs


def shown(recorded: Iterable[tuple[int, int]], holes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where a stream is recorded with all its tracks: its fragments without the holes (from_ms, to_ms) of any one of them."""
    missing = merge(holes, 0)
    runs: list[tuple[int, int]] = []
    for start, end in merge(recorded):
        at = start
        for begin, stop in missing[bisect_left(missing, start, key=lambda hole: hole[1]) :]:
            if begin > end:
                break
            if begin > at:
                runs.append((at, begin))
            at = max(at, stop)
        if at < end or at == start:
            runs.append((at, end))
    return runs


def uncovered(orders_ms: Iterable[int], fragments: Sequence[tuple[int, int]]) -> list[int]:
    """The order times that no run (start_ms, end_ms) of one stream shows, in the order given."""
    runs = merge(fragments)
    starts = [start for start, _end in runs]
    missing = []
    for moment in orders_ms:
        place = bisect_right(starts, moment) - 1
        if place < 0 or moment > runs[place][1]:
            missing.append(moment)
    return missing
