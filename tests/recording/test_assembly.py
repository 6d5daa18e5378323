"""Packets come reordered, doubled and missing; pictures come out whole, in order, or not at all."""

from __future__ import annotations

import random

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.assembly import H264, START_CODE, Assembler, Opus, Packet, Reorder, Unit, Unwrapper, opus_samples
from tests.recording.synthetic import Camera, Microphone, packetise

Wire = tuple[bytes, int, int, bool]  # payload, timestamp, sequence, marker

SPS, PPS = b"\x67\x42\xc0\x0d\xaa", b"\x68\xce\x0f\xc8"


def _picture(number: int, size: int, keyframe: bool) -> bytes:
    """Something in the shape of an access unit; its body names it, and holds no start code."""
    body = bytes([0x65 if keyframe else 0x41, 0x80, 1 + number % 200]) + b"\x55" * size
    return (START_CODE + SPS + START_CODE + PPS if keyframe else b"") + START_CODE + body


def _wire(pictures: list[bytes], *, first_sequence: int, first_timestamp: int, mtu: int = 1200) -> list[Wire]:
    out: list[Wire] = []
    for i, picture in enumerate(pictures):
        for payload, marker in packetise(picture, mtu):
            timestamp = (first_timestamp + 3000 * i) % 2**32
            out.append((payload, timestamp, (first_sequence + len(out)) % 2**16, marker))
    return out


def _push(assembler: Assembler, wire: Wire, arrival: float) -> list[Unit]:
    payload, timestamp, sequence, marker = wire
    return assembler.push(payload, timestamp=timestamp, sequence=sequence, marker=marker, arrival=arrival)


def _all(wire: list[Wire]) -> list[Unit]:
    assembler = Assembler(H264())
    out = [unit for i, packet in enumerate(wire) for unit in _push(assembler, packet, i * 0.001)]
    return out + assembler.flush()


pictures = st.lists(st.tuples(st.integers(1, 5000), st.booleans()), min_size=1, max_size=15)
starts = st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))


@given(pictures, starts, st.randoms(use_true_random=False), st.integers(100, 1400))
def test_shuffled_and_doubled_packets_give_every_picture_once_in_order(
    shapes: list[tuple[int, bool]], start: tuple[int, int], chance: random.Random, mtu: int
) -> None:
    sent = [_picture(i, size, keyframe or i == 0) for i, (size, keyframe) in enumerate(shapes)]
    wire = _wire(sent, first_sequence=start[0], first_timestamp=start[1], mtu=mtu)
    # Displaced by at most some twenty places: what a network does.
    doubled = sorted([*enumerate(wire), *chance.sample(list(enumerate(wire)), len(wire) // 3)], key=lambda item: item[0])
    shuffled = [packet for _, packet in sorted(doubled, key=lambda item: item[0] + chance.random() * 20)]

    units = _all(shuffled)

    assert [unit.data for unit in units] == sent
    # Unwrapped from whichever packet came first, which may be one from beyond the wrap.
    assert units[0].timestamp % 2**32 == start[1]
    assert [unit.timestamp - units[0].timestamp for unit in units] == [3000 * i for i in range(len(sent))]
    assert not any(unit.after_loss for unit in units)


@given(pictures, st.sets(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 2**16 - 1))
def test_after_a_loss_nothing_comes_before_a_keyframe_and_nothing_broken_ever(
    shapes: list[tuple[int, bool]], lost: set[int], first_sequence: int
) -> None:
    sent = [_picture(i, size, keyframe or i == 0) for i, (size, keyframe) in enumerate(shapes)]
    wire = _wire(sent, first_sequence=first_sequence, first_timestamp=2**32 - 9000)
    kept = [packet for i, packet in enumerate(wire) if i not in lost]

    units = _all(kept)

    indices = [(unit.timestamp - (2**32 - 9000)) // 3000 for unit in units]
    assert indices == sorted(set(indices))
    for place, (index, unit) in enumerate(zip(indices, units, strict=True)):
        assert unit.data == sent[index]  # whole
        if place == 0 or indices[place - 1] != index - 1:
            assert unit.keyframe
        if place and indices[place - 1] != index - 1:
            assert unit.after_loss


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.booleans())))
def test_nothing_the_wire_brings_raises(packets: list[Wire]) -> None:
    for codec in (H264(), Opus()):
        assembler = Assembler(codec)
        for i, packet in enumerate(packets):
            for unit in _push(assembler, packet, i * 0.1):
                assert unit.data
        assembler.expire(1e9)
        assembler.flush()


@given(st.binary(min_size=1, max_size=4))
def test_an_opus_packet_lasts_between_2_5_and_120_ms(packet: bytes) -> None:
    assert 120 <= opus_samples(packet) <= 5760


def test_opus_durations_are_those_of_the_encoder() -> None:
    assert opus_samples(Microphone().encode(0.0)) == 960
    assert opus_samples(b"\xf8\xff\xfe") == 960
    assert opus_samples(b"\xe0\xff\xfe") == 120


@given(st.integers(0, 2**16 - 1), st.lists(st.integers(-1000, 1000), max_size=200))
def test_unwrapping_follows_any_walk(start: int, steps: list[int]) -> None:
    unwrap, value = Unwrapper(16), start
    assert unwrap(start) == start
    for step in steps:
        value += step
        assert unwrap(value % 2**16) == value


def _packet(sequence: int, arrival: float = 0.0) -> Packet:
    return Packet(sequence, 0, False, arrival, b"x")


def test_a_missing_packet_is_waited_for_only_so_long() -> None:
    reorder = Reorder(wait_s=0.3, start_s=0)
    assert [p.sequence for p in reorder.push(_packet(1, 0.0))] == [1]
    assert reorder.push(_packet(3, 0.1)) == []
    assert reorder.expire(0.39) == []
    given_up = reorder.expire(0.42)
    assert [(p.sequence, p.after_loss) for p in given_up] == [(3, True)]
    assert reorder.push(_packet(2, 0.5)) == []  # too late


def test_what_is_held_back_is_bounded() -> None:
    reorder = Reorder(wait_s=1e9, limit=10, start_s=0)
    reorder.push(_packet(0))
    out = [p for i in range(2, 40) for p in reorder.push(_packet(i))]
    assert [p.sequence for p in out] == list(range(2, 40))


def test_a_sender_that_counts_anew_is_followed_and_a_stray_packet_is_not() -> None:
    reorder = Reorder(start_s=0)
    reorder.push(_packet(10))
    assert reorder.push(_packet(40_000)) == []
    assert [p.sequence for p in reorder.push(_packet(11))] == [11]
    assert reorder.push(_packet(30_000)) == []
    assert [(p.sequence, p.after_loss) for p in reorder.push(_packet(30_001))] == [(30_001, True)]
    assert [p.sequence for p in reorder.push(_packet(30_002))] == [30_002]


def test_a_sender_that_counts_anew_a_little_lower_is_followed_too() -> None:
    reorder = Reorder(start_s=0)
    reorder.push(_packet(2_000))
    out = [p for i in range(200) for p in reorder.push(_packet(1_000 + i))]
    assert [p.sequence for p in out] == list(range(1_050, 1_200))
    assert out[0].after_loss


def test_what_overtook_the_very_first_packet_is_put_in_order() -> None:
    reorder = Reorder(start_s=0.05)
    held = [p for i, sequence in enumerate((3, 1, 2, 5)) for p in reorder.push(_packet(sequence, i * 0.01))]
    assert held == []
    assert [p.sequence for p in reorder.push(_packet(4, 0.06))] == [1, 2, 3, 4, 5]


def test_padding_only_packets_are_no_loss() -> None:
    wire = _wire([_picture(0, 50, True), _picture(1, 50, False)], first_sequence=5, first_timestamp=0)
    padded = [*wire[:2], (b"", wire[1][1], 7, False), (wire[2][0], wire[2][1], 8, True)]
    units = _all(padded)
    assert len(units) == 2
    assert not units[1].after_loss


def test_a_keyframe_without_parameter_sets_gets_those_of_the_one_before() -> None:
    bare = _picture(1, 40, True).split(START_CODE + PPS)[1]
    units = _all(_wire([_picture(0, 40, True), bare], first_sequence=0, first_timestamp=0))
    assert units[1].data == START_CODE + SPS + START_CODE + PPS + bare


def test_nothing_comes_out_of_pictures_without_parameter_sets() -> None:
    bare = _picture(1, 40, True).split(START_CODE + PPS)[1]
    assert _all(_wire([bare, bare], first_sequence=0, first_timestamp=0)) == []


def test_a_real_encoders_pictures_come_out_decodable() -> None:
    camera = Camera(640, 360)
    sent = [camera.encode(i / 30, i * 3000, keyframe=i == 0) for i in range(20)]
    units = _all(_wire(sent, first_sequence=65_530, first_timestamp=2**32 - 5))
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(unit.data))] + decoder.decode(None)
    assert len(frames) == 20
    assert units[0].keyframe
    assert units[0].parameters
    assert not any(unit.keyframe for unit in units[1:])


@pytest.mark.parametrize(
    "payload", [b"\x78", b"\x78\x00", b"\x78\x00\x09\x67", b"\x7c\x85", b"\x7c\x45xx", b"\x79ab", b"\x00a"]
)
def test_malformed_payloads_break_their_picture_only(payload: bytes) -> None:
    good = _wire([_picture(0, 50, True)], first_sequence=0, first_timestamp=0)
    again = _wire([_picture(9, 50, True)], first_sequence=len(good) + 1, first_timestamp=6000)
    units = _all([*good, (payload, 3000, len(good), True), *again])
    assert [unit.timestamp for unit in units] == [0, 6000]
    assert units[1].after_loss
