"""Sealing a session: its trail is counted, rooted and signed, enters the register, and takes nothing more.

The life of a seal, one transaction:
1. the session and its trail's head are locked: nobody appends from here on;
2. the Merkle root over all entry hashes is completed (most of it was computed before the transaction, entries never change);
3. the register's tip is locked; the checkpoint names count, root, fragments, number and the seal before, and is signed;
4. the seal is entered, the head marked, the session stamped.

The seal itself is no entry: an entry inside the trail can't be counted by a root that is computed before it, and what stands
after the seal would stand outside of what is signed. The last entry is whatever closing wrote last.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock
from core.errors import Refused
from recording import kinds, lifecycle, register, sessions
from recording.chain import Chain
from recording.claim import Claim, claim_hash, read_claim
from recording.errors import WRONG_STATE, BrokenTrail
from recording.merkle import Frontier
from recording.note import BadNote, Signer, Unverified, VerifierKey, open_note, sign_note
from recording.register import Seal
from recording.tables import sessions as sessions_table
from recording.tables import trail_entries, trail_heads
from recording.trail import Trail, lock_head

PAGE = 2000


async def grow(tx: AsyncConnection, session_id: str, frontier: Frontier) -> Frontier:
    """Add the entries that `frontier` doesn't have yet, in pages. Raises BrokenTrail for a missing number."""
    while True:
        query = (
            select(trail_entries.c.seq, trail_entries.c.hash)
            .where(trail_entries.c.session_id == session_id, trail_entries.c.seq > frontier.size)
            .order_by(trail_entries.c.seq)
            .limit(PAGE)
        )
        page = (await tx.execute(query)).all()
        for row in page:
            if row.seq != frontier.size + 1:
                raise BrokenTrail(session_id, f"entry {frontier.size + 1} is missing")
            frontier.add(bytes.fromhex(row.hash))
        if len(page) < PAGE:
            return frontier


async def seal_session(
    tx: AsyncConnection, clock: Clock, trail: Trail, signer: Signer, session_id: str, frontier: Frontier | None = None
) -> Seal:
    """Seal an ended or cancelled session; an already sealed one answers with its seal.

    `frontier` may hold what `grow` has computed in an earlier read. Raises Refused(NOT_FOUND), Refused(WRONG_STATE),
    BrokenTrail.
    """
    session = await sessions.lock(tx, session_id)
    done = await register.seal_of(tx, session_id)
    if done is not None:
        return done
    if session.state not in lifecycle.FINAL:
        raise Refused(WRONG_STATE, state=session.state.value, event="seal")
    head = await lock_head(tx, session_id)
    frontier = await grow(tx, session_id, frontier or Frontier())
    if frontier.size != head.seq:
        raise BrokenTrail(session_id, f"{frontier.size} entries, its head says {head.seq}")
    fragments = await trail.count(tx, session_id, {kinds.FRAGMENT})
    tip = await register.lock_tip(tx)
    at = clock.now()
    claim = Claim(session_id, frontier.size, frontier.root(), fragments, tip.number + 1, tip.hash, at)
    text = claim.text(signer.name)
    seal = Seal(
        number=claim.number,
        session_id=session_id,
        at=at,
        entries=claim.entries,
        fragments=fragments,
        root=claim.root.hex(),
        key_id=signer.verifier.label,
        checkpoint=sign_note(text, signer),
        prev=claim.prev,
        hash=claim_hash(text),
    )
    await register.enter(tx, seal)
    await tx.execute(update(trail_heads).where(trail_heads.c.session_id == session_id).values(sealed=1))
    await tx.execute(update(sessions_table).where(sessions_table.c.id == session_id).values(sealed_at=at))
    return seal


async def check_session(tx: AsyncConnection, trail: Trail, keys: Sequence[VerifierKey], session_id: str) -> list[str]:
    """Verify what the database holds of a session against its chain and its seal, in pages: findings, empty when it's whole.

    A session without a seal is checked as far as it goes and says so.
    """
    chain, frontier = Chain(session_id), Frontier()
    fragments = after = 0
    while page := await trail.stored(tx, session_id, after, PAGE):
        for row in page:
            entry = chain.add(row.body, row.hash)
            frontier.add(bytes.fromhex(row.hash))
            if entry is not None:
                fragments += entry.kind == kinds.FRAGMENT
                if (row.seq, row.kind, row.media_ms) != (entry.seq, entry.kind, entry.media_ms):
                    chain.findings.append(f"entry {row.seq}: its row's columns differ from its body")
        after = page[-1].seq
    done = await register.seal_of(tx, session_id)
    if done is None:
        return [*chain.findings, "not sealed"]
    try:
        claim = read_claim(open_note(done.checkpoint, keys)[0])
    except (BadNote, Unverified) as error:
        return [*chain.findings, f"seal: {error}"]
    found = (session_id, frontier.size, fragments, frontier.root())
    said = (claim.session, claim.entries, claim.fragments, claim.root)
    names = ("session", "number of entries", "number of fragments", "Merkle root")
    return chain.findings + [f"seal: another {name}" for name, a, b in zip(names, found, said, strict=True) if a != b]
