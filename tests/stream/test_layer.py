"""A viewer's choice of quality, from the internal API to what comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from core.errors import BAD_REQUEST, NOT_FOUND, Refused
from stream.client import MediaClient
from stream.routes import internal_app
from stream.subscriber import Subscriber
from stream.wire import LayerIn
from tests.stream.clients import until
from tests.stream.conftest import Clients, House
from tests.stream.test_loopback import publish, subscribe


async def test_sound_alone_and_the_picture_again(house: House, clients: Clients, tmp_path: Path) -> None:
    runner = web.AppRunner(internal_app(house.hub, house.feed, "secret"))
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "media.sock")).start()
    publisher, viewer = clients.publisher(brightness=180), clients.subscriber()
    async with MediaClient(str(tmp_path / "media.sock"), "secret") as client:
        sending = await publish(house, publisher)
        await until(lambda: bool(house.records("publisher_joined")))
        watching = await subscribe(house, viewer)
        await viewer.sees(180)
        role = house.hub._resources[watching].role
        assert isinstance(role, Subscriber)
        video = role._legs["video"]
        await client.choose(watching, LayerIn("audio"))
        assert not video.live
        before, heard = role.sent("video")[0], role.sent("audio")[0]
        await until(lambda: role.sent("audio")[0] > heard + 20)
        assert role.sent("video")[0] == before
        await client.choose(watching, LayerIn("auto", 720))
        await until(lambda: role.sent("video")[0] > before)
        await viewer.sees(180)
        for resource in (sending, "rsc_nobody"):
            with pytest.raises(Refused) as refused:
                await client.choose(resource, LayerIn("low"))
            assert refused.value.problem is NOT_FOUND
        with pytest.raises(Refused) as refused:
            await client._call("POST", f"/v1/resources/{watching}/layer", '{"quality": "best"}')
        assert refused.value.problem is BAD_REQUEST
    await runner.cleanup()


async def test_what_goes_out_is_told_stream_by_stream(house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(brightness=180), clients.subscriber()
    await publish(house, publisher)
    await until(lambda: bool(house.records("publisher_joined")))
    await subscribe(house, viewer)
    await viewer.sees(180)
    labels = {"session": "ses_1", "stream": "host"}
    told = house.hub.metrics.registry.get_sample_value
    await until(lambda: told("tellercast_media_stream_subscribers", labels) == 1)
    await until(lambda: (told("tellercast_media_stream_packets_total", labels) or 0) > 0)
    await until(lambda: (told("tellercast_media_stream_octets_total", labels) or 0) > 0)
    await until(lambda: (told("tellercast_media_packets_forwarded_total") or 0) > 0)
    await until(lambda: (told("tellercast_media_loop_lag_seconds_count") or 0) > 0)
    await until(lambda: (told("tellercast_media_stream_bits_per_second", {**labels, "lane": "high"}) or 0) > 0)
    assert told("tellercast_media_stream_bits_per_second", {**labels, "lane": "low"}) is None
