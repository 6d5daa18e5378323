"""An ended show is seen again by whoever may watch shows, with an entry for each look; what was found serious is withheld."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from compliance import desk
from compliance.tables import cases
from core.clock import ManualClock
from core.database import Database
from recording.keys import SigningKeys
from recording.tables import derived
from recording.trail import after_trail
from tests.rooms.house import House
from tests.rooms.test_calls import begin

FILM, STILL = b"\0\0\0\x18ftypisom a film of a show", b"\xff\xd8\xff a still"


@pytest.fixture
async def house(database: Database, clock: ManualClock, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose derived copies lie in `tmp_path`."""
    house = House(database, clock)
    keys = SigningKeys(tmp_path / "keys")
    house.compliance = desk.build(
        database, house.trail, clock, keys, archive_root=tmp_path, copies_root=tmp_path, data_dir=tmp_path
    )
    async with house:
        yield house


async def ended(house: House, folder: Path, show: dict[str, Any] | None = None) -> dict[str, Any]:
    """A show that has ended, with its film and its poster made."""
    show = show or await house.show()
    session = show["session"]
    await house.api("adviser-1", "POST", f"/api/shows/{show['id']}/end")
    (folder / session).mkdir()
    (folder / session / "host.mp4").write_bytes(FILM)
    (folder / session / "host.jpg").write_bytes(STILL)
    common = {"session_id": session, "stream": "host", "state": "ready", "attempts": 1, "changed_at": house.clock.now()}
    async with house.db.write() as tx:
        film = {"kind": "playable", "path": f"{session}/host.mp4", "offset_ms": 120, "duration_ms": 61_000}
        await tx.execute(insert(derived).values(**common, **film))
        await tx.execute(insert(derived).values(**common, kind="poster", path=f"{session}/host.jpg"))
    return show


async def bytes_of(house: House, name: str, path: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {house.token(name)}"}
    async with house.http.get(house.url + path, headers=headers) as response:
        return response.status, await response.read()


async def test_a_show_is_seen_again_and_the_look_is_on_the_record(house: House, tmp_path: Path) -> None:
    show = await ended(house, tmp_path)
    session = show["session"]
    _, lobby = await house.api("customer-c1", "GET", "/api/shows")
    [past] = lobby["replays"]
    assert past["replay_ms"] == 61_000
    assert await bytes_of(house, "customer-c1", past["poster"]) == (200, STILL)
    _, view = await house.api("customer-c1", "GET", f"/api/sessions/{session}")
    film = f"/api/sessions/{session}/replay.mp4"
    assert view["replay"] == {"mp4": film, "poster": past["poster"], "offset_ms": 120, "duration_ms": 61_000}
    for _ in range(2):  # a player asks in many ranges: one play
        assert await bytes_of(house, "customer-c1", film) == (200, FILM)
    [look] = await house.entries(after_trail(session), "viewed")
    assert (look.actor, look.data["what"], look.data["stream"]) == ("customer-c1", "replayed", "host")


async def test_while_it_is_on_there_is_nothing_to_see_again(house: House) -> None:
    show = await house.show()
    status, problem = await house.api("customer-c1", "GET", f"/api/sessions/{show['session']}/replay.mp4")
    assert (status, problem["code"]) == (404, "no_replay")
    _, view = await house.api("customer-c1", "GET", f"/api/sessions/{show['session']}")
    assert view["replay"] is None


@pytest.mark.parametrize(
    ("verdict", "state", "found_serious", "seen"),
    [
        (None, "open", 0, True),
        ("clear", "closed", 0, True),
        ("serious", "awaiting_confirmation", 0, False),
        ("serious", "closed", 1, False),
        (None, "open", 1, False),
        ("clear", "awaiting_confirmation", 1, False),
        ("clear", "closed", 1, True),
    ],
)
async def test_what_was_found_serious_is_withheld(
    house: House, tmp_path: Path, verdict: str | None, state: str, found_serious: int, *, seen: bool
) -> None:
    show = await ended(house, tmp_path)
    async with house.db.write() as tx:
        assert house.compliance is not None
        opened = await house.compliance.cases.open(tx, show["session"], "words", "reviewer-1")
        values = {"verdict": verdict, "state": state, "found_serious": found_serious}
        await tx.execute(update(cases).where(cases.c.id == opened.id).values(values))
    _, lobby = await house.api("customer-c1", "GET", "/api/shows")
    assert (lobby["replays"][0]["replay_ms"] is not None, lobby["replays"][0]["poster"] is not None) == (seen, seen)
    status, _ = await bytes_of(house, "customer-c1", f"/api/sessions/{show['session']}/replay.mp4")
    assert status == (200 if seen else 404)


async def test_a_call_is_no_show(house: House) -> None:
    call = await begin(house, await house.tab("customer-c5"), await house.tab("adviser-1"))
    for name, code in (("customer-c5", "no_replay"), ("customer-c1", "call_not_yours")):
        _, problem = await house.api(name, "GET", f"/api/sessions/{call['session']}/replay.mp4")
        assert problem["code"] == code
