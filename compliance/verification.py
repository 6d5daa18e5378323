"""The verifier's own examination, run over the database and the archive of this installation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import select

from compliance.examination import Examination
from compliance.findings import Report
from compliance.record import FragmentRef
from compliance.seals import KeyRing, RegisterChain
from core.clock import Clock
from core.database import Database
from core.errors import Refused
from recording import register, sessions
from recording.chain import Chain
from recording.errors import RECORDING_NOT_READY
from recording.keys import SigningKeys
from recording.register import Seal
from recording.tables import fragments, trail_entries
from recording.trail import PAGE, Trail, after_trail

TIMEOUT_S: Final = 600.0
_BLOCK: Final = 1 << 20
_MOST_LATE: Final = 100


class Verification:
    """Verifies sealed sessions in place, one at a time: it reads every byte of the recording."""

    def __init__(self, db: Database, trail: Trail, clock: Clock, keys: SigningKeys, archive_root: Path) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._keys = keys
        self._archive = archive_root
        self._turn = asyncio.Lock()

    async def verify_session(self, session_id: str) -> Report:
        """Raises Refused(NOT_FOUND), Refused(RECORDING_NOT_READY) while unsealed, TimeoutError after `TIMEOUT_S`."""
        async with asyncio.timeout(TIMEOUT_S), self._turn:
            async with self._db.read() as tx:
                session = await sessions.get(tx, session_id)
                seal = await register.seal_of(tx, session_id)
            if seal is None or session.sealed_at is None:
                raise Refused(RECORDING_NOT_READY)
            keys = KeyRing(await asyncio.to_thread(self._keys.public))
            exam = Examination()
            exam.take_seal(seal.checkpoint, keys, trusted=True)
            await self._entries(exam, session_id)
            await self._late(exam, session_id)
            await self._fragments(exam, session_id)
            await self._register(exam, seal, keys)
            # The texts of disclosures are no part of the recording's own tables; the bundle carries and proves them.
            await asyncio.to_thread(exam.close, disclosures=False)
            return exam.report(session_id)

    async def _entries(self, exam: Examination, session_id: str) -> None:
        # Not through the trail: what stands there is not believed, not even that it can be read.
        columns = (trail_entries.c.seq, trail_entries.c.body, trail_entries.c.hash)
        query = select(*columns).where(trail_entries.c.session_id == session_id).order_by(trail_entries.c.seq).limit(PAGE)
        after = 0
        while True:
            async with self._db.read() as tx:
                page = (await tx.execute(query.where(trail_entries.c.seq > after))).all()
                opened = await self._trail.openings(tx, session_id, after + 1, page[-1].seq) if page else {}
            await asyncio.to_thread(_take, exam, [(row.body, row.hash) for row in page], opened)
            if len(page) < PAGE:
                break
            after = page[-1].seq
        await asyncio.to_thread(exam.end_entries)

    async def _late(self, exam: Examination, session_id: str) -> None:
        """What came after the seal: its chain, and what was bought in a replay."""
        name = after_trail(session_id)
        chain, after = Chain(name), 0
        while True:
            async with self._db.read() as tx:
                page = await self._trail.stored(tx, name, after, PAGE)
            await asyncio.to_thread(_take_late, exam, chain, [(row.body, row.hash) for row in page])
            if len(page) < PAGE:
                break
            after = page[-1].seq
        for finding in chain.findings[:_MOST_LATE]:
            exam.findings.add("after_chain", name, detail=finding)

    async def _fragments(self, exam: Examination, session_id: str) -> None:
        query = select(fragments.c.path, fragments.c.sha256).where(fragments.c.session_id == session_id)
        async with self._db.read() as tx:
            stored = {row.path: row.sha256 for row in await tx.execute(query)}
        digests: dict[str, tuple[int | None, str | None]] = {}  # a path that several entries name is read once
        for ref in exam.record.fragments:
            if (known := stored.get(ref.path)) != ref.sha256:
                exam.findings.add("stored_differs", ref.where, stored=known, said=ref.sha256)
            if ref.path not in digests:
                digests[ref.path] = await asyncio.to_thread(self._digest, ref)
            exam.take_fragment(ref, *digests[ref.path])

    def _digest(self, ref: FragmentRef) -> tuple[int | None, str | None]:
        path = self._archive / ref.path
        if not path.resolve().is_relative_to(self._archive.resolve()):
            return None, None
        size, digest = 0, sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    size += len(block)
                    digest.update(block)
        except OSError:
            return None, None
        return size, digest.hexdigest()

    async def _register(self, exam: Examination, seal: Seal, keys: KeyRing) -> None:
        chain = RegisterChain(keys)
        while chain.seals < seal.number and not chain.is_beyond_help:
            async with self._db.read() as tx:
                page = await register.read(tx, chain.seals, min(register.PAGE, seal.number - chain.seals))
            if not page:
                break
            await asyncio.to_thread(_check, chain, page)
        exam.take_register(chain)


def _take(exam: Examination, page: Sequence[tuple[str, str]], opened: Mapping[tuple[int, str], tuple[bytes, str]]) -> None:
    """A page of entries with their texts: canonical JSON is slow enough to keep off the event loop."""
    for (seq, field), (salt, text) in sorted(opened.items()):
        exam.take_text(seq, field, salt, text)
    for body, stored in page:
        exam.take_sealed_hash(stored)
        exam.take_entry(body.encode())


def _take_late(exam: Examination, chain: Chain, page: Sequence[tuple[str, str]]) -> None:
    for body, stored in page:
        if (entry := chain.add(body, stored)) is not None:
            exam.take_late(entry)


def _check(chain: RegisterChain, page: Sequence[Seal]) -> None:
    """A page of the register: so are signatures."""
    for seal in page:
        chain.add(seal.checkpoint)
