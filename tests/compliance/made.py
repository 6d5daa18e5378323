"""A bundle as the system exports it, to be changed and verified again."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance import bundle as b
from compliance.bundle import Limits
from compliance.findings import Report
from compliance.verifier import manifest_claim, verify_bundle
from core.canonical import canonical, sha256_hex
from core.clock import ManualClock, from_text
from core.database import Database, metadata
from recording.chain import GENESIS, Draft, commitment, next_entry
from recording.claim import Claim
from recording.keys import SigningKeys
from recording.merkle import tree_root
from recording.note import Signer, sign_note
from tests.compliance.sealed import build, export, make_session, pack, unpack


@dataclass(frozen=True, repr=False)
class Bundle:
    """The members by name, and the key they verify with."""

    members: dict[str, bytes]
    key: bytes
    folder: Path

    def verify(self, members: dict[str, bytes], key: bytes | None = None, limits: Limits | None = None) -> Report:
        return verify_bundle(pack(self.folder / "changed.zip", members), key or self.key, limits)

    def with_lines(self, name: str, lines: list[bytes]) -> Report:
        return self.verify({**self.members, name: b"".join(line + b"\n" for line in lines)})

    def lines(self, name: str) -> list[bytes]:
        return self.members[name].splitlines()


def make_bundle(folder: Path, *, rotate: bool = False, rotate_before: bool = False) -> Bundle:
    """Of a session with two orders and a gap, the second in its register.

    With `rotate` the manifest is a newer key's, with `rotate_before` the register's first seal an older one's.
    """
    for module in ("recording.tables", "compliance.tables"):
        importlib.import_module(module)
    keys = SigningKeys(folder / "keys")

    async def make() -> Path:
        database = Database(f"sqlite+aiosqlite:///{folder / 'tellercast.db'}")
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        clock = ManualClock()
        await make_session(database, clock, folder, title="before")
        if rotate_before:
            keys.rotate()
        session = await make_session(database, clock, folder, gap=(4000, 7000))
        if rotate:
            keys.rotate()
        path = await export(build(database, clock, folder), session)
        await database.close()
        return path

    path = asyncio.run(make())
    return Bundle(unpack(path), "".join(f"{key}\n" for key in keys.public()).encode(), folder)


def sealed_as_it_is(folder: Path, bodies: list[bytes], texts: list[bytes] | None = None) -> Bundle:
    """A bundle, signed and consistent, around whatever bodies: what a signer with a broken trail would hand out.

    No fragment's file is in it.
    """
    signer = Signer("tellercast", Ed25519PrivateKey.generate())
    hashes = [sha256_hex(line) for line in bodies]
    root = tree_root(bytes.fromhex(digest) for digest in hashes)
    fragments = sum(b'"kind":"fragment"' in line for line in bodies)
    claim = Claim("ses", len(bodies), root, fragments, 1, GENESIS, datetime(2026, 11, 22, 9, tzinfo=UTC))
    seal = sign_note(claim.text(signer.name), signer)
    members = {
        b.ENTRIES: _lines(bodies),
        b.HASHES: _lines([digest.encode() for digest in hashes]),
        b.TEXTS: _lines(texts or []),
        b.SEAL: seal.encode(),
        b.REGISTER: _lines([canonical({"seal": seal})]),
        b.DISCLOSURES: b"",
        b.AFTER: b"",
        b.INDEX: b"<!doctype html>",
        b.MANIFEST: canonical({"format": b.FORMAT, "session": "ses"}),
    }
    return Bundle(sign_again(members, signer), f"{signer.verifier}\n".encode(), folder)


def sign_again(members: dict[str, bytes], signer: Signer) -> dict[str, bytes]:
    """The manifest made anew over what is there, signed by this key, which the bundle brings along."""
    signed = {**members, f"{b.KEYS}{signer.verifier.id.hex()}.pub": f"{signer.verifier}\n".encode()}
    manifest = json.loads(signed[b.MANIFEST])
    manifest["members"] = [
        {"path": name, "bytes": len(content), "sha256": sha256_hex(content)}
        for name, content in sorted(signed.items())
        if not name.startswith(b.FRAGMENTS) and name not in (b.MANIFEST, b.MANIFEST_NOTE)
    ]
    signed[b.MANIFEST] = canonical(manifest)
    signed[b.MANIFEST_NOTE] = sign_note(manifest_claim(sha256_hex(signed[b.MANIFEST])), signer).encode()
    return signed


def trail(
    *drafts: Draft, steps_s: Sequence[float] = (), start: str = "2026-11-22T08:00:00.000000Z"
) -> tuple[list[bytes], list[bytes]]:
    """The bodies of a whole trail of session "ses" and the lines of its texts; `steps_s` are the seconds between entries."""
    bodies: list[bytes] = []
    texts: list[bytes] = []
    prev, at = GENESIS, from_text(start)
    for seq, draft in enumerate(drafts, 1):
        data = dict(draft.data)
        for field, text in sorted(draft.private.items()):
            salt = hashlib.sha256(f"{seq}{field}".encode()).digest()
            data[field] = {"sha256": commitment(salt, text)}
            texts.append(canonical({"seq": seq, "field": field, "salt": salt.hex(), "text": text}))
        entry, raw = next_entry("ses", seq, at, draft.media_ms, draft.kind, draft.actor, data, prev)
        prev = entry.hash
        bodies.append(raw)
        at += timedelta(seconds=steps_s[seq - 1] if seq <= len(steps_s) else 0.25)
    return bodies, texts


def _lines(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def body(seq: int, kind: str, data: Any, media_ms: Any = 0, /, **more: Any) -> bytes:
    """An entry as nobody sealed it."""
    head = {"session": "ses", "seq": seq, "at": "2026-11-22T08:00:00.000000Z", "media_ms": media_ms, "kind": kind}
    return canonical({**head, "actor": "someone", "data": data, "prev": GENESIS, **more})


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.faults}


def places(report: Report, code: str) -> list[str]:
    return [finding.where for finding in report.findings if finding.code == code]
