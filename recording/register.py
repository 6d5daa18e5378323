"""The register: the chain of all seals, so that a whole session can't vanish unseen.

Its head is a row of `trail_heads` called "register"; locking it makes the numbers contiguous however many seal at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from recording.chain import GENESIS
from recording.claim import check_register
from recording.note import VerifierKey
from recording.tables import seals, trail_heads
from recording.trail import lock_head

REGISTER = "register"
PAGE = 200


@dataclass(frozen=True, slots=True)
class Seal:
    """A session's signed end. `root` is hex, `checkpoint` the signed note, `prev` and `hash` chain the register."""

    number: int
    session_id: str
    at: datetime
    entries: int
    fragments: int
    root: str
    key_id: str
    checkpoint: str
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Tip:
    """The last seal's number (0 when there is none) and hash."""

    number: int
    hash: str


async def lock_tip(tx: AsyncConnection) -> Tip:
    """The register's end, held still until the transaction ends. Lock the session and its trail before, never after."""
    head = await lock_head(tx, REGISTER)
    return Tip(head.seq, head.hash)


async def enter(tx: AsyncConnection, seal: Seal) -> None:
    """Append a seal made on the tip that this transaction has locked."""
    await tx.execute(
        insert(seals).values(
            number=seal.number,
            session_id=seal.session_id,
            at=seal.at,
            entries=seal.entries,
            fragments=seal.fragments,
            root=seal.root,
            key_id=seal.key_id,
            checkpoint=seal.checkpoint,
            prev=seal.prev,
            hash=seal.hash,
        )
    )
    head = update(trail_heads).where(trail_heads.c.session_id == REGISTER)
    await tx.execute(head.values(seq=seal.number, hash=seal.hash))


async def seal_of(tx: AsyncConnection, session_id: str) -> Seal | None:
    """The seal of a session, None while it has none."""
    row = (await tx.execute(select(seals).where(seals.c.session_id == session_id))).one_or_none()
    return _seal(row) if row is not None else None


async def read(tx: AsyncConnection, after: int = 0, limit: int = PAGE) -> list[Seal]:
    """At most `limit` seals with a number above `after`, in order."""
    query = select(seals).where(seals.c.number > after).order_by(seals.c.number).limit(limit)
    return [_seal(row) for row in await tx.execute(query)]


async def check(tx: AsyncConnection, keys: Sequence[VerifierKey]) -> list[str]:
    """Verify the whole register in pages: findings, empty when every seal is there, signed and in its place."""
    findings: list[str] = []
    number, prev = 0, GENESIS
    while page := await read(tx, number):
        findings += check_register([seal.checkpoint for seal in page], keys, number + 1, prev)
        number, prev = page[-1].number, page[-1].hash
    head = select(trail_heads.c.seq, trail_heads.c.hash).where(trail_heads.c.session_id == REGISTER)
    tip = (await tx.execute(head)).one_or_none()
    if tip is not None and (tip.seq, tip.hash) != (number, prev):
        findings.append(f"the register ends at {number}, its head says {tip.seq}")
    return findings


def _seal(row: Row[Any]) -> Seal:
    return Seal(**row._mapping)
