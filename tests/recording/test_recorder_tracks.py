"""A stream is recorded while each of its tracks is: what one of them lacks is said, and closes the sale."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compliance.findings import Findings
from compliance.record import Record
from core.clock import ManualClock
from core.database import Database
from recording import coverage
from recording.assembly import START_CODE
from recording.cutting import Limits
from recording.recorder import UNREADABLE_S, TrackSink
from stream.sink import Kind, SinkOrder, StreamKey
from tests.recording.studio import EPOCH, Studio
from tests.recording.synthetic import MTU, Network, Publisher, flashes, nal_units, packetise
from tests.recording.web_side import World


class Wire:
    """A sink before the sink, that changes what a publisher sends."""

    def __init__(self, sink: TrackSink, change: Callable[[Kind, bytes, int], tuple[bytes, int]]) -> None:
        self._sink = sink
        self._change = change
        self.track, self.sender_report = sink.track, sink.sender_report

    def rtp(self, kind: Kind, payload: bytes, *, timestamp: int, sequence: int, marker: bool, arrival: float) -> None:
        payload, sequence = self._change(kind, payload, sequence)
        self._sink.rtp(kind, payload, timestamp=timestamp, sequence=sequence % 2**16, marker=marker, arrival=arrival)

    def closed(self, reason: str) -> None:
        self._sink.closed(reason)


def runs(holes: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return coverage.merge(((hole["from_ms"], hole["to_ms"]) for hole in holes), 0)


async def end(studio: Studio, publisher: Publisher, sink: TrackSink) -> list[dict[str, Any]]:
    publisher.drain()
    sink.closed("left")
    await studio.recorder.flush()
    return studio.feed.of("fragment_sealed")


@pytest.mark.parametrize(("kind", "other"), [("video", "audio"), ("audio", "video")])
async def test_a_track_that_stops_for_good_is_missing_up_to_the_end(studio: Studio, kind: str, other: str) -> None:
    publisher = Publisher(studio.start)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 3)
    publisher.pause(kind, studio.start + 1000)
    publisher.run(studio.start + 20)
    sealed = await end(studio, publisher, sink)

    [(begin, stop)] = runs(studio.holes(kind))
    assert begin == pytest.approx(3_000, abs=150)
    assert stop == pytest.approx(sealed[-1]["end_ms"], abs=1)
    holes = studio.holes(kind)
    assert all(after["from_ms"] == before["to_ms"] for before, after in itertools.pairwise(holes))  # each once
    assert studio.holes(other) == []
    assert sealed[-1]["recorded_ms"] == pytest.approx(3_000, abs=150)


async def test_a_track_that_begins_late_is_missing_from_the_start(studio: Studio) -> None:
    publisher = Publisher(studio.start)
    publisher.pause("video", studio.start + 10)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 16)
    sealed = await end(studio, publisher, sink)

    [(begin, stop)] = runs(studio.holes("video"))
    assert begin == sealed[0]["start_ms"]
    assert stop == pytest.approx(10_060, abs=60)
    assert {hole["reason"] for hole in studio.holes("video")} == {"nothing_sent"}
    assert [data["recorded_ms"] for data in sealed if data["end_ms"] < 10_000] == [None] * 4
    assert sealed[-1]["recorded_ms"] == pytest.approx(sealed[-1]["end_ms"], abs=40)


async def test_a_track_that_never_comes_is_missing_altogether(studio: Studio) -> None:
    publisher = Publisher(studio.start, video=False)
    sink = studio.sink(publisher)
    sink.track("video", "H264", 90_000)
    publisher.run(studio.start + 7)
    sealed = await end(studio, publisher, sink)
    assert runs(studio.holes("video")) == [(sealed[0]["start_ms"], sealed[-1]["end_ms"])]
    assert {data["recorded_ms"] for data in sealed} == {None}


async def test_a_picture_without_a_keyframe_after_a_loss_fails_and_recovers(studio: Studio) -> None:
    def lose(kind: str, number: int, capture: float) -> bool:
        return kind == "video" and 4.0 < capture - studio.start < 4.1

    publisher = Publisher(studio.start, network=Network(lose=lose), answers=False)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 12)
    await studio.recorder.flush()
    [failed] = studio.feed.of("recording_failed")
    assert failed["reason"] == "undecodable"
    assert failed["media_ms"] == pytest.approx(4_060 + UNREADABLE_S * 1000, abs=250)
    assert studio.feed.of("recording_recovered") == []

    publisher._keyframe = True
    publisher.run(studio.start + 16)
    sealed = await end(studio, publisher, sink)
    [recovered] = studio.feed.of("recording_recovered")
    assert recovered["media_ms"] == pytest.approx(12_000, abs=200)
    [(begin, stop)] = runs(studio.holes("video"))
    assert (begin, stop) == (pytest.approx(4_030, abs=100), pytest.approx(12_030, abs=100))
    assert {hole["reason"] for hole in studio.holes("video")[:-1]} == {"undecodable"}
    assert sealed[-1]["recorded_ms"] == pytest.approx(sealed[-1]["end_ms"], abs=40)


def sets_in_pieces(annexb: bytes) -> list[tuple[bytes, bool]]:
    """Parameter sets have some twenty bytes; here none of them fits into a packet."""
    sizes = {7: 8, 8: 3}
    units = [(START_CODE + unit, sizes.get(unit[0] & 0x1F, MTU)) for unit in nal_units(annexb)]
    payloads = [payload for unit, mtu in units for payload, _marker in packetise(unit, mtu, aggregate=False)]
    return [(payload, i == len(payloads) - 1) for i, payload in enumerate(payloads)]


async def test_parameter_sets_in_pieces_are_recorded_as_a_decoder_takes_them(studio: Studio) -> None:
    publisher = Publisher(studio.start)
    publisher.packetise = sets_in_pieces
    await studio.record(publisher, 5)
    assert studio.feed.of("recording_failed") == []
    assert studio.holes("video") == []
    assert len(flashes(studio.files)) >= 4


async def test_sound_that_leaps_over_numbers_for_ever_is_a_failed_recording(studio: Studio) -> None:
    publisher = Publisher(studio.start, network=Network(jitter=0.0))
    sink = studio.sink(publisher)
    publisher.sink = Wire(sink, lambda kind, payload, number: (payload, number * 3001 if kind == "audio" else number))
    publisher.run(studio.start + 10)
    sealed = await end(studio, publisher, sink)
    assert [data["reason"] for data in studio.feed.of("recording_failed")] == ["undecodable"]
    assert studio.feed.of("recording_recovered") == []
    assert max(data["recorded_ms"] for data in sealed) < 500  # what came before the first leap
    [(begin, stop)] = runs(studio.holes("audio"))
    assert (begin < 500, stop) == (True, sealed[-1]["end_ms"])


@pytest.mark.parametrize("every_s", [1.0, 1.2])
@pytest.mark.parametrize("answers", [True, False])
async def test_a_still_screen_and_silence_are_no_holes(studio: Studio, answers: bool, every_s: float) -> None:
    """One picture a second, as a shared screen that stands still, also with a timer that is late; a packet of sound each
    400 ms, as Opus DTX."""
    network = Network()
    publisher = Publisher(studio.start, network=network, answers=answers)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 2, sink.tick)
    publisher.every = {"audio": 0.4, "video": every_s}
    network.jitter = 0.1
    publisher.run(studio.start + 20, sink.tick)
    sealed = await end(studio, publisher, sink)
    assert studio.holes("video") == studio.holes("audio") == []
    assert studio.feed.of("recording_failed") == []
    waits = [after["end_ms"] - before["recorded_ms"] for before, after in itertools.pairwise(sealed)]
    assert max(waits) / 1000 + Limits().wait_s < coverage.MAX_AGE_S  # else the sale would close in between
    assert max(data["end_ms"] - data["recorded_ms"] for data in sealed[2:]) <= 200


async def test_a_codec_that_cannot_be_recorded_fails_for_good(studio: Studio) -> None:
    """The picture is announced with a clock no H.264 has: sound alone must not pass for the recording."""
    publisher = Publisher(studio.start)
    sink = studio.recorder.sink_factory(SinkOrder(StreamKey(studio.session, "host"), EPOCH, studio.start, lambda: None))
    sink.track("audio", "opus", 48_000)
    sink.track("video", "H264", 48_000)
    publisher.sink = sink
    publisher.run(studio.start + 6, sink.tick)
    assert await end(studio, publisher, sink) == []
    assert [data["reason"] for data in studio.feed.of("recording_failed")] == ["codec_unsupported"]
    assert studio.feed.kinds == ["recording_failed", "stream_closed"]


async def test_one_sinks_fault_is_its_own(studio: Studio, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = Publisher(studio.start), Publisher(studio.start)
    first = studio.sink(broken, EPOCH)
    second = studio.sink(whole, EPOCH + 1)
    broken.run(studio.start + 1)
    whole.run(studio.start + 1)

    def fault(now: float) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(first._cutter, "tick", fault)
    monkeypatch.setattr(first._cutter, "finish", lambda: fault(0))
    clock.advance(5.0)
    studio.recorder.tick()
    await studio.recorder.flush()
    assert [(data["epoch"], data["reason"]) for data in studio.feed.of("recording_failed")] == [(EPOCH, "internal_error")]
    assert [data["epoch"] for data in studio.feed.of("fragment_sealed")] == [EPOCH + 1]
    second.closed("left")
    assert studio.recorder._sinks == [first]


async def test_a_sink_that_fails_to_end_is_forgotten_and_told(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher(studio.start)
    sink = studio.sink(publisher)
    publisher.run(studio.start + 1)

    def fault() -> list[Any]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(sink._cutter, "finish", fault)
    with pytest.raises(RuntimeError, match="a bug"):
        sink.closed("left")
    assert studio.recorder._sinks == []
    await studio.recorder.flush()
    assert studio.feed.kinds == ["stream_closed"]


async def test_the_sale_closes_with_the_picture_and_what_it_did_not_show_is_found(
    studio: Studio, database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    world = World(database, clock, tmp_path)
    studio.session = session = await world.live("host")
    publisher = Publisher(studio.start)
    sink = studio.sink(publisher)
    world.publisher("publisher_joined", session, 0, epoch=EPOCH)
    taken = 0
    reasons: dict[int, str | None] = {}

    async def report() -> None:
        nonlocal taken
        await studio.recorder.flush()
        for kind, data in studio.feed.records[taken:]:
            world.feed.append(kind, **data)
        taken = len(studio.feed.records)
        await world.intake.follow()

    for second in range(1, 15):
        if second == 7:
            publisher.pause("video", studio.start + 1000)
        publisher.run(studio.start + second, sink.tick)
        clock.advance(1)
        if second in (5, 11):
            await world.order(session, f"ord_{second}")
        await report()
        async with database.read() as tx:
            marks = await coverage.watermarks(tx, session)
        reasons[second] = coverage.sale_blocker(["host"], marks, clock.now())
    assert reasons[5] is None
    assert reasons[12] == reasons[14] == "recording_stale"

    sink.closed("left")
    await report()
    await world.end(session)
    world.feed.append("session_closed", session=session)
    await world.intake.follow()
    await world.closer.sweep()
    assert world.found == [(session, ["ord_11"])]

    findings = Findings()
    record = Record(findings)
    async with database.read() as tx:
        entries = await world.trail.entries(tx, session)
    for entry in entries:
        if entry.kind != "order_uncovered":
            record.add(entry)
    record.check()
    faults = [(fault.code, fault.where.rpartition(" ")[2]) for fault in findings.taken() if fault.is_fault]
    assert faults == [("order_uncovered", "ord_11")]
