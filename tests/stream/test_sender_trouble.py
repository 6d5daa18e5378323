"""What the kernel, a cipher, a file or a left seat does to sending: it costs whom it concerns, and nobody else."""

from __future__ import annotations

import errno
import socket
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from core.clock import ManualClock
from stream import compiled, fanout
from stream import sender as sender_module
from stream.fanout import Audience
from stream.ice import MediaPort
from stream.roster import NOTHING, Counts, Failure, Packed, Roster, control
from stream.sender import Sender, segmented
from stream.srtp import GcmSealer
from tests.stream.seats import BOTH, PICTURE, SOUND, Viewer, flow_of, frame
from tests.stream.watchers import House, unbroken

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


def test_a_seat_that_was_left_changes_nobodys_row(sender: Sender) -> None:
    viewers = [Viewer(sender) for _ in range(64)]  # all rows there are
    roster = sender.roster
    assert roster is not None
    gone = viewers.pop(0).seat
    gone.leave()
    before = roster._addresses.copy(), roster._targets.copy()
    gone.aim(PICTURE, SOUND)
    gone.move(("127.0.0.1", 9))
    assert (roster._addresses == before[0]).all()
    assert (roster._targets == before[1]).all()
    assert gone.counts == NOTHING


def test_a_closed_sender_has_no_seats(sender: Sender) -> None:
    address = ("127.0.0.1", 9)
    sender.close()
    assert sender.seat(GcmSealer(bytes(28), 16), address, list) is None
    assert not sender.send(b"x", address)


async def test_what_fails_for_all_ends_neither_the_publisher_nor_the_flow(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, comes = Viewer(sender), Viewer(sender)
    flow, _totals = flow_of([stays], BOTH)
    first, second = frame(1000, 1000), frame(900, position=80_002)
    assert sender.roster is not None
    send = sender.roster.send
    monkeypatch.setattr(sender.roster, "send", None)
    with capture_logs() as logs:
        flow.put(first[0])
        flow.add(comes, BOTH)
        flow.put(first[1])
        for entry in frame(800, position=80_003):
            flow.put(entry)
    assert [line["event"] for line in logs] == ["crowd_failed"]
    assert stays.got() == []
    monkeypatch.setattr(sender.roster, "send", send)
    flow.put(second[0])
    assert len(stays.got()) == len(comes.got()) == 1
    assert len(comes.alone) == 2  # the frame that waited when it came
    flow.remove(comes, BOTH)
    flow.remove(stays, BOTH)


@pytest.mark.parametrize(
    ("row", "sizes", "payload", "headers", "what"),
    [
        (1 << 40, [4], 4, 0, "row"),
        (-1, [4], 4, 0, "row"),
        (0, [1000], 4, 0, "payloads"),
        (0, [], 0, 0, "payloads"),
        (0, [1] * 200, 200, 0, "payloads"),
        (0, [200_000], 200_000, 0, "longer"),
        (0, [4], 4, 11, "headers"),
    ],
)
def test_what_would_leave_the_arrays_is_refused(
    sender: Sender, row: int, sizes: list[int], payload: int, headers: int, what: str
) -> None:
    assert sender.roster is not None
    packets = np.array([(0, 0, 0, 0x8000, size) for size in sizes], np.int64).reshape(-1, 5)
    heads = np.frombuffer(bytes(headers), np.uint8)
    run = Packed(packets, np.frombuffer(bytes(payload), np.uint8), heads, heads, control(0))
    with pytest.raises(ValueError, match=what):
        sender.roster.send(-1, np.array([row], np.int64), run)


def test_a_kernel_that_cuts_no_datagrams_at_all_is_told_of_once(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    viewers = [Viewer(sender) for _ in range(20)]
    assert sender.roster is not None
    send = sender.roster.send

    def refuse(fd: int, rows: Any, run: Packed) -> list[Failure]:
        return [Failure(row, errno.EOPNOTSUPP, 1) for row in rows.tolist()] if len(run.control) else send(fd, rows, run)

    monkeypatch.setattr(sender.roster, "send", refuse)
    flow, totals = flow_of(viewers, Audience(None, PICTURE, 16))
    with capture_logs() as logs:
        flow.put(frame(1000)[0])
    assert logs == []
    entries = frame(1000, 1000, position=80_001)
    rows = np.array([viewer.seat.row for viewer in viewers], np.int64)
    with capture_logs() as logs:
        for run in fanout._runs(entries):
            assert sender.send_all(rows, run) == 40
    assert [line["event"] for line in logs] == ["media_without_segments"]
    assert not sender.segmenting
    assert totals.packets == 20


@pytest.mark.parametrize(("failures", "roster"), [(1, True), (2, False)])
def test_a_loop_that_does_not_load_is_compiled_anew_or_done_without(
    udp: socket.socket, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, failures: int, *, roster: bool
) -> None:
    forgot: list[bool] = []
    left = [True] * failures

    def made(*arguments: Any) -> Roster:
        if left:
            left.pop()
            raise EOFError("Ran out of input")
        return Roster(*arguments)

    monkeypatch.setattr(sender_module, "Roster", made)
    monkeypatch.setattr(compiled, "forget", lambda: forgot.append(True))
    with capture_logs() as logs:
        sender = Sender(udp, clock)
    assert forgot == [True]
    assert (sender.roster is not None) is roster
    assert [line["event"] for line in logs] == ["media_compiles_anew", "media_without_compiled_loop"][: 1 + (not roster)]
