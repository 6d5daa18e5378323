"""The reviewers' side put together: one object that the routes work with, and the two loops that run beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.access import AccessLog
from compliance.bundling import Bundler, Disclosed
from compliance.cases import CaseBook
from compliance.evidence import EvidenceDesk
from compliance.recordings import Names
from compliance.sampling import PERCENT, Screening
from compliance.verification import Verification
from core.clock import Clock
from core.database import Database
from recording.keys import SigningKeys
from recording.trail import Trail


@dataclass(frozen=True, slots=True)
class Compliance:
    """What the routes need. Run `evidence.run()` and `screening.run()` as tasks; give `screening.on_finding` to the closer."""

    db: Database
    trail: Trail
    clock: Clock
    access: AccessLog
    cases: CaseBook
    evidence: EvidenceDesk
    screening: Screening
    verification: Verification
    copies_root: Path
    names: Names


COMPLIANCE: web.AppKey[Compliance] = web.AppKey("compliance", Compliance)


async def no_names(_tx: AsyncConnection, _ids: Sequence[str]) -> dict[str, str]:
    """For an installation that knows no names: ids are shown."""
    return {}


async def no_disclosures(_session: str) -> Sequence[Mapping[str, Any]]:
    """For an installation that sells nothing."""
    return ()


def build(
    db: Database,
    trail: Trail,
    clock: Clock,
    keys: SigningKeys,
    *,
    archive_root: Path,
    copies_root: Path,
    data_dir: Path,
    disclosed: Disclosed = no_disclosures,
    names: Names = no_names,
    percent: float = PERCENT,
) -> Compliance:
    """Wires it. `archive_root` is what fragments' paths are relative to, `copies_root` the playable copies'."""
    access = AccessLog(trail, clock)
    book = CaseBook(trail, clock)
    bundler = Bundler(db, trail, clock, keys, archive_root, disclosed)
    return Compliance(
        db=db,
        trail=trail,
        clock=clock,
        access=access,
        cases=book,
        evidence=EvidenceDesk(db, clock, access, bundler, data_dir / "evidence"),
        screening=Screening(db, trail, clock, book, percent=percent),
        verification=Verification(db, trail, clock, keys, archive_root),
        copies_root=copies_root,
        names=names,
    )
