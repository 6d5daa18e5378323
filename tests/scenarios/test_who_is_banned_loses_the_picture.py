"""Who is banned loses the picture that is being watched, in whichever process; the others go on, and he can't begin again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.redis_server import RedisServer
from tests.scenarios.town import Refusal, Town
from tests.stream.clients import SubscriberClient, until

BANNED, STAYS = "customer-c3", "customer-c5"
SDP = "application/sdp"


@pytest.fixture(params=["sqlite"])
def database_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'tellercast.db'}"


@pytest.fixture
def environ(redis: RedisServer) -> dict[str, str]:
    return {"TELLERCAST_REDIS_URL": redis.url, "TELLERCAST_WEBS": "2", "TELLERCAST_MEDIA_PROCESSES": "2"}


@pytest.fixture
async def viewers() -> AsyncIterator[list[SubscriberClient]]:
    made = [SubscriberClient() for _ in range(5)]
    yield made
    for viewer in made:
        await viewer.close()


async def watches(town: Town, who: str, viewer: SubscriberClient) -> int | str:
    """201 when the picture has begun, or the code of the refusal."""
    headers = {"Authorization": f"Bearer {town.tokens[who]}", "Content-Type": SDP}
    address = f"{town.server.url}/api/sessions/{town.session}/whep"
    async with town.http.post(address, data=await viewer.offer(), headers=headers) as answer:
        if answer.status != 201:
            return str((await answer.json(content_type=None))["code"])
        await viewer.answer(await answer.text())
    await until(lambda: viewer.pc.connectionState == "connected")
    return answer.status


async def refused(town: Town, path: str) -> str:
    with pytest.raises(Refusal) as refusal:
        await town.ask(BANNED, "GET", f"/api/sessions/{town.session}{path}")
    return refusal.value.code


async def test_who_is_banned_loses_the_picture(town: Town, viewers: list[SubscriberClient]) -> None:
    first, second, other, again, forgiven = viewers
    await town.start_show()
    for who in (BANNED, STAYS):
        await town.ask(who, "GET", "/api/me")
    await town.camera()
    phone = await town.phone(BANNED)
    for viewer in (first, second):  # two tabs
        assert await watches(town, BANNED, viewer) == 201
    assert await watches(town, STAYS, other) == 201
    await first.frame("video")
    said = await phone.call("comment", {"session": town.session, "text": "骂人"})

    moderation = f"/api/sessions/{town.session}/moderation"
    done: dict[str, Any] = await town.ask("adviser-1", "POST", moderation, {"act": "ban", "comment": said["id"]})
    await until(lambda: {first.pc.connectionState, second.pc.connectionState} == {"closed"})
    assert await watches(town, BANNED, again) == "banned"
    for path in ("", "/replay.mp4", "/poster.jpg", "/replay/comments?from=0&to=1000", "/replay/marks"):
        assert await refused(town, path) == "banned"
    for _ in range(30):
        await other.frame("video")
    assert other.pc.connectionState == "connected"

    await town.ask("adviser-1", "DELETE", f"{moderation}/{done['acts'][0]['act']}")
    assert await watches(town, BANNED, forgiven) == 201
