"""What is handed to the kernel: together where it takes that, one by one where not, by the compiled loop and by Python."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.clock import ManualClock
from stream import compiled, fanout
from stream.fanout import Audience, Delivery, Flow, prepare
from stream.forwarding import Entry
from stream.ice import MediaPort
from stream.metrics import Totals
from stream.roster import Counts, Target
from stream.rtp import MediaPacket
from stream.sender import Seat, Sender, segmented
from stream.srtp import GcmSealer
from tests.stream.watchers import House, unbroken

SOUND, PICTURE = Target(0xA0A0A0A0, 111, -70_000, 5), Target(0xB1B1B1B1, 96, -80_000, 7)
SO_NO_CHECK = 11  # asm-generic/socket.h


class Refusing:
    """A socket whose kernel cuts no datagrams for some addresses."""

    family = socket.AF_INET

    def __init__(self, error: int, addresses: set[tuple[str, int]]) -> None:
        self.error = error
        self.addresses = addresses
        self.calls: list[tuple[str, tuple[str, int]]] = []

    def getsockopt(self, _level: int, _name: int) -> int:
        return 0

    def sendmsg(self, _pieces: list[bytes], _control: object, _flags: int, address: tuple[str, int]) -> None:
        self.calls.append(("run", address))
        if address in self.addresses:
            raise OSError(self.error, "no")

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self.calls.append((data.decode(), address))


class Viewer:
    """One with a seat, and the socket that it hears on."""

    made: ClassVar[list[Viewer]] = []

    def __init__(
        self, sender: Sender, family: socket.AddressFamily = socket.AF_INET, *, mapped: bool = False, key_bytes: int = 16
    ) -> None:
        self.sealer = GcmSealer(os.urandom(key_bytes + 12), key_bytes)
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.udp.setblocking(False)
        self.failures = 0
        address = self.udp.getsockname()
        seat = sender.seat(self.sealer, (f"::ffff:{address[0]}", address[1], 0, 0) if mapped else address, self._failed)
        assert seat is not None, "this machine has no libcrypto.so.3"
        self.seat: Seat = seat
        self.made.append(self)

    def _failed(self) -> None:
        self.failures += 1

    def deliver(self, delivery: Delivery) -> None:
        raise AssertionError("it has a seat")

    def got(self) -> list[bytes]:
        """The datagrams that have come: loopback delivers before the sender's call returns."""
        found = []
        while True:
            try:
                found.append(self.udp.recv(4096))
            except BlockingIOError:
                return found

    def sealed(self, audience: Audience, entries: list[Entry]) -> list[bytes]:
        """What Python would send."""
        runs = prepare(audience, entries).runs
        pieces = [piece for run in runs for piece in self.sealer(run.batch)]
        return [pieces[i] + pieces[i + 1] for i in range(0, len(pieces), 2)]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while Viewer.made:
        Viewer.made.pop().udp.close()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        yield made


@pytest.fixture
def sender(udp: socket.socket, clock: ManualClock) -> Sender:
    return Sender(udp, clock)


def frame(*sizes: int, position: int = 80_000, time: int = 90_000) -> list[Entry]:
    """A frame's packets, filled with random bytes."""
    last = len(sizes) - 1
    packets = [
        MediaPacket("video", 1, position + i, time, i == last, os.urandom(size), keyframe=False, at=0.0)
        for i, size in enumerate(sizes)
    ]
    return [Entry(packet, packet.sequence, time) for packet in packets]


def sound(size: int = 100, position: int = 70_000, time: int = 48_000) -> Entry:
    packet = MediaPacket("audio", 1, position, time, marker=False, payload=os.urandom(size), keyframe=False, at=0.0)
    return Entry(packet, position, time)


def flow_of(viewers: list[Viewer], audience: Audience) -> tuple[Flow, Totals]:
    totals = Totals()
    flow = Flow(None, totals)
    for viewer in viewers:
        flow.add(viewer, audience)
    return flow, totals


BOTH = Audience(SOUND, PICTURE, 16)


@pytest.mark.parametrize("key_bytes", [16, 32])
async def test_the_compiled_loop_sends_what_python_would(sender: Sender, key_bytes: int) -> None:
    viewers = [Viewer(sender, key_bytes=key_bytes) for _ in range(150)]  # the roster grows on the way
    flow, totals = flow_of(viewers, BOTH)
    entries = [sound(), *frame(1000, 1003, 1001)]
    for entry in entries:
        flow.put(entry)
    for viewer in viewers:
        assert viewer.got() == viewer.sealed(BOTH, entries)
        assert viewer.seat.counts == Counts(3, 3004, 1, 100)
        assert viewer.failures == 0
    assert (totals.packets, totals.octets) == (600, 150 * 3104)
    assert sender.unsent == 0


@settings(max_examples=200, deadline=None)
@given(
    position=st.integers(0, 1 << 40),
    time=st.integers(0, (1 << 32) - 1),
    ssrc=st.integers(0, (1 << 32) - 1),
    payload_type=st.integers(0, 127),
    first=st.integers(0, 0x7FFF),
    time_shift=st.integers(0, (1 << 32) - 1),
    sizes=st.lists(st.integers(1, 1300), min_size=1, max_size=12),
    one_by_one=st.booleans(),
)
def test_whatever_the_numbers_are_both_send_the_same(
    position: int, time: int, ssrc: int, payload_type: int, first: int, time_shift: int, sizes: list[int], one_by_one: bool
) -> None:
    audience = Audience(None, Target(ssrc, payload_type, first - position, time_shift), 16)
    asyncio.run(_both_send_the_same(audience, frame(*sizes, position=position, time=time), one_by_one=one_by_one))


async def _both_send_the_same(audience: Audience, entries: list[Entry], *, one_by_one: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        sender = Sender(udp, ManualClock())
        sender.segmenting = sender.segmenting and not one_by_one
        viewers = [Viewer(sender), Viewer(sender)]
        flow, _totals = flow_of(viewers, audience)
        for entry in entries:
            flow.put(entry)
        for viewer in viewers:
            assert viewer.got() == viewer.sealed(audience, entries)
            viewer.udp.close()
        Viewer.made.clear()
        sender.close()


async def test_who_takes_sound_alone_gets_no_picture(sender: Sender) -> None:
    deaf, blind, whole = Viewer(sender), Viewer(sender), Viewer(sender)
    flow = Flow(None, Totals())
    flow.add(deaf, Audience(None, PICTURE, 16))
    flow.add(blind, Audience(SOUND, None, 16))
    flow.add(whole, BOTH)
    entries = [sound(), *frame(1000)]
    for entry in entries:
        flow.put(entry)
    assert deaf.got() == deaf.sealed(Audience(None, PICTURE, 16), entries)
    assert blind.got() == blind.sealed(Audience(SOUND, None, 16), entries)
    assert sorted(whole.got()) == sorted(whole.sealed(BOTH, entries))
    assert deaf.seat.counts == Counts(1, 1000, 0, 0)
    assert blind.seat.counts == Counts(0, 0, 1, 100)


async def test_one_socket_serves_ipv4_and_ipv6(clock: ManualClock) -> None:
    port = MediaPort(clock)
    await port.open("::", 0)
    assert port.sender is not None
    viewers = [Viewer(port.sender, mapped=True), Viewer(port.sender, socket.AF_INET6)]
    flow, _totals = flow_of(viewers, BOTH)
    entries = frame(1000, 1000)
    for entry in entries:
        flow.put(entry)
    for viewer in viewers:
        assert viewer.got() == viewer.sealed(BOTH, entries)
    port.close()
    flow.put(sound())
    assert viewers[0].got() == []


async def test_a_viewer_that_moves_gets_the_next_frame_where_it_is(sender: Sender) -> None:
    viewer = Viewer(sender)
    flow, _totals = flow_of([viewer], BOTH)
    with viewer.udp:
        viewer.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        viewer.udp.bind(("127.0.0.1", 0))
        viewer.udp.setblocking(False)
    viewer.seat.move(viewer.udp.getsockname())
    entries = frame(900, 900)
    for entry in entries:
        flow.put(entry)
    assert viewer.got() == viewer.sealed(BOTH, entries)


async def test_where_the_kernel_cuts_no_datagrams_the_loop_sends_them_one_by_one(udp: socket.socket, sender: Sender) -> None:
    udp.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)  # then the kernel refuses UDP_SEGMENT, with EINVAL
    viewers = [Viewer(sender) for _ in range(5)]
    flow, totals = flow_of(viewers, BOTH)
    for turn in range(3):
        entries = frame(1000, 1000, 900, position=80_000 + 3 * turn)
        for entry in entries:
            flow.put(entry)
        for viewer in viewers:
            assert viewer.got() == viewer.sealed(BOTH, entries)
    assert sender.unsent == 0
    assert totals.packets == 45
    assert viewers[0].seat.counts == Counts(9, 8700, 0, 0)
    assert sender.segmenting  # it is for these addresses only


async def test_one_that_the_kernel_does_not_send_to_costs_the_others_nothing(sender: Sender) -> None:
    first, away, last = Viewer(sender), Viewer(sender), Viewer(sender)
    away.seat.move(("255.255.255.255", 9))  # EACCES: nobody allowed the socket to broadcast
    flow, totals = flow_of([first, away, last], BOTH)
    with capture_logs() as logs:
        for turn in range(10):
            for entry in frame(1000, 1000, position=80_000 + 2 * turn):
                flow.put(entry)
    assert len(first.got()) == len(last.got()) == 20
    assert sender.unsent == 20
    assert totals.packets == 40
    assert [line["event"] for line in logs] == ["media_send_failed"]


async def test_nobody_is_sent_what_was_for_the_one_whose_row_it_has_now(sender: Sender) -> None:
    gone, stays = Viewer(sender), Viewer(sender)
    flow, _totals = flow_of([gone, stays], BOTH)
    for entry in frame(1000):
        flow.put(entry)
    row = gone.seat.row
    flow.remove(gone, BOTH)
    gone.seat.leave()
    gone.seat.leave()
    new = Viewer(sender)
    assert new.seat.row == row
    for entry in frame(1000, position=80_001):
        flow.put(entry)
    assert new.got() == []
    assert len(stays.got()) == 2
    assert new.seat.counts == Counts(0, 0, 0, 0)


async def test_even_who_keeps_a_row_too_long_sends_nothing_with_it(sender: Sender) -> None:
    gone, stays = Viewer(sender), Viewer(sender)
    flow, _totals = flow_of([gone, stays], BOTH)
    for entry in frame(1000):
        flow.put(entry)
    gone.got()
    gone.seat.leave()  # without having left the flow
    new = Viewer(sender)
    for entry in frame(1000, position=80_001):
        flow.put(entry)
    assert new.got() == []
    assert len(stays.got()) == 2


@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
def test_where_the_kernel_cuts_no_datagrams_they_go_one_by_one_and_elsewhere_together(clock: ManualClock, error: int) -> None:
    tunnel, plain = ("192.0.2.1", 1), ("192.0.2.2", 2)
    refusing: Any = Refusing(error, {tunnel})
    sender = Sender(refusing, clock)
    run, control = [b"a", b"1", b"b", b"2"], segmented(2)
    assert sender.send_run(run, control, tunnel)
    assert sender.send_run(run, control, tunnel)
    assert sender.send_run(run, control, plain)
    sent = [("run", tunnel), ("a1", tunnel), ("b2", tunnel), ("a1", tunnel), ("b2", tunnel), ("run", plain)]
    assert refusing.calls == sent
    assert sender.unsent == 0


def test_a_refusing_socket_costs_the_packets_and_one_line_in_the_log(clock: ManualClock) -> None:
    refusing: Any = Refusing(errno.EPERM, {("192.0.2.1", 1)})
    sender = Sender(refusing, clock)
    with capture_logs() as logs:
        for _ in range(50):
            assert not sender.send_run([b"a", b"1", b"b", b"2"], segmented(2), ("192.0.2.1", 1))
    assert sender.unsent == 100
    assert [line["event"] for line in logs] == ["media_send_failed"]


async def test_without_the_library_python_sends(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "LIBCRYPTO", "libnothing.so.3")
    monkeypatch.setattr(fanout, "_CROWD", 1000)
    port = MediaPort(clock)
    with capture_logs() as logs:
        await port.open("127.0.0.1", 0)
    assert [line["event"] for line in logs] == ["media_without_compiled_loop"]
    house = House(port)
    wires = [house.join()[1] for _ in range(20)]
    house.push(house.frame(1000, 1000, key=True))
    for _ in range(10):
        house.push(house.frame(1000, 900))
    for wire in wires:
        assert len(house.video(wire)) == 22
        assert unbroken(house.video(wire))
        wire.close()
    port.close()


async def test_a_cipher_that_refuses_ends_its_receiver_and_no_other(sender: Sender) -> None:
    first, broken, last = Viewer(sender), Viewer(sender), Viewer(sender)
    flow, totals = flow_of([first, broken, last], BOTH)
    assert sender.roster is not None
    roster = sender.roster
    roster._contexts[broken.seat.row] = roster._ciphers._library.EVP_CIPHER_CTX_new()  # one without a key
    for entry in frame(1000, 1000):
        flow.put(entry)
    assert broken.failures == 1
    assert broken.got() == []
    assert len(first.got()) == len(last.got()) == 2
    assert totals.packets == 4


async def test_what_libcrypto_seals_cryptography_opens(sender: Sender) -> None:
    viewer = Viewer(sender)
    flow, _totals = flow_of([viewer], Audience(SOUND, None, 16))
    entry = sound(position=70_001)
    flow.put(entry)
    [data] = viewer.got()
    nonce = int.from_bytes(viewer.sealer.salt) ^ (SOUND.ssrc << 48 | 1)
    assert AESGCM(viewer.sealer.key).decrypt(nonce.to_bytes(12), data[12:], data[:12]) == entry.packet.payload
