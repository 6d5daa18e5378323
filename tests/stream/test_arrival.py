"""A datagram's arrival is when it came, not when our loop got to it."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
import uvloop

from core.clock import SystemClock
from stream.ice import MediaPort

STALL_S = 0.3
PROBE_S = 0.01


class Noting(MediaPort):
    """Notes for each datagram when it came, and when it is handled."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.times: list[tuple[float, float]] = []
        self.came = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.times.append((self.arrived_at(), time.monotonic()))
        if data != b"first":
            self.came.set()


async def kernel_notes_times(port: Noting, sender: socket.socket) -> None:
    """Returns when it does: it is asked at opening, and begins when a worker of the kernel gets to it."""
    async with asyncio.timeout(20):
        while not port.times or port.times[-1][1] - port.times[-1][0] < PROBE_S:
            port.came.clear()
            sender.send(b"probe")
            time.sleep(PROBE_S)  # noqa: ASYNC251 - so that one which is noted shows
            await port.came.wait()
    port.times.clear()
    port.came.clear()


async def two_datagrams() -> list[tuple[float, float]]:
    port = Noting()
    await port.open("127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port.number))
        await kernel_notes_times(port, sender)
        sender.send(b"first")
        time.sleep(STALL_S)  # noqa: ASYNC251 - the loop is busy with something else
        sender.send(b"last")
        async with asyncio.timeout(20):
            await port.came.wait()
    port.close()
    return port.times


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_waited_for_our_loop_came_when_it_came(loop: object) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        (first, handled), (last, handled_last) = runner.run(two_datagrams())
    assert handled - first >= STALL_S
    assert last - first >= STALL_S * 0.99  # the kernel times by the wall clock, which is pulled now and then
    assert last <= handled_last


async def test_without_a_socket_it_is_now() -> None:
    port = MediaPort(SystemClock())
    before = time.monotonic()
    assert before <= port.arrived_at() <= time.monotonic()
