"""RTCP, read and written as aiortc's classes do; hostile bytes are refused; what a viewer's own compound brings about."""

from __future__ import annotations

import pytest
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    pack_remb_fci,
    unpack_remb_fci,
)
from hypothesis import example, given
from hypothesis import strategies as st

from core.clock import ManualClock
from stream import rtcp, rtp
from stream.repair import Report
from stream.twcc import Arrivals
from tests.stream.test_publisher import Stage
from tests.stream.watchers import House

OURS, THEIRS = 0xFFFFFFFE, 0x80000001
WORD, BYTE, NUMBER = st.integers(0, rtp.MASK32), st.integers(0, 255), st.integers(0, 0xFFFF)
LOST = st.integers(-0x800000, 0x7FFFFF)
BLOCKS = st.lists(st.builds(RtcpReceiverInfo, WORD, BYTE, LOST, WORD, WORD, WORD, WORD), max_size=31)
SENDER = st.builds(RtcpSenderInfo, st.integers(0, (1 << 64) - 1), WORD, WORD, WORD)
RISING = st.lists(NUMBER, max_size=60, unique=True).map(sorted)
REMB = st.builds(pack_remb_fci, st.integers(0, (1 << 81) - 1), st.lists(WORD, max_size=20))
FIR = st.lists(st.tuples(WORD, BYTE), min_size=1, max_size=5).map(
    lambda entries: b"".join(ssrc.to_bytes(4) + bytes((count, 0, 0, 0)) for ssrc, count in entries)
)
ITEMS = st.lists(st.tuples(st.integers(1, 8), st.binary(max_size=255)), max_size=3)
WRITTEN = st.one_of(
    st.builds(RtcpSrPacket, WORD, SENDER, BLOCKS),
    st.builds(RtcpRrPacket, WORD, BLOCKS),
    st.builds(RtcpRtpfbPacket, st.just(RTCP_RTPFB_NACK), WORD, WORD, RISING.filter(bool)),
    st.builds(RtcpRtpfbPacket, st.just(15), WORD, WORD, RISING),  # transport-wide feedback, as far as aiortc knows it
    st.builds(RtcpPsfbPacket, st.just(RTCP_PSFB_PLI), WORD, WORD),
    st.builds(RtcpPsfbPacket, st.just(RTCP_PSFB_FIR), WORD, st.just(0), FIR),
    st.builds(RtcpPsfbPacket, st.just(RTCP_PSFB_APP), WORD, st.just(0), REMB),
    st.builds(RtcpPsfbPacket, st.just(RTCP_PSFB_APP), WORD, st.just(0), st.just(b"else")),
    st.builds(RtcpPsfbPacket, st.sampled_from([2, 3]), WORD, WORD, st.just(bytes(4))),
    st.builds(RtcpSdesPacket, st.lists(st.builds(RtcpSourceInfo, WORD, ITEMS), max_size=1)),
    st.builds(RtcpByePacket, st.lists(WORD, max_size=5)),
)
XR = bytes.fromhex("80cf0004 00000001 04000002 0000000000000000")
APP = bytes.fromhex("80cc0002 00000001 6e616d65")


def expected(packet: AnyRtcpPacket) -> list[rtcp.Packet]:
    """What aiortc's packet says, in our words."""
    said: list[rtcp.Packet] = []
    if isinstance(packet, RtcpSrPacket):
        info = packet.sender_info
        said.append(rtcp.SenderReport(packet.ssrc, info.ntp_timestamp, info.rtp_timestamp, blocks(packet.reports)))
    elif isinstance(packet, RtcpRrPacket):
        said.append(rtcp.ReceiverReport(blocks(packet.reports)))
    elif isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
        said.append(rtcp.Nack(packet.media_ssrc, [number & 0xFFFF for number in packet.lost]))
    elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_PLI:
        said.append(rtcp.KeyframeRequest(packet.media_ssrc))
    elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_FIR:
        said += [rtcp.KeyframeRequest(int.from_bytes(packet.fci[i : i + 4])) for i in range(0, len(packet.fci), 8)]
    elif isinstance(packet, RtcpPsfbPacket) and packet.fci.startswith(b"REMB"):
        said.append(rtcp.Remb(*unpack_remb_fci(packet.fci)))
    return said


def blocks(infos: list[RtcpReceiverInfo]) -> list[rtcp.ReportBlock]:
    return [
        rtcp.ReportBlock(i.ssrc, i.fraction_lost, i.packets_lost, i.highest_sequence, i.jitter, i.lsr, i.dlsr) for i in infos
    ]


def same(ours: list[rtcp.Packet], theirs: list[rtcp.Packet]) -> bool:
    """Tuples of two kinds may be equal."""
    return ours == theirs and [type(p) for p in ours] == [type(p) for p in theirs]


def padded(data: bytes, words: int) -> bytes:
    """One packet with so many words of padding after it."""
    length = int.from_bytes(data[2:4]) + words
    return bytes((data[0] | 0x20, data[1])) + length.to_bytes(2) + data[4:] + bytes(4 * words - 1) + bytes((4 * words,))


@given(st.lists(st.tuples(WRITTEN, st.integers(0, 3)), max_size=5))
def test_what_aiortc_writes_is_read_alike(packets: list[tuple[AnyRtcpPacket, int]]) -> None:
    data = b"".join(padded(bytes(packet), words) if words else bytes(packet) for packet, words in packets)
    assert same(rtcp.parse(data), [said for packet, _ in packets for said in expected(packet)])


@given(st.lists(st.one_of(WRITTEN.map(bytes), st.sampled_from([XR, APP])), min_size=1, max_size=4), st.data())
def test_a_compound_cut_off_is_refused_but_between_two_packets(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    ends = {sum(map(len, parts[:i])) for i in range(len(parts) + 1)}
    cut = data.draw(st.integers(0, len(whole)))
    if cut in ends:
        rtcp.parse(whole[:cut])
    else:
        with pytest.raises(ValueError, match="truncated"):
            rtcp.parse(whole[:cut])


def bounded(data: bytes) -> None:
    """Reads what may be anything: a refusal, or no more than there are bytes for."""
    try:
        packets = rtcp.parse(data)
    except ValueError:
        return
    assert len(packets) <= len(data) // 8
    for packet in packets:
        rtcp.losses(packet, 1)
        if isinstance(packet, rtcp.Nack):
            assert 0 < len(packet.numbers) <= 17 * (len(data) - 12) // 4
            assert all(0 <= number <= 0xFFFF for number in packet.numbers)
        if isinstance(packet, rtcp.Remb):
            assert 4 * len(packet.ssrcs) <= len(data) - 20
            assert packet.bitrate < 1 << 81
        if isinstance(packet, rtcp.SenderReport | rtcp.ReceiverReport):
            assert 24 * len(packet.blocks) <= len(data) - 8


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    bounded(data)


@given(
    BYTE.map(lambda first: 0x80 | first & 0x3F),
    st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207]),
    st.binary(max_size=120),
)
@example(0xA1, 201, b"")
@example(0x8F, 206, bytes(8) + b"REMB")
@example(0x8F, 206, bytes(8) + b"REMB\xff\xff\xff\xff" + bytes(16))
def test_any_body_under_a_right_header_is_read_or_refused(first: int, kind: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    bounded(bytes((first, kind)) + (len(body) // 4).to_bytes(2) + body)


@given(WRITTEN.map(bytes), st.lists(st.tuples(st.integers(0, 1 << 16), BYTE), max_size=4))
def test_a_few_wrong_bytes_are_read_or_refused(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    bounded(bytes(changed))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("80c9", "header"),
        ("40c90001 00000001", "version"),
        ("80c90002 00000001", "truncated"),
        ("a0c90001 00000000", "padding"),
        ("a0c90001 00000005", "padding"),
        ("a0c90000", "padding"),
        ("80c90000", "receiver report"),
        ("a0c90001 00000004", "receiver report"),
        ("81c90001 00000001", "blocks"),
        ("80c80001 00000001", "sender report"),
        ("81c80006 00000001 0000000000000000 00000000 00000000 00000000", "blocks"),
        ("81cd0001 00000001", "NACK"),
        ("81cd0002 00000001 00000002", "NACK"),
        ("a1cd0003 00000001 00000002 00000002", "NACK"),
        ("81ce0001 00000001", "PLI"),
        ("84ce0002 00000001 00000000", "FIR"),
        ("84ce0003 00000001 00000000 00000002", "FIR"),
        ("8fce0003 00000001 00000000 52454d42", "REMB"),
        ("8fce0005 00000001 00000000 52454d42 02000001 00000007", "REMB"),
    ],
)
def test_what_contradicts_itself_is_refused(data: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rtcp.parse(bytes.fromhex(data))


def test_nothing_says_nothing_and_unheeded_kinds_are_passed_over() -> None:
    arrivals = Arrivals()
    for number in range(20):
        arrivals.seen(number, number / 100)
    feedback = arrivals.feedback(1, 2)
    assert rtcp.parse(b"") == []
    assert rtcp.parse(XR + APP + b"".join(feedback) + rtcp.pli(1, 2)) == [rtcp.KeyframeRequest(2)]


def test_a_report_may_go_on_after_its_blocks() -> None:
    report = bytearray(bytes(RtcpRrPacket(1, [RtcpReceiverInfo(7, 1, 2, 3, 4, 5, 6)])) + b"profile's own")
    report += bytes(-len(report) % 4)
    report[2:4] = (len(report) // 4 - 1).to_bytes(2)
    assert rtcp.parse(bytes(report)) == [rtcp.ReceiverReport([rtcp.ReportBlock(7, 1, 2, 3, 4, 5, 6)])]


@given(BLOCKS, WORD, st.booleans())
def test_losses_are_those_of_the_source_asked_for(infos: list[RtcpReceiverInfo], ssrc: int, sends: bool) -> None:
    data = bytes(RtcpSrPacket(1, RtcpSenderInfo(1, 2, 3, 4), infos) if sends else RtcpRrPacket(1, infos))
    (packet,) = rtcp.parse(data)
    for wanted in (ssrc, *(info.ssrc for info in infos)):
        found = next(((i.highest_sequence, i.packets_lost) for i in infos if i.ssrc == wanted), None)
        assert rtcp.losses(packet, wanted) == found
    assert rtcp.losses(rtcp.KeyframeRequest(ssrc), ssrc) is None


def test_a_keyframe_is_asked_for_as_aiortc_does() -> None:
    assert rtcp.pli(OURS, THEIRS) == bytes(RtcpPsfbPacket(RTCP_PSFB_PLI, OURS, THEIRS))


@given(st.sets(st.integers(0x1FF00, 0x20100), max_size=200).map(sorted))
@example([0x1FFFF, 0x20000, 0x2000F, 0x20010])
def test_a_nack_over_the_wrap_is_one_packet_and_read_back(numbers: list[int]) -> None:
    data = rtcp.nack(OURS, THEIRS, numbers)
    assert rtcp.parse(data) == ([rtcp.Nack(THEIRS, [n & 0xFFFF for n in numbers])] if numbers else [])
    packets = RtcpPacket.parse(data)
    assert [(p.fmt, p.ssrc, p.media_ssrc, n & 0xFFFF) for p in packets if isinstance(p, RtcpRtpfbPacket) for n in p.lost] == [
        (RTCP_RTPFB_NACK, OURS, THEIRS, n & 0xFFFF) for n in numbers
    ]
    assert len(packets) == bool(numbers)


def test_a_nack_over_the_wrap_is_packed_as_closely_as_any() -> None:
    assert rtcp.nack(1, 2, range(0x1FFF8, 0x20009)) == rtcp.nack(1, 2, [0xFFF8])[:-2] + b"\xff\xff"


@given(RISING)
def test_a_nack_is_packed_as_aiortc_does(numbers: list[int]) -> None:
    written = bytes(RtcpRtpfbPacket(RTCP_RTPFB_NACK, OURS, THEIRS, numbers)) if numbers else b""
    assert rtcp.nack(OURS, THEIRS, numbers) == written


def test_a_nack_asks_for_two_hundred_at_most() -> None:
    (packet,) = rtcp.parse(rtcp.nack(1, 2, range(0, 4000, 17)))
    assert packet == rtcp.Nack(2, list(range(0, 3400, 17)))


REPORTS = st.lists(st.tuples(WORD, st.builds(Report, BYTE, LOST, WORD, WORD), WORD, WORD), max_size=31)


@given(REPORTS, st.integers(0, 1 << 50), st.lists(WORD, max_size=31))
@example([], 0x3FFFF, [1])
@example([], 0x40000, [1])
def test_a_receiver_report_is_written_as_aiortc_does(
    reports: list[tuple[int, Report, int, int]], bitrate: int, advised: list[int]
) -> None:
    infos = [RtcpReceiverInfo(s, r.fraction_lost, r.lost, r.highest, r.jitter, lsr, dlsr) for s, r, lsr, dlsr in reports]
    written = bytes(RtcpRrPacket(OURS, infos))
    if advised:
        written += bytes(RtcpPsfbPacket(RTCP_PSFB_APP, OURS, 0, pack_remb_fci(bitrate, advised)))
    assert rtcp.receiver_report(OURS, reports, bitrate, advised) == written


def test_more_sources_than_a_report_has_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        rtcp.receiver_report(1, [(n, Report(0, 0, 0, 0), 0, 0) for n in range(32)], 0, [])
    with pytest.raises(ValueError, match="room"):
        rtcp.receiver_report(1, [], 0, list(range(32)))


@given(WORD, st.text(max_size=63), st.floats(0, 5e9), WORD, st.integers(0, 1 << 40), st.integers(0, 1 << 40))
@example(1, "host", 2_085_978_496.0, 2, 3, 4)  # NTP's next era
def test_a_sender_report_is_read_alike_by_aiortc(
    ssrc: int, cname: str, wall: float, timestamp: int, packets: int, octets: int
) -> None:
    data = rtcp.sender_report(ssrc, cname, wall, timestamp, packets, octets)
    ntp = rtp.to_ntp64(wall) % (1 << 64)
    info = RtcpSenderInfo(ntp, timestamp, packets & rtp.MASK32, octets & rtp.MASK32)
    named = RtcpSourceInfo(ssrc, [(1, cname.encode())])
    assert RtcpPacket.parse(data) == [RtcpSrPacket(ssrc, info), RtcpSdesPacket([named])]
    assert rtcp.parse(data) == [rtcp.SenderReport(ssrc, ntp, timestamp, [])]
    assert data[-1] == 0  # the end of the items, without which a reader runs on


async def test_a_viewers_compound_is_heeded_whole() -> None:
    house = House()
    viewer, wire = house.join()
    house.push(house.frame(1000, 1000, key=True))
    video, first = house.channel.ssrc("video"), house.video(wire)[0].sequence
    for highest, lost in ((100, -3), (200, 22)):
        viewer.on_rtcp(
            bytes(RtcpRrPacket(1, [RtcpReceiverInfo(video, 0, lost, highest, 0, 0, 0)]))
            + bytes(RtcpSdesPacket([RtcpSourceInfo(1, [(1, b"viewer")])]))
            + XR
            + bytes(RtcpPsfbPacket(RTCP_PSFB_APP, 1, 0, pack_remb_fci(300_000, [video])))
        )
        house.clock.advance(2)
    assert viewer.lost == 0.25
    assert viewer.choice._estimate == 300_000
    viewer.on_rtcp(
        bytes(RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, video, [first]))
        + bytes(RtcpPsfbPacket(RTCP_PSFB_FIR, 1, 0, video.to_bytes(4) + bytes(4)))
        + bytes(RtcpPsfbPacket(RTCP_PSFB_PLI, 1, video))
    )
    assert house.channel.totals.nacks == 1
    assert [p.sequence for p in house.video(wire)] == [first, first + 1 & 0xFFFF, first]
    assert house.channel.totals.keyframe_requests == 2


async def test_a_publishers_report_times_what_is_recorded(clock: ManualClock) -> None:
    stage = Stage(clock)
    stage.publisher.on_rtp(rtp.header(111, False, 1, 960, 10) + bytes(20))
    (known,) = [ssrc for _source, ssrc in stage.publisher._sources.heard()]
    stage.publisher.on_rtcp(
        bytes(RtcpSrPacket(known, RtcpSenderInfo(rtp.to_ntp64(1_000.5), 4800, 1, 20)))
        + bytes(RtcpSdesPacket([RtcpSourceInfo(known, [(1, b"host")])]))
    )
    assert stage.recorded.reports == [("audio", 1_000.5, 4800)]
