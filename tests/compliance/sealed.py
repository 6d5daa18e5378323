"""A small sealed session, made with the real trail, the real seal and real files; and ways to tamper with its bundle."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from compliance import desk
from compliance.bundling import Disclosed
from compliance.desk import Compliance
from core.canonical import canonical, sha256_hex
from core.clock import ManualClock
from core.database import Database
from core.identity import Person, Role
from recording import kinds, seal, sessions
from recording.chain import Draft
from recording.keys import SigningKeys
from recording.tables import derived, fragments, streams
from recording.trail import Trail

REVIEWER = Person("reviewer-1", Role.REVIEWER, "孙恒")
SECOND = Person("reviewer-2", Role.REVIEWER, "钱颖")

DISCLOSURE = {"en": "You may lose part of your principal.", "zh": "您可能损失部分本金。"}
DISCLOSURE_SHA256 = sha256_hex(canonical(DISCLOSURE))
FRAGMENT_MS = 2000
PRICE = {"unit_price": "1.0000", "fee_bps": 0}


async def disclosed(_session: str) -> Sequence[Mapping[str, Any]]:
    return [{"product": "prd_a", "version": 3, "sha256": DISCLOSURE_SHA256, "text": DISCLOSURE}]


def build(
    database: Database, clock: ManualClock, folder: Path, percent: float = 0.0, texts: Disclosed = disclosed
) -> Compliance:
    """The reviewers' side over this database, with its archive, copies and keys in `folder`."""
    keys = SigningKeys(folder / "keys")
    return desk.build(
        database,
        Trail(clock),
        clock,
        keys,
        archive_root=folder / "archive",
        copies_root=folder / "copies",
        data_dir=folder,
        disclosed=texts,
        percent=0.0,
    )


def order(name: str, product: str = "prd_a", **more: Any) -> Draft:
    data = {"order": name, "product": product, "amount": 1_000_000, "currency": "CNY", "price": PRICE, "streams": {"host": {}}}
    data |= {"disclosure": {"version": 3, "sha256": DISCLOSURE_SHA256}}
    return Draft(kinds.ORDER_PLACED, "customer", {**data, **more}, {"customer": "customer-c3"})


def shelf(*products: str, **changes: Any) -> Draft:
    """These on offer, at the terms that `order` orders at."""
    terms = {"class": "wealth", "risk": 2, "price": PRICE, "disclosure": {"version": 3, "sha256": DISCLOSURE_SHA256}}
    said = [{"id": product, "name_en": product, "name_zh": product, **terms, **changes} for product in products]
    return Draft(kinds.SHELF_CHANGED, "adviser-1", {"products": said, "pinned": None})


def comment(text: str) -> Draft:
    return Draft(
        kinds.COMMENT, "customer", {"id": "cmt", "host": False}, {"text": text, "author": "李**", "person": "customer-c3"}
    )


async def make_session(
    database: Database,
    clock: ManualClock,
    folder: Path,
    *,
    drafts: Sequence[Draft] | None = None,
    pieces: int = 4,
    gap: tuple[int, int] | None = None,
    title: str = "稳健理财直播",
) -> str:
    """A show of `pieces` fragments, sealed. `gap` (from, to) in ms is left unrecorded between, and said so."""
    trail = Trail(clock)
    async with database.write() as tx:
        session = await sessions.create(tx, clock, kind="show", title=title, host_id="adviser-1", required=["host"])
        await trail.append(tx, session.id, shelf("prd_a", "prd_b"))
        await sessions.move(tx, clock, trail, session.id, "start", "adviser-1")
        await tx.execute(insert(streams).values(session_id=session.id, name="host", status="closed", epoch=1, first_ms=0))
    if drafts is None:
        confirmed = {"product": "prd_a", "version": 3, "disclosure_sha256": DISCLOSURE_SHA256}
        drafts = (
            comment("这个产品怎么样?"),
            Draft(kinds.DISCLOSURE_CONFIRMED, "customer", confirmed, {"customer": "customer-c3"}),
            order("ord_1"),
            comment("谢谢"),
            order("ord_2"),
        )
    start = 0
    waiting = list(drafts)
    for index in range(pieces):
        clock.advance(FRAGMENT_MS / 1000)
        if gap is not None and start == gap[0]:
            clock.advance((gap[1] - gap[0]) / 1000)
            async with database.write() as tx:
                data = {"stream": "host", "from_ms": gap[0], "to_ms": gap[1], "reason": "publisher_lost"}
                await trail.append(tx, session.id, Draft(kinds.GAP, "recording", data, media_ms=gap[0]))
            start = gap[1]
        await write_fragment(database, trail, folder, session.id, index, start)
        start += FRAGMENT_MS
        if waiting:
            async with database.write() as tx:
                await trail.append(tx, session.id, waiting.pop(0))
    for draft in waiting:
        async with database.write() as tx:
            await trail.append(tx, session.id, draft)
    async with database.write() as tx:
        await sessions.move(tx, clock, trail, session.id, "end", "adviser-1")
        await seal.seal_session(tx, clock, trail, SigningKeys(folder / "keys").signer(), session.id)
    return session.id


async def write_fragment(database: Database, trail: Trail, folder: Path, session_id: str, index: int, start: int) -> None:
    """A piece of the recording: its file, its row and its entry."""
    path = f"{session_id}/host/{1:013d}-{index:06d}.mp4"
    content = hashlib.sha256(f"{session_id}{index}".encode()).digest() * 8
    file = folder / "archive" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    data = {
        "stream": "host",
        "epoch": 1,
        "index": index,
        "start_ms": start,
        "end_ms": start + FRAGMENT_MS,
        "bytes": len(content),
        "sha256": sha256_hex(content),
        "path": path,
    }
    async with database.write() as tx:
        await tx.execute(insert(fragments).values(session_id=session_id, **data))
        await trail.append(tx, session_id, Draft(kinds.FRAGMENT, "recording", data, media_ms=start))


async def make_copy(database: Database, clock: ManualClock, folder: Path, session_id: str, content: bytes) -> None:
    """A "playable copy" of the host's stream; what is in it doesn't matter to who serves it."""
    path = folder / "copies" / session_id / "host.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    row = {"session_id": session_id, "stream": "host", "kind": "playable", "state": "ready", "path": f"{session_id}/host.mp4"}
    async with database.write() as tx:
        await tx.execute(insert(derived).values(**row, attempts=1, offset_ms=0, duration_ms=8000, changed_at=clock.now()))


async def export(compliance: Compliance, session_id: str) -> Path:
    """The finished bundle's file."""
    async with compliance.db.write() as tx:
        asked = await compliance.evidence.ask(tx, session_id, REVIEWER, "申诉")
    assert await compliance.evidence.work()
    async with compliance.db.read() as tx:
        made = await compliance.evidence.get(tx, asked.id)
    assert made.error is None
    assert made.state == "ready"
    return compliance.evidence.path(asked.id)


def unpack(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def pack(path: Path, members: Mapping[str, bytes]) -> Path:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
    path.write_bytes(held.getvalue())
    return path
