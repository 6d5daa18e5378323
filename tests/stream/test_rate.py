"""A real Chromium finds its rate by our feedback: up at once on a good line, down when the line loses, up again after."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.publisher import Publisher
from stream.sink import StreamKey
from tests.stream.chromium import ChromiumPublisher, noise
from tests.stream.conftest import House
from tests.stream.lossy import LossyLine

KEY = StreamKey("ses_1", "host")
ENOUGH = 2_500_000


@pytest.mark.timeout(400)
async def test_the_rate_rises_gives_way_to_loss_and_rises_again(house: House, tmp_path: Path) -> None:
    camera = noise(tmp_path / "noise.y4m", 640, 360, 15)  # a rate as 720p30 has, at a cost that a busy machine can bear
    async with LossyLine(house.hub.port) as line, ChromiumPublisher(camera) as publisher:
        opened = await house.hub.publish(KEY, datetime.now(UTC), await publisher.offer(640, 360))
        await publisher.answer(line.through(opened.sdp))
        await publisher.until(lambda said: min(said.rate, said.target) >= ENOUGH)
        line.loss = 0.2
        worse = await publisher.until(lambda said: max(said.rate, said.target) < ENOUGH / 2)
        assert worse.videos["1"]["repeated"] > 0
        line.loss = 0.0
        await publisher.until(lambda said: min(said.rate, said.target) > 2 * worse.target)
        _most_came_back(house)


@pytest.mark.timeout(180)
async def test_a_line_that_is_good_carries_720p_at_once(house: House) -> None:
    async with ChromiumPublisher() as publisher:
        opened = await house.hub.publish(KEY, datetime.now(UTC), await publisher.offer())
        await publisher.answer(opened.sdp)
        said = await publisher.until(lambda said: said.rate >= ENOUGH and said.videos["1"]["width"] == 1280)
        assert said.rate <= house.hub._settings.max_bitrate * 1.05


def _most_came_back(house: House) -> None:
    """What the line lost was repeated, under the repeats' own source, and recorded in its place, once."""
    publisher = house.hub._channels[KEY].publisher
    assert isinstance(publisher, Publisher)
    video = publisher._sources.video(low=False)
    assert video is not None
    numbers = [number for kind, number, *_ in house.sinks[0].packets if kind == "video"]
    assert len(set(numbers)) == len(numbers)
    restored = len(numbers) - video.reception.received
    holes = max(numbers) - min(numbers) + 1 - len(numbers)
    assert restored > holes
