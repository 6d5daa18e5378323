"""Seals chain: numbers are contiguous whoever seals at once, and a vanished session is missed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text, update

from core.clock import ManualClock
from core.database import Database
from recording import register, seal
from recording.chain import GENESIS
from recording.claim import check_register
from recording.tables import trail_heads
from tests.recording.web_side import World


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


async def seal_many(world: World, count: int) -> list[str]:
    names = [await world.live() for _ in range(count)]
    for name in names:
        await world.end(name)
    signer = world.keys.signer()

    async def one(name: str) -> None:
        async with world.db.write() as tx:
            await seal.seal_session(tx, world.clock, world.trail, signer, name)

    await asyncio.gather(*(one(name) for name in names for _ in range(2)))  # each twice, as two processes would
    return names


async def test_concurrent_seals_leave_no_gap(world: World) -> None:
    names = await seal_many(world, 12)
    async with world.db.read() as tx:
        seals = await register.read(tx)
        assert await register.check(tx, world.keys.public()) == []
        assert (await register.seal_of(tx, names[0])) in seals
        assert await register.read(tx, after=10, limit=1) == seals[10:11]
    assert [one.number for one in seals] == list(range(1, 13))
    assert [one.prev for one in seals] == [GENESIS, *(one.hash for one in seals[:-1])]
    assert {one.session_id for one in seals} == set(names)


async def test_an_empty_register_is_whole(world: World) -> None:
    async with world.db.read() as tx:
        assert await register.check(tx, []) == []


async def test_a_dropped_moved_or_foreign_seal_is_found(world: World) -> None:
    await seal_many(world, 4)
    keys = world.keys.public()
    async with world.db.read() as tx:
        notes = [one.checkpoint for one in await register.read(tx)]
    assert check_register(notes, keys) == []
    assert check_register(notes[1:], keys) != []
    assert check_register([notes[0], *notes[2:]], keys) == ["seal 2: numbered 3", "seal 3: does not follow the one before it"]
    assert check_register([notes[1], notes[0], *notes[2:]], keys) != []
    assert check_register([*notes[:2], notes[2].replace("register 3", "register 9"), notes[3]], keys) != []
    assert check_register(notes, [])[0] == "seal 1: no known key signed this note"
    assert check_register(["rubbish"], keys)[0].startswith("seal 1:")


async def test_a_seal_cut_off_the_end_is_found_by_the_head(world: World) -> None:
    await seal_many(world, 3)
    async with world.db.write() as tx:
        await tx.execute(
            text("DROP TRIGGER seals_no_delete" if world.db.is_sqlite else "DROP TRIGGER seals_append_only ON seals")
        )
        await tx.execute(text("DELETE FROM seals WHERE number = 3"))
    async with world.db.read() as tx:
        assert await register.check(tx, world.keys.public()) == ["the register ends at 2, its head says 3"]


async def test_a_forged_head_is_found(world: World) -> None:
    await seal_many(world, 1)
    async with world.db.write() as tx:
        await tx.execute(text(f"DROP TRIGGER trail_heads_follow{'' if world.db.is_sqlite else ' ON trail_heads'}"))
        await tx.execute(update(trail_heads).where(trail_heads.c.session_id == register.REGISTER).values(hash="f" * 64))
    async with world.db.read() as tx:
        assert len(await register.check(tx, world.keys.public())) == 1
