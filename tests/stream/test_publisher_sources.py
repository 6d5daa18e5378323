"""A publisher's several sources: two videos told apart, repeats put back where they belong, feedback on all that arrives."""

from __future__ import annotations

import pytest
from aiortc.rtp import RTCP_PSFB_PLI, AnyRtcpPacket, RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from stream import rtcp, rtp
from tests.stream.test_publisher import KEYFRAME, Stage
from tests.stream.test_sdp import browser_offer
from tests.stream.test_twcc import read

OPUS, H264, RTX = 111, 108, 109
SOUND, HIGH, HIGH_RTX, LOW, LOW_RTX = 10, 20, 21, 30, 31
START = 20_000


@pytest.fixture
async def stage(clock: ManualClock) -> Stage:
    return Stage(clock, browser_offer())


def undeclared(sdp: str) -> str:
    return "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=ssrc"))


class Line:
    """Sends as Chromium does: every packet has the transport's next number, and the MID when asked."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.numbers = 0xFFF0

    def send(
        self, ssrc: int, sequence: int, *, kind: int = H264, payload: bytes = KEYFRAME, mid: str = "", arrives: bool = True
    ) -> None:
        elements = b"\x31" + (self.numbers & 0xFFFF).to_bytes(2) + (b"\x40" + mid.encode() if mid else b"")
        self.numbers += 1
        self.stage.clock.advance(0.002)
        if not arrives:
            return
        words = -(-len(elements) // 4)
        head = bytearray(rtp.header(kind, True, sequence, sequence * 3000 & 0xFFFFFFFF, ssrc))
        head[0] |= 0x10
        extension = b"\xbe\xde" + words.to_bytes(2) + elements.ljust(4 * words, b"\0")
        self.stage.publisher.on_rtp(bytes(head) + extension + payload)

    def repeat(self, ssrc: int, number: int, original: int, payload: bytes = KEYFRAME) -> None:
        self.send(ssrc, number, kind=RTX, payload=(original & 0xFFFF).to_bytes(2) + payload)


def feedback(stage: Stage) -> list[bytes]:
    return [data for data in stage.rtcp if data[0] & 0x1F == 15 and data[1] == 205]


def said(stage: Stage) -> list[AnyRtcpPacket]:
    """All but that: aiortc has no reader for it."""
    return [p for data in stage.rtcp if data not in feedback(stage) for p in RtcpPacket.parse(data)]


def nacked(stage: Stage) -> list[tuple[int, int]]:
    return [(p.media_ssrc, n & 0xFFFF) for p in said(stage) if isinstance(p, RtcpRtpfbPacket) for n in p.lost]


def asked(stage: Stage) -> list[int]:
    return [p.media_ssrc for p in said(stage) if isinstance(p, RtcpPsfbPacket) and p.fmt == RTCP_PSFB_PLI]


def dropped(stage: Stage, why: str) -> float:
    return stage.metrics.registry.get_sample_value("tellercast_media_packets_dropped_total", {"why": why}) or 0.0


@pytest.mark.parametrize("how", ["declared", "mid"])
async def test_two_videos_under_one_payload_type_are_told_apart(clock: ManualClock, how: str) -> None:
    stage = Stage(clock, browser_offer() if how == "declared" else undeclared(browser_offer()))
    line = Line(stage)
    assert stage.publisher.has_low
    for number in range(START, START + 50):
        mids = ("1", "2", "0") if how == "mid" and number < START + 10 else ("", "", "")  # until it is known to be heard
        line.send(HIGH, number, mid=mids[0])
        line.send(LOW, number + 7000, mid=mids[1])
        line.send(SOUND, number, kind=OPUS, mid=mids[2])
    kinds = [(p.kind, p.low, p.run) for p in stage.forwarded]
    assert kinds == [("video", False, 1), ("video", True, 2), ("audio", False, 3)] * 50
    assert [(kind, n) for kind, n, *_ in stage.recorded.packets if kind == "video"] == [
        ("video", n) for n in range(START, START + 50)
    ]


async def test_what_nothing_tells_apart_is_not_guessed(clock: ManualClock) -> None:
    stage = Stage(clock, undeclared(browser_offer()))
    line = Line(stage)
    line.send(HIGH, START)
    line.send(HIGH_RTX, START, kind=RTX)
    line.send(SOUND, START, kind=OPUS)
    assert [p.kind for p in stage.forwarded] == ["audio"]
    assert dropped(stage, "unexpected") == 2


async def test_the_lower_video_is_neither_recorded_nor_timed_as_the_better_one(stage: Stage) -> None:
    line = Line(stage)
    line.send(HIGH, START)
    line.send(LOW, START)
    wall = stage.clock.now().timestamp()
    stage.publisher.on_rtcp(rtcp.sender_report(HIGH, "x", wall, 1000, 1, 1))
    stage.publisher.on_rtcp(rtcp.sender_report(LOW, "x", wall, 7000, 1, 1))
    assert [timestamp for _kind, _ntp, timestamp in stage.recorded.reports] == [1000]
    assert len(stage.recorded.packets) == 1
    assert [track.low for track in stage.publisher.tracks] == [False, False]
    assert stage.publisher.senders.at("video", wall) == pytest.approx(1000, abs=1)
    assert stage.publisher.senders.at("low", wall) == pytest.approx(7000, abs=1)


async def test_each_video_is_asked_for_its_own_keyframes(stage: Stage) -> None:
    line = Line(stage)
    line.send(HIGH, START)
    line.send(LOW, START)
    for _ in range(3):
        stage.publisher.request_keyframe()
        stage.publisher.request_keyframe(low=True)
    assert asked(stage) == [HIGH, LOW]


async def test_receiver_reports_are_for_all_sources_and_advise_no_rate_beside_feedback(stage: Stage) -> None:
    line = Line(stage)
    for number in range(START, START + 8):
        line.send(SOUND, number, kind=OPUS)
        line.send(HIGH, number)
        line.send(LOW, number, arrives=number % 4 != 1)
    stage.rtcp.clear()
    stage.clock.advance(1.1)
    stage.publisher.tick(stage.clock.monotonic())
    (report,) = [p for p in said(stage) if isinstance(p, RtcpRrPacket)]
    assert [(r.ssrc, r.packets_lost) for r in report.reports] == [(SOUND, 0), (HIGH, 0), (LOW, 2)]
    assert not any(isinstance(p, RtcpPsfbPacket) for p in said(stage))


async def test_a_repeat_fills_its_hole_and_hides_no_loss(stage: Stage) -> None:
    line = Line(stage)
    line.send(HIGH, START)
    line.send(HIGH, START + 1, arrives=False)
    line.send(HIGH, START + 2)
    assert nacked(stage) == [(HIGH, START + 1)]
    line.repeat(HIGH_RTX, 5, START + 1, b"\x65back")
    assert [(number, payload) for _kind, number, _time, payload in stage.recorded.packets] == [
        (START, KEYFRAME),
        (START + 2, KEYFRAME),
        (START + 1, b"\x65back"),
    ]
    assert {p.run for p in stage.forwarded} == {1}
    line.repeat(HIGH_RTX, 6, START + 1)
    assert len(stage.forwarded) == 3
    stage.rtcp.clear()
    stage.clock.advance(1.1)
    stage.publisher.tick(stage.clock.monotonic())
    assert nacked(stage) == []
    (report,) = [p for p in said(stage) if isinstance(p, RtcpRrPacket)]
    assert [r.packets_lost for r in report.reports] == [1]


async def test_the_last_packet_of_a_picture_comes_back_unasked(stage: Stage) -> None:
    line = Line(stage)
    line.send(HIGH, START)
    line.send(HIGH, START + 1, arrives=False)
    line.repeat(HIGH_RTX, 5, START + 1)  # Chromium probes with what it sent last
    line.send(HIGH, START + 2)
    assert [number for _kind, number, *_ in stage.recorded.packets] == [START, START + 1, START + 2]
    assert nacked(stage) == []


async def test_probes_bring_nothing_but_are_told_of(stage: Stage) -> None:
    line = Line(stage)
    line.repeat(HIGH_RTX, 1, START)  # before there is anything to repeat
    line.send(HIGH, START)
    for number in range(2, 40):
        line.repeat(HIGH_RTX, number, START)  # is here already
        line.send(HIGH_RTX, 100 + number, kind=RTX, payload=b"")  # padding
        line.repeat(HIGH_RTX, 200 + number, START - 5000)  # nobody waits for it
        line.repeat(HIGH_RTX, 300 + number, START + 5000)
    line.send(HIGH, START + 1)
    assert [number for _kind, number, *_ in stage.recorded.packets] == [START, START + 1]
    assert len(stage.forwarded) == 2
    stage.clock.advance(0.06)
    stage.publisher.tick(stage.clock.monotonic())
    (told,) = [read(ssrc_changed(data)) for data in feedback(stage)]
    assert told.base == 0xFFF0
    assert len(told.arrivals) == line.numbers - 0xFFF0
    assert None not in told.arrivals


def ssrc_changed(data: bytes) -> bytes:
    """The sources in the packet are the publisher's affair; `read` wants 1 and 2."""
    assert int.from_bytes(data[8:12]) in (SOUND, HIGH, LOW)
    return data[:4] + b"\0\0\0\1\0\0\0\2" + data[12:]


async def test_feedback_is_sent_as_often_as_the_estimate_needs_it_and_no_oftener(stage: Stage) -> None:
    line = Line(stage)
    for number in range(500):  # a second, ticked every 20 ms
        line.send(HIGH, START + number, arrives=number % 5 != 3)
        if number % 10 == 0:
            stage.publisher.tick(stage.clock.monotonic())
    assert 10 <= len(feedback(stage)) <= 20
    arrivals = [at for data in feedback(stage) for at in read(ssrc_changed(data)).arrivals]
    assert arrivals.count(None) == pytest.approx(len(arrivals) / 5, abs=2)


FATES = st.sampled_from(["comes", "lost", "late", "repeated", "twice"])


@given(st.lists(FATES, min_size=1, max_size=150), st.integers(0, 0xFFFF))
async def test_everything_is_handed_on_once_whichever_way_it_came(fates: list[str], start: int) -> None:
    stage = Stage(ManualClock(), browser_offer())
    line = Line(stage)
    line.send(HIGH, start)
    late: list[int] = []
    for i, fate in enumerate(fates, 1):
        line.send(HIGH, start + i, arrives=fate in ("comes", "twice"))
        if fate in ("late", "repeated", "twice"):
            late.append(i)
    line.send(HIGH, start + len(fates) + 1)
    for i in late:
        if fates[i - 1] == "late":
            line.send(HIGH, start + i)
        else:
            line.repeat(HIGH_RTX, i, start + i)
            line.repeat(HIGH_RTX, i + 1000, start + i)
    numbers = [number for _kind, number, *_ in stage.recorded.packets]
    expected = {0, len(fates) + 1} | {i for i, fate in enumerate(fates, 1) if fate != "lost"}
    assert sorted(numbers) == sorted((start + i) & 0xFFFF for i in expected)
