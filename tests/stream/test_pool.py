"""All media processes as one: who is sent where, and who is asked what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from core.errors import NOT_FOUND, Refused, Unavailable
from stream import whip
from stream.admission import Admission
from stream.client import MEDIA_CLIENT, MediaClient
from stream.errors import MEDIA_FULL, MEDIA_UNAVAILABLE, STREAM_NOT_FOUND
from stream.feed import Feed
from stream.pool import MediaPool
from stream.whip import FRAGMENT, MEDIA_DOOR, SDP, WHIP_SETTINGS, WhipSettings
from stream.wire import LayerIn
from tests.stream.clients import until
from tests.stream.conftest import Clients
from tests.stream.houses import KEY, SECRET, Home, Side, open_side
from tests.stream.test_whip import Door, front


class Site:
    """A home, two edges, and the pool that web has of them."""

    def __init__(self, home: Home, sides: list[Side], pool: MediaPool) -> None:
        self.home = home
        self.sides = sides
        self.pool = pool

    async def watch(self, clients: Clients) -> str:
        """One more subscriber; answers its resource."""
        viewer = clients.subscriber()
        opened = await self.pool.subscribe(KEY.session, KEY.stream, await viewer.offer())
        await viewer.answer(opened.sdp)
        return opened.resource

    def subscribers(self) -> list[int]:
        """How many each process has, connected or about to be."""
        assert self.home.hub is not None
        return [len(self.home.hub._resources) - 1, *(len(side.edge._resources) for side in self.sides)]


@pytest.fixture
async def site(tmp_path: Path, feed: Feed) -> AsyncIterator[Site]:
    home = Home(tmp_path, feed)
    await home.start()
    sides = [await open_side(home, f"edge{number}") for number in (1, 2)]
    addresses = [home.socket, *(str(tmp_path / f"edge{number}.sock") for number in (1, 2))]
    pool = MediaPool([MediaClient(address, SECRET) for address in addresses], home_first=2)
    yield Site(home, sides, pool)
    await pool.close()
    for side in sides:
        await side.stop()
    await home.stop()


async def test_viewers_go_home_first_and_then_where_there_are_fewest(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher())
    places = [(await site.watch(clients)).partition("rsc_")[0] for _ in range(7)]
    assert places == ["", "", "", "1.", "2.", "", "1."]
    # What others sent there counts as well.
    assert site.home.hub is not None
    hub = site.home.hub
    await until(lambda: sum(s.subscribers for s in hub.streams()) == 4)
    await site.sides[0].subscribe(clients.subscriber())
    await until(lambda: site.sides[0].edge.streams()[0].subscribers == 3)
    await until(lambda: site.sides[1].edge.streams()[0].subscribers == 1)
    await site.pool.look()
    assert (await site.watch(clients)).startswith("2.")


async def test_a_resource_is_changed_and_ended_where_it_is(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher())
    places = [await site.watch(clients) for _ in range(4)]
    assert site.subscribers() == [3, 1, 0]
    fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
    for place in places:
        assert await site.pool.patch(place, "*", fragment) is not None
        await site.pool.choose(place, LayerIn("low"))
        await site.pool.delete(place)
        with pytest.raises(Refused) as refused:
            await site.pool.delete(place)
        assert refused.value.problem is NOT_FOUND
    await until(lambda: site.subscribers() == [0, 0, 0])


@pytest.mark.parametrize(
    "resource", ["3.rsc_x", "-1.rsc_x", "01.rsc_x", "0.rsc_x", ".rsc_x", "x.rsc_x", "1.rsc_x", "rsc_x", "1."]
)
async def test_what_is_nobodys_is_not_found(site: Site, resource: str) -> None:
    with pytest.raises(Refused) as refused:
        await site.pool.delete(resource)
    assert refused.value.problem is NOT_FOUND


async def test_a_full_process_is_passed_over_until_all_are(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher())
    assert site.home.hub is not None
    site.home.hub._admission = Admission(0, 10)
    assert [(await site.watch(clients))[:2] for _ in range(2)] == ["1.", "2."]
    for side in site.sides:
        side.edge._admission = Admission(1, 0)
    with pytest.raises(Unavailable) as refused:
        await site.watch(clients)
    assert refused.value.problem is MEDIA_FULL
    assert refused.value.retry_after == 5


async def test_a_process_that_is_away_is_passed_over(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher())
    await site.sides[0].stop()
    for _ in range(3):
        await site.watch(clients)
    assert (await site.watch(clients)).startswith("2.")  # asked in vain, then the next
    await site.pool.look()
    assert [member.subscribers is None for member in site.pool._members] == [False, True, False]
    await site.home.stop()
    for side in site.sides[1:]:
        await until(lambda side=side: side.relay().publisher is None)  # type: ignore[misc]
    await site.sides[1].stop()
    with pytest.raises(Unavailable) as refused:
        await site.pool.subscribe(KEY.session, KEY.stream, await clients.subscriber().offer())
    assert refused.value.problem is MEDIA_UNAVAILABLE


async def test_nobody_publishing_is_said_by_the_first_that_is_asked(site: Site, clients: Clients) -> None:
    with pytest.raises(Unavailable) as refused:
        await site.watch(clients)
    assert refused.value.problem is STREAM_NOT_FOUND
    assert site.subscribers()[1:] == [0, 0]
    assert all(not side.edge._relays for side in site.sides)


async def test_it_keeps_looking_and_notes_who_comes_back(site: Site) -> None:
    looking = asyncio.create_task(site.pool.run())
    await site.sides[0].runner.cleanup()
    members = site.pool._members
    await until(lambda: members[1].subscribers is None)
    back = await open_side(site.home, "edge1")
    await until(lambda: members[1].subscribers == 0)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await back.stop()


async def test_the_feed_and_the_end_of_sessions_are_the_homes(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher())
    assert await site.pool.feed_id() == site.home.feed.id
    kinds = []
    async with asyncio.timeout(20):
        closing = asyncio.create_task(site.pool.close_session(KEY.session))
        async for record in site.pool.feed(0):
            kinds.append(record["kind"])
            if record["kind"] == "session_closed":
                await site.pool.ack(record["n"], site.home.feed.id)
                break
        await closing
    assert kinds == ["media_started", "publisher_joined", "publisher_left", "session_closed"]
    assert site.home.feed.backlog == 0


async def test_any_whep_client_is_served_by_whichever_process_it_lands_on(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher(brightness=130))
    app = web.Application(middlewares=[front])
    app[MEDIA_DOOR], app[MEDIA_CLIENT], app[WHIP_SETTINGS] = Door(), site.pool, WhipSettings(b"0123456789abcdef")
    for route in whip.routes():
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
    async with aiohttp.ClientSession() as http:
        for place in ("rsc_", "rsc_", "rsc_", "1.rsc_", "2.rsc_"):
            viewer = clients.subscriber()
            path, head = f"{base}/api/sessions/{KEY.session}/whep", {"Content-Type": SDP}
            async with http.post(path, data=await viewer.offer(), headers=head) as answer:
                assert answer.status == 201
                own = answer.headers["Location"]
                assert own.startswith(f"/api/sessions/{KEY.session}/whep/{place}")
                await viewer.answer(await answer.text())
            await viewer.sees(130)
            async with http.patch(base + own, data=fragment, headers={"Content-Type": FRAGMENT, "If-Match": "*"}) as answer:
                assert answer.status == 200
            other = own.replace(place, "1.rsc_" if place != "1.rsc_" else "2.rsc_")
            async with http.delete(base + other) as answer:
                assert answer.status == 403  # the address was made for that process and no other
        async with http.delete(base + own) as answer:
            assert answer.status == 200
    await until(lambda: site.subscribers() == [3, 1, 0])
    await runner.cleanup()


async def test_whose_subscribers_are_expelled_is_told_to_all_and_nobody_else_loses_anything(
    site: Site, clients: Clients
) -> None:
    assert site.home.hub is not None
    publisher = clients.publisher()
    opened = await site.pool.publish(KEY.session, KEY.stream, datetime.now(UTC), await publisher.offer(), "expelled")
    await publisher.answer(opened.sdp)
    hub = site.home.hub
    await until(lambda: any(s.epoch for s in hub.streams()))
    viewers = {owner: [clients.subscriber() for _ in range(4)] for owner in ("expelled", "another")}
    for owner, theirs in viewers.items():
        for viewer in theirs:
            answer = await site.pool.subscribe(KEY.session, KEY.stream, await viewer.offer(), owner)
            await viewer.answer(answer.sdp)
    assert all(site.subscribers())
    await until(lambda: all(v.pc.connectionState == "connected" for theirs in viewers.values() for v in theirs))

    await site.pool.expel("ses_2", ["expelled"])
    await site.pool.expel(KEY.session, ["nobody"])
    for viewer in viewers["expelled"]:
        await viewer.frame("video")
    await site.pool.expel(KEY.session, ["expelled"])
    await until(lambda: {v.pc.connectionState for v in viewers["expelled"]} == {"closed"})
    assert sum(site.subscribers()) == 4
    for viewer in viewers["another"]:
        await viewer.frame("video")
    assert publisher.pc.connectionState == "connected"


async def test_one_process_that_is_away_does_not_keep_the_others_from_it(site: Site, clients: Clients) -> None:
    await site.home.publish(clients.publisher())
    viewers = [clients.subscriber() for _ in range(5)]
    for viewer in viewers:
        answer = await site.pool.subscribe(KEY.session, KEY.stream, await viewer.offer(), "expelled")
        await viewer.answer(answer.sdp)
    at_home, _, last = site.subscribers()
    assert at_home
    assert last
    await site.sides[0].runner.cleanup()
    with pytest.raises(Unavailable) as refused:
        await site.pool.expel(KEY.session, ["expelled"])
    assert refused.value.problem is MEDIA_UNAVAILABLE
    await until(lambda: (site.subscribers()[0], site.subscribers()[2]) == (0, 0))
