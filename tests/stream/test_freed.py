"""A peer that is over is freed at once, by reference counting: a garbage collection would make all viewers wait."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bench.descriptions import offer
from bench.peer import Identity, LightPeer, Remote
from core.clock import SystemClock
from stream import carrier, rtcp
from stream.carrier import Carrier
from stream.client import MediaClient
from stream.errors import SrtpError
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.settings import MediaSettings
from stream.subscriber import Subscriber
from tests.stream.clients import PublisherClient, SubscriberClient, until
from tests.stream.houses import KEY, SECRET, Home, open_side

CONNECT_S = 20.0
OURS = ("stream.", "aiortc.", "OpenSSL.", "pylibsrtp", "pyee.")
HERE = MediaSettings(bind_host="127.0.0.1")
SHORT_HANDSHAKE = MediaSettings(bind_host="127.0.0.1", handshake_timeout_s=0.2)
SOON_LOST = MediaSettings(bind_host="127.0.0.1", publisher_timeout_s=0.5)


class Freed:
    """Waits for what it has been told of to be gone."""

    def __init__(self) -> None:
        self._parts: list[weakref.ref[Any]] = []

    def mark(self, place: Carrier, resource: str) -> None:
        """That peer and all that it is made of."""
        found = place._resources[resource]
        dtls = found.peer._dtls
        whole = (found.role, found.peer, found.peer.ice, found.peer._ended, dtls, dtls._ssl, found.peer.link, found.task)
        self._parts += [weakref.ref(part) for part in whole if part is not None]

    async def gone(self) -> None:
        """Until none of it is left."""
        assert self._parts
        with suppress(TimeoutError):
            await until(lambda: self._left() == [])
        assert self._left() == []

    def _left(self) -> list[str]:
        return [repr(part()) for part in self._parts if part() is not None]


class Door:
    """A hub, and light ends that come to it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.identity = Identity()
        self.freed = Freed()
        self.ends: list[LightPeer] = []

    async def publish(self, *, connects: bool = True) -> str:
        end = LightPeer(self.identity)
        opened = await self.hub.publish(KEY, datetime.now(UTC), offer(end.transport_lines(), "sendonly"))
        return await self._enter(end, opened.resource, opened.sdp, connects=connects)

    async def watch(self, owner: str = "", *, connects: bool = True) -> str:
        end = LightPeer(self.identity)
        opened = await self.hub.subscribe(KEY, offer(end.transport_lines(), "recvonly"), owner)
        return await self._enter(end, opened.resource, opened.sdp, connects=connects)

    async def _enter(self, end: LightPeer, resource: str, sdp: str, *, connects: bool) -> str:
        self.ends.append(end)
        if connects:
            await end.connect(Remote.read(sdp), CONNECT_S)
            await until(lambda: self.hub._resources[resource].connected)
        return resource

    def mark(self, *resources: str) -> None:
        for resource in resources:
            self.freed.mark(self.hub, resource)


def garbage() -> list[str]:
    """What a full collection finds of ours and of the libraries that a peer is made of."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return [name for found in gc.garbage if (name := f"{type(found).__module__}.{type(found).__name__}").startswith(OURS)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # what earlier tests have left is not to be found here
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
async def door(feed: Feed, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    hub = Hub(getattr(request, "param", HERE), feed, SystemClock(), MediaMetrics(CollectorRegistry()))
    await hub.start()
    door = Door(hub)
    yield door
    for end in door.ends:
        end.socket.close()
    await hub.stop()


async def test_who_has_left_is_freed(door: Door) -> None:
    door.mark(await door.publish(), await door.watch(), await door.watch())
    for end in door.ends:
        end.goodbye()
    await door.freed.gone()
    assert garbage() == []


async def test_who_has_seen_the_picture_is_freed(door: Door) -> None:
    publisher, viewer = PublisherClient(brightness=120), SubscriberClient()
    opened = await door.hub.publish(KEY, datetime.now(UTC), await publisher.offer())
    await publisher.answer(opened.sdp)
    await until(lambda: bool(door.hub.streams()))
    door.mark(opened.resource)
    opened = await door.hub.subscribe(KEY, await viewer.offer())
    await viewer.answer(opened.sdp)
    await viewer.sees(120)
    door.mark(opened.resource)
    await publisher.close()
    await viewer.close()
    await door.freed.gone()


async def test_who_is_taken_out_is_freed(door: Door) -> None:
    resources = [await door.publish(), await door.watch()]
    door.mark(*resources)
    for resource in resources:
        await door.hub.delete(resource)
    await door.freed.gone()
    assert garbage() == []


async def test_a_publisher_that_is_replaced_is_freed(door: Door) -> None:
    door.mark(await door.publish())
    await door.publish()
    await door.freed.gone()
    assert garbage() == []


async def test_whoever_makes_room_while_connecting_is_freed(door: Door) -> None:
    await door.publish()
    door.mark(await door.watch("person", connects=False))
    for _ in range(carrier._PEERS_A_PERSON):
        await door.watch("person", connects=False)
    await door.freed.gone()
    assert garbage() == []


@pytest.mark.parametrize("door", [SHORT_HANDSHAKE], indirect=True)
async def test_who_never_connects_is_freed(door: Door) -> None:
    door.mark(await door.publish(connects=False))
    await door.freed.gone()
    assert garbage() == []


@pytest.mark.parametrize("door", [SOON_LOST], indirect=True)
async def test_who_is_lost_is_freed(door: Door) -> None:
    end = LightPeer(door.identity)
    opened = await door.hub.publish(KEY, datetime.now(UTC), offer(end.transport_lines(), "sendonly"))
    door.mark(opened.resource)
    await end.connect(Remote.read(opened.sdp), CONNECT_S)
    await door.freed.gone()
    end.socket.close()
    assert garbage() == []


async def test_whose_handshake_fails_is_freed(door: Door) -> None:
    end, other = LightPeer(door.identity), Identity()
    described = offer(end.transport_lines(), "sendonly").replace(door.identity.fingerprint, other.fingerprint)
    opened = await door.hub.publish(KEY, datetime.now(UTC), described)
    door.mark(opened.resource)
    await end.connect(Remote.read(opened.sdp), CONNECT_S)  # its own side finds nothing wrong
    end.socket.close()
    await door.freed.gone()
    assert garbage() == []
    assert door.hub.metrics.registry.get_sample_value("tellercast_media_peers_failed_total") == 1


async def test_who_fails_is_freed(door: Door) -> None:
    def broken(_plain: bytes) -> None:
        raise RuntimeError("broken")

    resource = await door.publish()
    door.hub._resources[resource].peer._on_rtcp = broken
    door.mark(resource)
    end = door.ends[0]
    end.send(end.outbound.protect_rtcp(rtcp.pli(1, 2)))
    await door.freed.gone()
    assert garbage() == []


async def test_who_cannot_join_is_freed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise SrtpError("the cipher does not take its key")

    await door.publish()
    monkeypatch.setattr(Subscriber, "join", refused)
    end = LightPeer(door.identity)
    opened = await door.hub.subscribe(KEY, offer(end.transport_lines(), "recvonly"))
    door.mark(opened.resource)
    await end.connect(Remote.read(opened.sdp), CONNECT_S)
    end.socket.close()
    await door.freed.gone()
    assert garbage() == []


async def test_a_closed_session_leaves_nothing(door: Door) -> None:
    door.mark(await door.publish(), await door.watch())
    await door.hub.close_session(KEY.session)
    await door.freed.gone()
    assert garbage() == []


async def test_a_stop_leaves_nothing(door: Door) -> None:
    door.mark(await door.publish(), await door.watch(), await door.watch(connects=False))
    await door.hub.stop()
    await door.freed.gone()
    assert garbage() == []


async def test_who_came_through_the_internal_api_is_freed_at_home_and_at_an_edge(tmp_path: Path, feed: Feed) -> None:
    home = Home(tmp_path, feed)
    await home.start()
    side = await open_side(home)
    hub = home.hub
    assert hub is not None
    identity, freed = Identity(), Freed()
    publisher, *viewers = (LightPeer(identity) for _ in range(3))
    async with MediaClient(home.socket, SECRET) as client:
        described = offer(publisher.transport_lines(), "sendonly")
        opened = await client.publish(KEY.session, KEY.stream, datetime.now(UTC), described)
        await publisher.connect(Remote.read(opened.sdp), CONNECT_S)
        await until(lambda: bool(hub.streams()))
        freed.mark(hub, opened.resource)
        ways: list[tuple[Carrier, MediaClient]] = [(hub, client), (side.edge, side.client)]
        for (place, way), viewer in zip(ways, viewers, strict=True):
            opened = await way.subscribe(KEY.session, KEY.stream, offer(viewer.transport_lines(), "recvonly"))
            await viewer.connect(Remote.read(opened.sdp), CONNECT_S)
            freed.mark(place, opened.resource)
    for end in (publisher, *viewers):
        end.goodbye()
    await freed.gone()
    assert garbage() == []
    await side.stop()
    await home.stop()
