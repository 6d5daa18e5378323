"""What compliance, which stands below commerce and rooms, needs from them: names, and the disclosed texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.keys import signing_keys
from app.settings import Settings
from commerce.tables import disclosure_confirmations, disclosures
from compliance import desk
from core.clock import Clock
from core.database import Database
from recording.trail import Trail
from rooms.tables import calls, shows


def open_review(settings: Settings, db: Database, trail: Trail, clock: Clock) -> desk.Compliance:
    """The reviewers' side over this installation's folders."""

    async def disclosed(session_id: str) -> list[dict[str, Any]]:
        async with db.read() as tx:
            return await disclosed_texts(tx, session_id)

    return desk.build(
        db, trail, clock, signing_keys(settings), archive_root=settings.archive_root,
        copies_root=copies_folder(settings), data_dir=settings.data_dir.resolve(), disclosed=disclosed, names=names,
        percent=settings.sample_percent,
    )  # fmt: skip


def copies_folder(settings: Settings) -> Path:
    """Where derived copies lie."""
    return settings.data_dir.resolve() / "copies"


async def names(tx: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Names of advisers by id, as their latest show or call knows them."""
    wanted = sorted(set(ids))
    found: dict[str, str] = {}
    for who, name in ((calls.c.adviser_id, calls.c.adviser_name), (shows.c.host_id, shows.c.host_name)):
        rows = await tx.execute(select(who, name).where(who.in_(wanted), name.is_not(None)).distinct())
        found.update((row[0], row[1]) for row in rows)
    return found


async def disclosed_texts(tx: AsyncConnection, session_id: str) -> list[dict[str, Any]]:
    """Each text that a customer confirmed in the session: {product, version, sha256, text: {en, zh}}."""
    confirmed = disclosure_confirmations
    query = (
        select(disclosures)
        .join(
            confirmed,
            (confirmed.c.product_id == disclosures.c.product_id) & (confirmed.c.version == disclosures.c.version),
        )
        .where(confirmed.c.session_id == session_id)
        .distinct()
        .order_by(disclosures.c.product_id, disclosures.c.version)
    )
    return [
        {
            "product": row.product_id,
            "version": row.version,
            "sha256": row.sha256,
            "text": {"en": row.text_en, "zh": row.text_zh},
        }
        for row in await tx.execute(query)
    ]
