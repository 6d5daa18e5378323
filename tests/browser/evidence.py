"""Exports a session's evidence as a reviewer does and verifies it as an outsider does: command line, public key, no server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page

from tests.browser.people import People
from tests.browser.server import ROOT, Server
from tests.browser.steps import until


async def export(console: Page, people: People, session: str, target: Path) -> Path:
    """The session's bundle, once it has been made."""
    made = await people.api(console, "POST", "/api/evidence", {"session": session, "reason": "an order is disputed"})

    async def ready() -> bytes | None:
        answer = await console.context.request.get(f"{people.url}/api/evidence/{made['id']}.zip")
        return await answer.body() if answer.status == 200 else None

    target.write_bytes(await until(ready, "the evidence bundle", 30))
    return target


def public_key(server: Server) -> Path:
    """The key as the operator publishes it."""
    environ = {**os.environ, "TELLERCAST_DATA_DIR": str(server.folder / "var")}
    command = [sys.executable, "-m", "app.cli", "keys", "list"]
    listed = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True, timeout=60)
    file = server.folder / "public.key"
    file.write_text(listed.stdout)
    return file


async def verify(bundle: Path, key: Path) -> tuple[int, str]:
    """`tellercast verify`: its exit code and what it said."""

    def run() -> tuple[int, str]:
        command = [sys.executable, "-m", "app.cli", "verify", str(bundle), "--key", str(key)]
        result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
        return result.returncode, result.stdout + result.stderr

    return await asyncio.to_thread(run)


# A spoiler changes one thing in a bundle's members and answers what the verifier has to name.
Spoiler = Callable[[dict[str, bytes]], str]


def spoil_fragment(members: dict[str, bytes]) -> str:
    """One bit in the middle of one media fragment."""
    name = next(name for name in members if name.startswith("fragments/") and name.endswith(".mp4"))
    data = bytearray(members[name])
    data[len(data) // 2] ^= 1
    members[name] = bytes(data)
    return name.rsplit("/", 1)[1]


def spoil_entry(members: dict[str, bytes]) -> str:
    """One letter of the order's entry."""
    lines = members["entries.jsonl"].splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if json.loads(line)["kind"] == "order_placed")
    lines[place] = lines[place].replace(b'"order_placed"', b'"order_pIaced"')
    members["entries.jsonl"] = b"".join(lines)
    return f"entry {place + 1}"


def swap_entries(members: dict[str, bytes]) -> str:
    """Two neighbours change places."""
    lines = members["entries.jsonl"].splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    members["entries.jsonl"] = b"".join(lines)
    return "swapped"


SPOILERS: dict[str, Spoiler] = {"fragment": spoil_fragment, "entry": spoil_entry, "order": swap_entries}


def rewrite(source: Path, target: Path, spoil: Spoiler) -> str:
    """A copy of the bundle with one thing changed; answers what has to be named."""
    with zipfile.ZipFile(source) as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    named = spoil(members)
    with zipfile.ZipFile(target, "w") as bundle:
        for name, data in members.items():
            bundle.writestr(name, data)
    return named


async def stands_up(bundle: Path, server: Server) -> None:
    """The bundle verifies, and each spoiled copy does not, naming the place."""
    key = public_key(server)
    code, said = await verify(bundle, key)
    assert code == 0, said
    for name, spoil in SPOILERS.items():
        spoiled = bundle.with_name(f"spoiled-{name}.zip")
        named = rewrite(bundle, spoiled, spoil)
        code, said = await verify(spoiled, key)
        assert code == 1, f"{name} was not found:\n{said}"
        assert named in said, f"{name}: {named!r} is not named:\n{said}"
