"""One UDP port for all: who is authentic gets an answer, who is not gets nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aioice import stun

from core.clock import ManualClock
from stream.ice import Credentials, IceSession, MediaPort


class Wire:
    """A client's bare socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.connect(("127.0.0.1", port))

    async def receive(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.socket, 2048)

    async def check(self, session: IceSession, *, credentials: Credentials | None = None, **attributes: object) -> stun.Message:
        local = credentials or session.local
        self.socket.send(request(local.ufrag, session.remote_ufrag, local.password, attributes))
        return stun.parse_message(await self.receive())


def request(ours: str, theirs: str, password: str, attributes: dict[str, object]) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes.update(
        {
            "USERNAME": f"{ours}:{theirs}",
            "PRIORITY": 1,
            "ICE-CONTROLLING": 1,
            **{k.replace("_", "-"): v for k, v in attributes.items()},
        }
    )
    message.add_message_integrity(password.encode())
    return bytes(message)


@pytest.fixture
async def port(clock: ManualClock) -> AsyncIterator[MediaPort]:
    port = MediaPort(clock)
    await port.open("127.0.0.1", 0)
    yield port
    port.close()


@pytest.fixture
def wires(port: MediaPort) -> AsyncIterator[list[Wire]]:
    made = [Wire(port.number) for _ in range(3)]
    yield made  # type: ignore[misc]
    for wire in made:
        wire.socket.close()


async def test_an_authentic_check_is_answered_with_the_address_it_came_from(port: MediaPort, wires: list[Wire]) -> None:
    session = port.session("them")
    answer = await wires[0].check(session)
    assert answer.message_class == stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == wires[0].socket.getsockname()
    assert answer.check_message_integrity(session.local.password.encode())
    assert session.connected.is_set()
    assert session.state == "completed"


async def test_forgeries_get_no_answer(port: MediaPort, wires: list[Wire]) -> None:
    session = port.session("them")
    for data in (
        request(session.local.ufrag, "them", "wrong", {}),
        request(session.local.ufrag, "others", session.local.password, {}),
        request("nobody", "them", session.local.password, {}),
        b"\0\1" + bytes(18),
        b"\0",
        bytes([22]) + bytes(30),
    ):
        wires[0].socket.send(data)
    # The answer to a good one is the first thing to come back.
    answer = await wires[0].check(session)
    assert answer.message_class == stun.Class.RESPONSE
    assert port.unknown == 6


async def test_who_also_wants_to_be_controlled_is_told_so(port: MediaPort, wires: list[Wire]) -> None:
    session = port.session("them")
    answer = await wires[0].check(session, ICE_CONTROLLED=1)
    assert answer.error_code == 487
    assert not session.connected.is_set()


async def test_nomination_decides_and_may_move(port: MediaPort, wires: list[Wire]) -> None:
    session = port.session("them")
    first, second, third = wires
    await first.check(session)
    assert session.address == first.socket.getsockname()
    await second.check(session, USE_CANDIDATE=None)
    await third.check(session)
    assert session.address == second.socket.getsockname()
    session.send(b"\x80hello")
    assert await second.receive() == b"\x80hello"
    await third.check(session, USE_CANDIDATE=None)
    session.send(b"\x80moved")
    assert await third.receive() == b"\x80moved"


async def test_datagrams_find_their_session_by_address_only_after_a_check(port: MediaPort, wires: list[Wire]) -> None:
    session, other = port.session("them"), port.session("others")
    wires[0].socket.send(b"\x16early")
    await wires[0].check(session)
    await wires[1].check(other)
    wires[0].socket.send(b"\x16for the first")
    wires[1].socket.send(b"\x16for the second")
    assert await session._recv() == b"\x16for the first"
    assert await other._recv() == b"\x16for the second"


async def test_media_that_overtakes_the_handshake_waits_but_not_for_long(
    port: MediaPort, wires: list[Wire], clock: ManualClock
) -> None:
    session = port.session("them")
    await wires[0].check(session)
    wires[0].socket.send(b"\x80stale")
    await wires[0].check(session)
    clock.advance(5)
    wires[0].socket.send(b"\x80fresh")
    await wires[0].check(session)
    got: list[bytes] = []
    session.take_media(got.append)
    wires[0].socket.send(b"\x80live")
    await wires[0].check(session)
    assert got == [b"\x80fresh", b"\x80live"]


async def test_a_restart_keeps_the_old_way_until_the_new_one_is_checked(port: MediaPort, wires: list[Wire]) -> None:
    session = port.session("them")
    old = session.local
    await wires[0].check(session)
    fresh = session.restart("again")
    wires[0].socket.send(request(old.ufrag, "them", old.password, {}))
    assert stun.parse_message(await wires[0].receive()).message_class == stun.Class.RESPONSE
    await wires[1].check(session, credentials=fresh, USE_CANDIDATE=None)
    assert session.address == wires[1].socket.getsockname()
    wires[0].socket.send(request(old.ufrag, "them", old.password, {}))
    await wires[1].check(session, credentials=fresh)
    assert port.unknown == 1


async def test_a_closed_session_is_gone(port: MediaPort, wires: list[Wire]) -> None:
    session, other = port.session("them"), port.session("others")
    await wires[0].check(session)
    session.close()
    with pytest.raises(ConnectionError):
        await session._recv()
    wires[0].socket.send(request(session.local.ufrag, "them", session.local.password, {}))
    await wires[1].check(other)
    assert port.unknown == 1


def test_advertised_addresses_end_with_loopback(clock: ManualClock) -> None:
    port = MediaPort(clock)
    assert port.addresses(("203.0.113.5",)) == ["203.0.113.5"]
    port._host = "0.0.0.0"
    assert port.addresses(())[-1] == "127.0.0.1"


async def test_a_peer_can_not_draw_away_the_packets_of_another(port: MediaPort, wires: list[Wire], clock: ManualClock) -> None:
    session, thief = port.session("them"), port.session("others")
    await wires[0].check(session)
    # From the same address, as if forged: no answer, and nothing changes hands.
    wires[0].socket.send(request(thief.local.ufrag, "others", thief.local.password, {"USE-CANDIDATE": None}))
    wires[0].socket.send(b"\x16for the first")
    assert await session._recv() == b"\x16for the first"
    assert not thief.connected.is_set()
    clock.advance(6)  # the holder is silent: the address is free, as after a reload that said no goodbye
    await wires[0].check(thief)
    wires[0].socket.send(b"\x16for the other")
    assert await thief._recv() == b"\x16for the other"


async def test_a_datagram_that_no_network_carries_is_not_kept(port: MediaPort, wires: list[Wire]) -> None:
    session = port.session("them")
    await wires[0].check(session)
    wires[0].socket.send(b"\x16" + bytes(5000))
    wires[0].socket.send(b"\x16small")
    assert await session._recv() == b"\x16small"
