"""A seal counts, roots and signs a trail; what was changed afterwards is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text, update

from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from recording import seal, sessions
from recording.chain import GENESIS
from recording.claim import Claim, claim_hash, read_claim
from recording.errors import BrokenTrail, TrailSealed
from recording.merkle import Frontier, tree_root
from recording.note import BadNote, open_note, read_key
from recording.register import Seal
from recording.tables import trail_heads
from recording.trail import Draft
from tests.recording.web_side import World


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> World:
    return World(database, clock, tmp_path)


async def over(world: World) -> str:
    session = await world.live("host")
    world.fragment(session, 0, 0, 3000)
    await world.intake.follow()
    world.clock.advance(3)
    await world.end(session)
    return session


async def sealed(world: World, session: str) -> Seal:
    async with world.db.write() as tx:
        return await seal.seal_session(tx, world.clock, world.trail, world.keys.signer(), session)


async def findings(world: World, session: str) -> list[str]:
    async with world.db.read() as tx:
        return await seal.check_session(tx, world.trail, world.keys.public(), session)


async def test_the_seal_says_what_the_trail_holds(world: World) -> None:
    session = await over(world)
    made = await sealed(world, session)
    async with world.db.read() as tx:
        entries = await world.trail.entries(tx, session)
        assert (await sessions.get(tx, session)).sealed_at == world.clock.now()
    text, [key] = open_note(made.checkpoint, [read_key(str(key)) for key in world.keys.public()])
    root = tree_root(bytes.fromhex(entry.hash) for entry in entries)
    assert read_claim(text) == Claim(session, 3, root, 1, 1, GENESIS, world.clock.now())
    assert (made.entries, made.fragments, made.number, made.root) == (3, 1, 1, root.hex())
    assert (made.key_id, made.hash) == (key.label, claim_hash(text))
    assert await findings(world, session) == []


async def test_a_sealed_trail_takes_nothing_and_a_second_seal_is_the_first(world: World) -> None:
    session = await over(world)
    made = await sealed(world, session)
    assert await sealed(world, session) == made
    with pytest.raises(TrailSealed):
        async with world.db.write() as tx:
            await world.trail.append(tx, session, Draft("viewed", "a"))


async def test_a_running_session_is_not_sealed(world: World) -> None:
    session = await world.live("host")
    with pytest.raises(Refused, match="wrong_state"):
        await sealed(world, session)
    assert await findings(world, session) == ["not sealed"]


async def test_work_done_before_the_lock_counts(world: World) -> None:
    session = await over(world)
    async with world.db.read() as tx:
        frontier = await seal.grow(tx, session, Frontier())
    async with world.db.write() as tx:
        await world.trail.append(tx, session, *(Draft("comment", "c", {"i": i}) for i in range(5)))
        made = await seal.seal_session(tx, world.clock, world.trail, world.keys.signer(), session, frontier)
    assert made.entries == 8
    assert await findings(world, session) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE trail_entries SET body = replace(body, 'adviser-1', 'adviser-2') WHERE seq = 1", "hash"),
        ("UPDATE trail_entries SET kind = 'comment' WHERE seq = 2", "columns"),
        ("DELETE FROM trail_entries WHERE seq = 3", "another number of entries"),
        ("DELETE FROM trail_entries WHERE seq = 2", "numbered 3"),
        ("UPDATE seals SET checkpoint = replace(checkpoint, 'fragments 1', 'fragments 0')", "wrong"),
        ("DELETE FROM seals", "not sealed"),
    ],
)
async def test_what_the_databases_owner_changes_is_found(world: World, statement: str, finding: str) -> None:
    session = await over(world)
    await sealed(world, session)
    async with world.db.write() as tx:
        for drop in _drop_guards(world):
            await tx.execute(text(drop))
        await tx.execute(text(statement))
    assert any(finding in line for line in await findings(world, session))


def _drop_guards(world: World) -> list[str]:
    tables = ("trail_entries", "seals")
    if world.db.is_sqlite:
        return [f"DROP TRIGGER {table}_no_{verb}" for table in tables for verb in ("update", "delete")]
    return [f"DROP TRIGGER {table}_append_only ON {table}" for table in tables]


async def test_another_installations_key_verifies_nothing(world: World, tmp_path: Path) -> None:
    session = await over(world)
    await sealed(world, session)
    async with world.db.read() as tx:
        assert await seal.check_session(tx, world.trail, [], session) == ["seal: no known key signed this note"]


async def test_a_broken_trail_is_never_sealed(world: World) -> None:
    session = await over(world)
    async with world.db.write() as tx:
        await tx.execute(text(f"DROP TRIGGER trail_heads_follow{'' if world.db.is_sqlite else ' ON trail_heads'}"))
        await tx.execute(update(trail_heads).where(trail_heads.c.session_id == session).values(seq=4))
    with pytest.raises(BrokenTrail, match="3 entries, its head says 4"):
        await sealed(world, session)
    async with world.db.read() as tx:
        assert (await sessions.get(tx, session)).sealed_at is None


async def test_rotation_leaves_old_seals_verifiable(world: World) -> None:
    session = await over(world)
    await sealed(world, session)
    world.keys.rotate()
    assert await findings(world, session) == []


@pytest.mark.parametrize("change", [("fragments 1", "fragment 1"), ("register 1", "register x"), ("/", "")])
async def test_a_checkpoint_that_is_no_seal(world: World, change: tuple[str, str]) -> None:
    claim = Claim("ses_1", 3, b"\0" * 32, 1, 1, GENESIS, world.clock.now())
    with pytest.raises(BadNote):
        read_claim(claim.text("tellercast").replace(*change))
