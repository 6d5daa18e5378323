"""What travels between media processes comes out as it went in, and nothing else comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.relay_wire import (
    FULL_BYTES,
    MAX_MESSAGE_BYTES,
    ClockTold,
    KeyframeWish,
    PublisherGone,
    PublisherTold,
    SessionOver,
    Told,
    messages,
    put,
    read_packets,
    read_told,
    read_wish,
    text,
)
from stream.repair import SenderClock
from stream.rtp import MediaPacket

number32 = st.integers(0, 2**32 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
packets = st.builds(
    lambda video, keyframe, low, **fields: MediaPacket(
        "video" if video else "audio", keyframe=video and keyframe, low=video and low, **fields
    ),
    video=st.booleans(),
    keyframe=st.booleans(),
    low=st.booleans(),
    run=number32,
    sequence=st.integers(0, 2**48),
    timestamp=number32,
    marker=st.booleans(),
    payload=st.binary(max_size=2000),
    at=st.floats(0, 60),
)
told = st.one_of(
    st.builds(PublisherTold, epoch=st.integers(0, 2**53), profile=st.text(max_size=10), low=st.booleans()),
    st.just(PublisherGone()),
    st.just(SessionOver()),
    st.builds(
        ClockTold,
        offset=st.none() | finite,
        tracks=st.dictionaries(st.sampled_from(["audio", "video", "low"]), st.tuples(finite, number32, number32)),
    ),
)


def fields(packet: MediaPacket) -> tuple[object, ...]:
    return (
        packet.kind, packet.run, packet.sequence, packet.timestamp, packet.marker, packet.payload, packet.keyframe, packet.low,
    )  # fmt: skip


@given(st.lists(packets, max_size=20), st.floats(0, 1e6))
def test_packets_come_out_as_they_went_in(sent: list[MediaPacket], now: float) -> None:
    message = bytearray()
    for packet in sent:
        put(message, packet, 60 - packet.at)
    received = read_packets(bytes(message), now)
    assert [fields(p) for p in received] == [fields(p) for p in sent]
    for packet, original in zip(received, sent, strict=True):
        assert packet.padding < 0  # each process decides it for itself
        assert now - packet.at == pytest.approx(60 - original.at, abs=0.001)


@given(st.lists(packets, min_size=1, max_size=5), st.data())
def test_a_message_cut_short_is_refused_or_shorter(sent: list[MediaPacket], data: st.DataObject) -> None:
    message = b"".join(messages(sent, 60))
    whole = read_packets(message, 0)
    cut = data.draw(st.integers(0, len(message) - 1))
    try:
        got = read_packets(message[:cut], 0)
    except ValueError:
        return
    assert [fields(p) for p in got] == [fields(p) for p in whole[: len(got)]]
    assert len(got) < len(whole)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read(noise: bytes) -> None:
    try:
        got = read_packets(noise, 0)
    except ValueError:
        return
    again = bytearray()
    for packet in got:
        put(again, packet, -packet.at)
    assert bytes(again) == noise


def test_much_is_cut_into_messages_that_the_other_side_takes() -> None:
    payload = bytes(1200)
    sent = [MediaPacket("video", 1, n, n, False, payload, n == 0, 0.0) for n in range(200)]
    parts = list(messages(sent, 5))
    assert len(parts) > 3
    assert all(FULL_BYTES <= len(part) <= MAX_MESSAGE_BYTES for part in parts[:-1])
    assert [p.sequence for part in parts for p in read_packets(part, 0)] == list(range(200))
    assert read_packets(parts[0], 7)[0].at == 2


def test_an_age_that_does_not_fit_is_the_oldest_there_is() -> None:
    message = bytearray()
    put(message, MediaPacket("audio", 1, 1, 1, False, b"x", False, 0.0), 1e9)
    put(message, MediaPacket("audio", 1, 2, 1, False, b"x", False, 0.0), -5)
    assert [p.at for p in read_packets(bytes(message), 100)] == [100 - 65.535, 100]


@given(told)
def test_what_is_told_is_understood(message: Told) -> None:
    assert read_told(text(message)) == message


@pytest.mark.parametrize("said", ["", "{}", '{"type":"publisher"}', '{"type":"nobody"}', "[1]", '{"type":"clock","offset":1}'])
def test_what_means_nothing_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="no message of a relay"):
        read_told(said)


@pytest.mark.parametrize("said", ["", '{"type":"gone"}', '{"type":"keyframe","low":1}', "[1]"])
def test_a_wish_that_means_nothing_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="no message of a relay"):
        read_wish(said)


@given(st.booleans())
def test_a_wish_is_understood(low: bool) -> None:
    assert read_wish(text(KeyframeWish(low))).low is low


@given(st.lists(st.tuples(st.sampled_from(["audio", "video", "low"]), st.floats(0, 2e9), number32, st.floats(0, 2e9))))
def test_a_clock_that_was_told_tells_the_same(reports: list[tuple[str, float, int, float]]) -> None:
    clock, other = SenderClock(), SenderClock()
    for kind, ntp, timestamp, arrival in reports:
        clock.heard(kind, 48_000 if kind == "audio" else 90_000, ntp, timestamp, arrival)
    message = read_told(text(ClockTold(*clock.state())))
    assert isinstance(message, ClockTold)
    other.restore(message.offset, message.tracks)
    for kind in ("audio", "video", "low"):
        assert other.at(kind, 1e9) == clock.at(kind, 1e9)
