"""A publisher that sends a better and a lower video: real clients under one payload type, told apart and kept apart."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from stream.channel import Channel
from stream.publisher import Publisher
from stream.sink import StreamKey
from tests.stream.chromium import PATIENCE_S, ChromiumPublisher
from tests.stream.clients import Picture, until
from tests.stream.conftest import Clients, House

KEY = StreamKey("ses_1", "host")
DIM, BRIGHT = 60, 200


async def both_arrive(house: House) -> tuple[Channel, Publisher]:
    await until(lambda: bool(house.sinks), PATIENCE_S)
    channel = house.hub._channels[KEY]
    await until(lambda: channel.lanes["low"].rate > 0 < channel.lanes["high"].rate, PATIENCE_S)
    assert isinstance(channel.publisher, Publisher)
    senders = channel.publisher.senders
    await until(lambda: None not in (senders.at("video", time.time()), senders.at("low", time.time())), PATIENCE_S)
    return channel, channel.publisher


@pytest.mark.timeout(240)
async def test_both_videos_of_chromium_arrive_each_as_itself(house: House) -> None:
    async with ChromiumPublisher() as chromium:
        opened = await house.hub.publish(KEY, datetime.now(UTC), await chromium.offer(640, 360, low=True))
        await chromium.answer(opened.sdp)
        _, publisher = await both_arrive(house)
        before = (await chromium.sending()).videos["2"]["keyframes"]
        publisher.request_keyframe(low=True)
        said = await chromium.until(lambda said: said.videos["2"]["keyframes"] > before)
        assert said.videos["1"]["width"] > said.videos["2"]["width"]
        assert house.sinks[0].tracks == {"audio": ("opus", 48_000), "video": ("H264", 90_000)}


async def test_viewers_and_recorder_get_the_first_of_two_videos(house: House, clients: Clients) -> None:
    client, viewer = clients.publisher(brightness=BRIGHT), clients.subscriber()
    client.pc.addTransceiver(Picture(DIM), direction="sendonly")
    opened = await house.hub.publish(KEY, datetime.now(UTC), await client.offer())
    assert opened.sdp.count("a=recvonly") == 3
    await client.answer(opened.sdp)
    channel, _ = await both_arrive(house)
    answer = await house.hub.subscribe(KEY, await viewer.offer())
    await viewer.answer(answer.sdp)
    await viewer.sees(BRIGHT)
    high, low = ({(p.timestamp, p.payload) for p in channel.lanes[lane].cache.group} for lane in ("high", "low"))
    recorded = {(timestamp, payload) for kind, _number, timestamp, payload in house.sinks[0].packets if kind == "video"}
    assert high
    assert low
    assert high <= recorded
    assert not low & recorded
