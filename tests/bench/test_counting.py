"""What a sink counts of packets that come over a real socket: gaps, repeats, forgeries, delays, and no delay for a replay."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from pylibsrtp import Policy, Session

from bench.descriptions import VIDEO_TYPE
from bench.draining import Drain
from bench.peer import Identity
from bench.sink import Sink, Tally
from bench.source import MAGIC, STAMP

SSRC = 77
DELAY_NS = 250_000_000


class Wire:
    """A sink's socket and whoever sends to it, with one key between them."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.sink = Sink(Identity(), self.tally, offers=True)
        key, profile = os.urandom(28), Policy.SRTP_PROFILE_AEAD_AES_128_GCM
        self.sink.peer.inbound = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))
        self._protect = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)).protect
        self.sink.peer.socket.bind(("127.0.0.1", 0))
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._drain = Drain()

    def packet(self, number: int, sent_ns: int) -> bytes:
        head = struct.pack("!BBHII", 0x80, VIDEO_TYPE, number & 0xFFFF, 1234, SSRC)
        return self._protect(head + bytes(100) + STAMP.pack(MAGIC, number, sent_ns))

    def send(self, *packets: bytes) -> None:
        """Over the wire and into the sink."""
        for packet in packets:
            self._sender.sendto(packet, self.sink.peer.socket.getsockname())
        self.sink.drain(self._drain)

    def close(self) -> None:
        self._sender.close()
        self.sink.peer.socket.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def test_a_gap_is_a_loss_until_it_is_filled(wire: Wire) -> None:
    packets = [wire.packet(n, 0) for n in range(0xFFFA, 0x10006)]
    wire.send(*(p for i, p in enumerate(packets) if i not in (4, 8)))
    assert (wire.tally.expected, wire.tally.packets) == (12, 10)
    wire.send(packets[4])
    assert (wire.tally.expected, wire.tally.packets) == (12, 11)


def test_a_repeat_is_no_delivery(wire: Wire) -> None:
    packet = wire.packet(5, 0)
    wire.send(packet, packet)
    assert (wire.tally.packets, wire.tally.repeated, wire.tally.unauthentic) == (1, 1, 0)


def test_a_forgery_is_told_from_a_packet(wire: Wire) -> None:
    packet = bytearray(wire.packet(5, 0))
    packet[-1] ^= 1
    wire.send(bytes(packet))
    assert (wire.tally.verified, wire.tally.unauthentic) == (0, 1)
    assert not wire.sink.seen.is_set()


def test_the_first_picture_is_the_first_that_is_authentic(wire: Wire) -> None:
    wire.send(wire.packet(5, 0))
    assert wire.sink.seen.is_set()
    assert wire.sink.first_after_s is not None
    assert wire.sink.first_after_s > 0


def test_a_delay_is_from_the_sending_to_the_kernels_receiving(wire: Wire) -> None:
    now = wire.sink.live_ns = time.time_ns() - 2 * DELAY_NS
    wire.send(wire.packet(5, now + DELAY_NS))
    (delay_ms,) = wire.tally.delays
    assert delay_ms >= DELAY_NS / 1e6
    # It ends when the kernel has the packet, not when somebody reads it.
    assert delay_ms <= (time.time_ns() - now - DELAY_NS) / 1e6


def test_what_was_sent_before_the_sink_was_there_has_no_delay(wire: Wire) -> None:
    wire.sink.live_ns = time.time_ns()
    wire.send(wire.packet(5, wire.sink.live_ns - 1))
    assert wire.tally.verified == 1
    assert not wire.tally.delays
