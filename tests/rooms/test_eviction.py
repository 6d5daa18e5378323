"""Pictures of people who are banned: ended at once, and again for a while; of nobody else, and of nobody who was forgiven."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from core.clock import ManualClock
from core.errors import Unavailable
from rooms.eviction import FOR_S
from stream.errors import MEDIA_UNAVAILABLE
from tests.rooms.house import House
from tests.rooms.moderated import OTHER, VIEWER, Stage, open_stage
from tests.rooms.test_engine import until


@pytest.fixture
async def stage(house: House) -> Stage:
    return await open_stage(house)


@pytest.fixture
async def running(stage: Stage) -> AsyncIterator[None]:
    """Its work, as beside the requests."""
    task = asyncio.create_task(stage.house.rooms.eviction.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_ban_ends_what_is_watched_at_once(stage: Stage, running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rooms.eviction.EVERY_S", 3600.0)
    media = stage.house.media
    said = await stage.say(stage.viewer, "骂人")
    await stage.do("mute", said["id"])
    await stage.do("ban", said["id"])
    await until(lambda: media.dark == [(stage.session, [VIEWER])])


async def test_for_a_while_it_is_said_again_by_every_process(stage: Stage, clock: ManualClock) -> None:
    media, eviction = stage.house.media, stage.house.rooms.eviction
    said, another = await stage.say(stage.viewer, "骂人"), await stage.say(stage.other, "也骂人")
    await stage.do("ban", said["id"])
    forgiven = (await stage.do("ban", another["id"]))["acts"][0]["act"]
    await eviction.look()
    assert media.dark == [(stage.session, sorted((VIEWER, OTHER)))]
    await stage.undo(forgiven)
    await eviction.look()
    assert media.dark[1:] == [(stage.session, [VIEWER])]
    clock.advance(FOR_S)
    await eviction.look()
    assert len(media.dark) == 2


async def test_a_media_process_that_is_away_is_told_later_and_the_log_has_one_line(stage: Stage) -> None:
    media, eviction = stage.house.media, stage.house.rooms.eviction
    said = await stage.say(stage.viewer, "骂人")
    await stage.do("ban", said["id"])
    with structlog.testing.capture_logs() as logged:
        for failing in (Unavailable(MEDIA_UNAVAILABLE), TimeoutError(), Unavailable(MEDIA_UNAVAILABLE), None):
            media.failing = failing
            await eviction.look()
    assert media.dark == [(stage.session, [VIEWER])]
    assert [line["log_level"] for line in logged] == ["warning"]


async def test_what_nobody_expected_is_logged_and_the_next_look_comes(stage: Stage) -> None:
    media, eviction = stage.house.media, stage.house.rooms.eviction
    said = await stage.say(stage.viewer, "骂人")
    await stage.do("ban", said["id"])
    with structlog.testing.capture_logs() as logged:
        media.failing = RuntimeError("no")
        await eviction.look()
    assert [line["log_level"] for line in logged] == ["error"]
    media.failing = None
    await eviction.look()
    assert media.dark == [(stage.session, [VIEWER])]
