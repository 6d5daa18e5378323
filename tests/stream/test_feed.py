"""What was appended is told, in order, until it is acknowledged: over restarts, torn ends and full disks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import Refused
from stream import feed as feed_module
from stream.errors import FEED_AHEAD, FEED_ANEW, FeedCorrupt
from stream.feed import Feed

Opener = Callable[[], Feed]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.jsonl"


@pytest.fixture
def reopen(path: Path, clock: ManualClock) -> Any:
    """Opens the feed, closing what was open before."""
    opened: list[Feed] = []

    def open_feed() -> Feed:
        if opened:
            opened[-1].close()
        opened.append(Feed(path, clock))
        return opened[-1]

    yield open_feed
    opened[-1].close()


def records(feed: Feed, after: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for _, line in feed.lines(after, 10_000)]


def test_numbers_go_on_after_a_restart_and_only_the_unacknowledged_is_told(reopen: Opener) -> None:
    feed = reopen()
    assert [feed.append("joined", {"stream": "host"}) for _ in range(3)] == [1, 2, 3]
    feed.ack(2)
    feed = reopen()
    assert [r["n"] for r in records(feed)] == [3]
    assert records(feed)[0] == {"n": 3, "kind": "joined", "at": "2026-11-22T08:00:00.000000Z", "stream": "host"}
    assert feed.append("left", {}) == 4


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_end_is_cut_off(reopen: Opener, path: Path, cut: int) -> None:
    feed = reopen()
    for i in range(3):
        feed.append("joined", {"i": i})
    feed.close()
    path.write_bytes(path.read_bytes()[:-cut])
    feed = reopen()
    assert [r["n"] for r in records(feed)] == [1, 2]
    assert feed.append("left", {}) == 3
    feed = reopen()
    assert [r["kind"] for r in records(feed)] == ["joined", "joined", "left"]


def test_damage_before_the_end_is_never_skipped(reopen: Opener, path: Path, clock: ManualClock) -> None:
    feed = reopen()
    for i in range(3):
        feed.append("joined", {"i": i})
    feed.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1] + lines[3])
    with pytest.raises(FeedCorrupt):
        Feed(path, clock)


def test_it_is_compacted_and_numbers_still_go_on(reopen: Opener, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_COMPACT_BYTES", 2000)
    feed = reopen()
    for i in range(100):
        feed.ack(feed.append("joined", {"i": i}) - 1)
    feed.close()
    assert path.stat().st_size < 4000
    feed = reopen()
    assert [r["n"] for r in records(feed)] == [100]
    assert feed.append("left", {}) == 101


def test_threads_append_without_gaps(reopen: Opener) -> None:
    feed = reopen()
    threads = [threading.Thread(target=lambda: [feed.append("fragment", {}) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r["n"] for r in records(feed)] == list(range(1, 161))


def test_a_disk_that_refuses_delays_and_loses_nothing(reopen: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_RETRY_S", 0.01)
    feed = reopen()
    feed.append("joined", {})
    failures = [3]
    real = feed_module.os.write

    def full(file: int, data: Any) -> int:
        if failures[0]:
            failures[0] -= 1
            real(file, bytes(data)[:7])  # a torn write, then no space
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(feed_module.os, "write", full)
    assert feed.append("left", {}) == 2
    assert failures[0] == 0
    monkeypatch.setattr(feed_module.os, "write", real)
    feed = reopen()
    assert [r["kind"] for r in records(feed)] == ["joined", "left"]


async def test_a_reader_gets_old_and_new_records_and_ends_with_the_feed(reopen: Opener) -> None:
    feed = reopen()
    feed.append_soon("one", {})
    got: list[str] = []
    async with asyncio.timeout(10):
        while not feed.closed:
            await feed.wait_beyond(len(got), 10)
            for record in records(feed, len(got)):
                got.append(record["kind"])
                if record["kind"] == "one":
                    feed.append_soon("two", {})
                elif record["kind"] == "two":
                    await asyncio.to_thread(feed.append, "three", {})
                else:
                    feed.close()
    assert got == ["one", "two", "three"]


def test_a_feed_keeps_its_id_until_its_file_is_gone(reopen: Opener, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_COMPACT_BYTES", 100)
    feed = reopen()
    name = feed.id
    for _ in range(10):
        feed.ack(feed.append("joined", {}))
    feed = reopen()
    assert feed.id == name
    feed.require(name)
    feed.close()
    path.unlink()
    feed = reopen()
    assert feed.id != name
    with pytest.raises(Refused) as refused:
        feed.require(name)
    assert refused.value.problem is FEED_ANEW


def test_a_file_from_before_there_were_ids_goes_on_without_one(reopen: Opener, path: Path) -> None:
    path.write_bytes(b'{"feed":1,"base":7}\n')
    feed = reopen()
    assert (feed.id, feed.append("joined", {})) == ("", 8)
    assert reopen().id == ""


def test_cursors_beyond_the_end_are_refused(reopen: Opener) -> None:
    feed = reopen()
    feed.append("one", {})
    for wrong in (lambda: feed.lines(2), lambda: feed.ack(2)):
        with pytest.raises(Refused) as refused:
            wrong()
        assert refused.value.problem is FEED_AHEAD
    feed.ack(1)
    feed.ack(0)
    assert feed.acked == 1
    assert feed.backlog == 0


def test_data_may_not_pretend_to_be_the_head(reopen: Opener) -> None:
    with pytest.raises(ValueError, match="kind"):
        reopen().append("joined", {"kind": "x"})


def test_a_compaction_that_fails_after_the_renaming_loses_nothing(
    reopen: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_COMPACT_BYTES", 500)
    monkeypatch.setattr(feed_module, "_RETRY_S", 0.01)
    feed = reopen()
    opened: list[int] = []
    real = feed_module._sync_folder

    def refuse(of: Path) -> None:
        opened.append(1)
        if len(opened) <= 3:
            raise OSError(24, "Too many open files")
        real(of)

    monkeypatch.setattr(feed_module, "_sync_folder", refuse)
    for i in range(30):
        feed.ack(feed.append("joined", {"i": i}) - 1)
    assert len(opened) > 3
    assert path.read_bytes().count(b'"i":29') == 1  # what was told to be durable is in the file that has the name
    feed = reopen()
    assert [r["n"] for r in records(feed)] == [30]
