"""Credentials for TURN: made here without asking anybody, taken by a real coturn while they last, and by nobody longer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from core.clock import Clock, ManualClock, SystemClock
from stream.ice_servers import IceServer, TurnServers
from tests.coturn import SECRET, Coturn

LIFETIME_S = 600


def made(clock: Clock, *, secret: str = SECRET) -> IceServer:
    return TurnServers(("turn:a",), secret.encode(), LIFETIME_S, clock).for_owner("0a1b")[0]


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    running = Coturn(tmp_path_factory.mktemp("coturn"), "127.0.0.1")
    try:
        yield running.start()
    finally:
        running.stop()
        print(running.log[-2000:])


def test_credentials_are_those_of_the_scheme() -> None:
    """The credential is what `printf NAME | openssl dgst -sha1 -hmac SECRET -binary | base64` says."""
    clock = ManualClock(datetime.fromtimestamp(1_795_000_000 - LIFETIME_S, UTC))
    servers = TurnServers(("turn:a?transport=udp", "turns:b"), SECRET.encode(), LIFETIME_S, clock)
    both = servers.for_owner("0a1b")
    assert [server.url for server in both] == ["turn:a?transport=udp", "turns:b"]
    assert {(server.username, server.credential) for server in both} == {("1795000000:0a1b", "uVJmMvFcqqfYweQMYQIKCqdEmP8=")}
    clock.advance(1)
    assert servers.for_owner("0a1b")[0].username == "1795000001:0a1b"
    assert SECRET not in repr(servers)


def test_a_server_is_named_as_the_rfc_says_and_secrets_are_not_printed() -> None:
    assert IceServer("stun:a:3478").link() == '<stun:a:3478>; rel="ice-server"'
    turn = IceServer("turn:b?transport=udp", "1:u", "p+/=")
    assert turn.link() == (
        '<turn:b?transport=udp>; rel="ice-server"; username="1:u"; credential="p+/="; credential-type="password"'
    )
    assert "p+/=" not in repr(turn)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_turn_server_takes_them(coturn: Coturn, transport: str) -> None:
    relayed = await allocate(coturn, made(SystemClock()), transport)
    assert relayed[0] == "127.0.0.1"
    assert relayed[1] in coturn.relays


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_turn_server_takes_no_expired_ones(coturn: Coturn, transport: str) -> None:
    clock = ManualClock(datetime.now(UTC))
    clock.advance(-LIFETIME_S - 60)
    with pytest.raises(TransactionFailed, match="401"):
        await allocate(coturn, made(clock), transport)


async def test_nor_those_of_another_secret(coturn: Coturn) -> None:
    with pytest.raises(TransactionFailed, match="401"):
        await allocate(coturn, made(SystemClock(), secret=SECRET[::-1]), "udp")


async def test_nobody_prolongs_his_own(coturn: Coturn) -> None:
    longer = replace(made(SystemClock()), username="9999999999:0a1b")
    with pytest.raises(TransactionFailed, match="401"):
        await allocate(coturn, longer, "udp")


async def allocate(coturn: Coturn, server: IceServer, transport: str) -> tuple[str, int]:
    """The relay's address that coturn gives for these credentials. Raises TransactionFailed when it gives none."""
    async with asyncio.timeout(20):
        relay, _ = await create_turn_endpoint(
            asyncio.DatagramProtocol, ("127.0.0.1", coturn.port), server.username, server.credential, transport=transport
        )
    host, port = relay.get_extra_info("sockname")
    relay.close()
    return str(host), int(port)
