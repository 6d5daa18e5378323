"""The evidence bundle of a show with very many entries, made without a database: what the verifier has to get through.

Of a thousand entries some 650 are comments with three personal texts each, 200 orders as the desk writes them, with all that
the gate saw, 100 the core's answers, 47 confirmed disclosures, 3 fragments. Every entry has the bytes that the trail would have
written; fragments are files of 4 KiB, because pictures cost their SHA-256 whoever verifies them.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import app.migrate  # noqa: F401 - fills `metadata` with every table
from compliance import bundle
from compliance.verifier import manifest_claim
from core.canonical import canonical, sha256_hex
from core.clock import ManualClock
from core.database import Database, metadata
from recording import kinds
from recording.chain import GENESIS, SALT_BYTES, Draft, commitment, next_entry
from recording.claim import Claim, claim_hash
from recording.merkle import Frontier
from recording.note import Signer, sign_note
from recording.trail import Trail
from tests.commerce.conftest import Market

SESSION: Final = "ses_01jd0000000000000000000000"
_START: Final = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_MS_BETWEEN: Final = 5  # 200 entries a second
_FRAGMENT_BYTES: Final = 4096
_BLOCK: Final = 1 << 20
_EARLIER_SEALS: Final = 20


async def _real_entries() -> tuple[dict[str, Any], dict[str, Any]]:
    """What is written into the trail for a shelf, and for one order, gate and all, but for the customer."""
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-") as folder:
        db = Database(f"sqlite+aiosqlite:///{folder}/market.db")
        try:
            async with db.engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
            clock = ManualClock()
            market = Market(db, clock, Trail(clock))
            await market.seed()
            await market.buy()
            [offered, placed] = await market.entries(kinds.SHELF_CHANGED, kinds.ORDER_PLACED)
        finally:
            await db.close()
    return dict(offered.data), {name: value for name, value in placed.data.items() if name != "customer"}


class _Story:
    """The drafts of a show, one after the other."""

    def __init__(self, entries: int, shelf: dict[str, Any], order: dict[str, Any]) -> None:
        self._entries, self._shelf, self._order = entries, shelf, order
        self.fragments: list[str] = []
        text = {"en": "You may lose part of your principal.", "zh": "您可能损失部分本金。"}
        self.disclosure = {"product": order["product"], "version": 1, "sha256": sha256_hex(canonical(text)), "text": text}
        self._from_ms = 0

    def drafts(self) -> Iterator[Draft]:
        yield Draft(kinds.SESSION_STARTED, "adviser-1", {"kind": "show", "required": ["host"], "state": "live"})
        yield Draft(kinds.SHELF_CHANGED, "adviser-1", self._shelf)
        for number in range(3, self._entries - 1):
            yield self._one(number)
        yield self._fragment((self._entries - 1) * _MS_BETWEEN)
        yield Draft(kinds.SESSION_ENDED, "adviser-1", {"state": "ended"})

    def _one(self, number: int) -> Draft:
        person = f"customer-{number % 9973}"
        match number % 1000:
            case 0 | 333 | 666:
                return self._fragment(number * _MS_BETWEEN)
            case rest if rest % 20 < 13:
                text = ("这个产品的风险怎么样?", "What is the fee?", "谢谢主播 👍")[number % 3]
                data = {"id": f"cmt_{number:026}", "author_tag": f"{number % 9973:016x}", "host": False}
                return Draft(kinds.COMMENT, "customer", data, {"text": text, "author": "李**", "person": person})
            case rest if rest % 20 < 17:
                return Draft(
                    kinds.ORDER_PLACED, "customer", {**self._order, "order": f"ord_{number:026}"}, {"customer": person}
                )
            case rest if rest % 20 < 19:
                return Draft(kinds.ORDER_CONFIRMED, "core", {"order": f"ord_{number:026}", "reference": f"{number:012}"})
            case _:
                told = {name: self.disclosure[name] for name in ("product", "version")}
                told["disclosure_sha256"] = self.disclosure["sha256"]
                return Draft(kinds.DISCLOSURE_CONFIRMED, "customer", told, {"customer": person})

    def _fragment(self, until_ms: int) -> Draft:
        index = len(self.fragments)
        path = f"{SESSION}/host/{1:013d}-{index:06d}.mp4"
        self.fragments.append(path)
        start, self._from_ms = self._from_ms, until_ms
        content = picture(path)
        data = {"stream": "host", "epoch": 1, "index": index, "start_ms": start, "end_ms": until_ms, "path": path}
        return Draft(kinds.FRAGMENT, "recording", {**data, "bytes": len(content), "sha256": sha256_hex(content)})


def picture(path: str) -> bytes:
    """A fragment's bytes."""
    return hashlib.shake_128(path.encode()).digest(_FRAGMENT_BYTES)


def make(path: Path, entries: int) -> bytes:
    """Write the bundle of a show with so many entries (at least 10); answers the file of keys it verifies with."""
    story = _Story(entries, *asyncio.run(_real_entries()))
    signer = Signer("tellercast", Ed25519PrivateKey.generate())
    with _Spools(path.parent) as spools:
        root = _tell(story, spools)
        _seal(signer, spools, Claim(SESSION, entries, root, len(story.fragments), 0, GENESIS, _START))
        spools[bundle.DISCLOSURES].write(canonical(story.disclosure) + b"\n")
        spools[bundle.INDEX].write(b"<!doctype html>\n")
        spools[f"{bundle.KEYS}{signer.verifier.id.hex()}.pub"].write(f"{signer.verifier}\n".encode())
        _pack(path, spools, story.fragments, signer)
    return f"{signer.verifier}\n".encode()


class _Spools:
    """Members under way, each in a nameless file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> _Spools:
        for name in (bundle.ENTRIES, bundle.HASHES, bundle.TEXTS, bundle.AFTER):
            self[name]  # there in any case, if empty
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def __getitem__(self, name: str) -> IO[bytes]:
        if name not in self._files:
            self._files[name] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the others
        return self._files[name]

    def members(self) -> Iterator[tuple[str, IO[bytes]]]:
        for name, file in self._files.items():
            file.seek(0)
            yield name, file


def _tell(story: _Story, spools: _Spools) -> bytes:
    """Write entries, hashes and texts; answers the Merkle root."""
    bodies, hashes, texts = spools[bundle.ENTRIES], spools[bundle.HASHES], spools[bundle.TEXTS]
    frontier, prev = Frontier(), GENESIS
    for seq, draft in enumerate(story.drafts(), 1):
        data = dict(draft.data)
        for field, text in sorted(draft.private.items()):
            salt = os.urandom(SALT_BYTES)
            data[field] = {"sha256": commitment(salt, text)}
            texts.write(canonical({"seq": seq, "field": field, "salt": salt.hex(), "text": text}) + b"\n")
        media_ms = seq * _MS_BETWEEN
        at = _START + timedelta(milliseconds=media_ms)
        entry, body = next_entry(SESSION, seq, at, media_ms, draft.kind, draft.actor, data, prev)
        prev = entry.hash
        frontier.add(bytes.fromhex(prev))
        bodies.write(body + b"\n")
        hashes.write(f"{prev}\n".encode())
    return frontier.root()


def _seal(signer: Signer, spools: _Spools, last: Claim) -> None:
    """The register up to this session's seal."""
    prev = GENESIS
    for number in itertools.count(1):
        is_last = number > _EARLIER_SEALS
        session, entries = (last.session, last.entries) if is_last else (f"ses_{number}", 2)
        claim = Claim(session, entries, last.root, last.fragments, number, prev, last.at)
        text = claim.text(signer.name)
        note, prev = sign_note(text, signer), claim_hash(text)
        spools[bundle.REGISTER].write(canonical({"seal": note}) + b"\n")
        if is_last:
            spools[bundle.SEAL].write(note.encode())
            return


def _pack(path: Path, spools: _Spools, fragments: list[str], signer: Signer) -> None:
    listed = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as packed:
        for name, file in spools.members():
            size, digest = 0, hashlib.sha256()
            with packed.open(name, "w", force_zip64=True) as out:
                while block := file.read(_BLOCK):
                    out.write(block)
                    digest.update(block)
                    size += len(block)
            listed.append({"path": name, "bytes": size, "sha256": digest.hexdigest()})
        for name in fragments:
            packed.writestr(bundle.FRAGMENTS + name, picture(name), zipfile.ZIP_STORED)
        head = {"format": bundle.FORMAT, "id": "evd_bench", "session": SESSION, "exported_at": "2026-11-25T20:00:00.000000Z"}
        manifest = canonical({**head, "members": sorted(listed, key=lambda item: str(item["path"]))})
        packed.writestr(bundle.MANIFEST, manifest)
        packed.writestr(bundle.MANIFEST_NOTE, sign_note(manifest_claim(sha256_hex(manifest)), signer))
