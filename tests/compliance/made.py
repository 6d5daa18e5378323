"""A bundle as the system exports it, to be changed and verified again."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compliance.bundle import Limits
from compliance.findings import Report
from compliance.verifier import verify_bundle
from core.canonical import canonical
from core.clock import ManualClock
from core.database import Database, metadata
from recording.chain import GENESIS
from recording.keys import SigningKeys
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


def make_bundle(folder: Path, *, rotate: bool = False) -> Bundle:
    """Of a session with two orders and a gap, the second in its register. With `rotate` the manifest is a newer key's."""
    for module in ("recording.tables", "compliance.tables"):
        importlib.import_module(module)
    keys = SigningKeys(folder / "keys")

    async def make() -> Path:
        database = Database(f"sqlite+aiosqlite:///{folder / 'tellercast.db'}")
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        clock = ManualClock()
        await make_session(database, clock, folder, title="before")
        session = await make_session(database, clock, folder, gap=(4000, 7000))
        if rotate:
            keys.rotate()
        path = await export(build(database, clock, folder), session)
        await database.close()
        return path

    path = asyncio.run(make())
    return Bundle(unpack(path), "".join(f"{key}\n" for key in keys.public()).encode(), folder)


def body(seq: int, kind: str, data: Any, media_ms: Any = 0, /, **more: Any) -> bytes:
    """An entry as nobody sealed it."""
    head = {"session": "ses", "seq": seq, "at": "2026-11-22T08:00:00.000000Z", "media_ms": media_ms, "kind": kind}
    return canonical({**head, "actor": "someone", "data": data, "prev": GENESIS, **more})


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.faults}


def places(report: Report, code: str) -> list[str]:
    return [finding.where for finding in report.findings if finding.code == code]
