"""An order whose moment was not recorded: the closing says so, a case opens with the seal, and the bundle owns up to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import insert

from compliance.desk import no_disclosures
from compliance.sampling import UNCOVERED_ORDER
from compliance.verifier import verify_bundle
from core.clock import ManualClock
from core.database import Database
from recording import sessions
from recording.closing import Closer
from recording.keys import SigningKeys
from recording.tables import streams
from recording.trail import Trail
from tests.compliance.sealed import build, export, order, shelf, write_fragment


async def test_it_becomes_a_case_in_the_sealing_transaction(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    trail, compliance = Trail(clock), build(database, clock, tmp_path, texts=no_disclosures)
    async with database.write() as tx:
        session = await sessions.create(tx, clock, kind="show", title="t", host_id="adviser-1", required=["host"])
        await sessions.move(tx, clock, trail, session.id, "start", "adviser-1")
        await tx.execute(insert(streams).values(session_id=session.id, name="host", status="closed", epoch=1, first_ms=0))
    await write_fragment(database, trail, tmp_path, session.id, 0, 0)
    clock.advance(5)
    async with database.write() as tx:
        await trail.append(tx, session.id, shelf("prd_a"), order("ord_lost"))
    clock.advance(5)
    async with database.write() as tx:
        await sessions.move(tx, clock, trail, session.id, "end", "adviser-1")

    async def on_change(_session: str, _kind: str, _data: dict[str, Any]) -> None:
        compliance.screening.wake()

    keys = SigningKeys(tmp_path / "keys")
    closer = Closer(database, trail, clock, keys, on_finding=compliance.screening.on_finding, on_change=on_change)
    [seal] = await closer.sweep()
    async with database.read() as tx:
        [case] = await compliance.cases.listed(tx)
    assert (case.session, [reason.reason for reason in case.reasons]) == (session.id, [UNCOVERED_ORDER])
    await compliance.screening.sweep()
    async with database.read() as tx:
        assert await compliance.cases.listed(tx) == [case]

    report = verify_bundle(await export(compliance, session.id), str(keys.signer().verifier).encode())
    assert report.ok, report.to_text()
    told = {finding.code: finding.where for finding in report.findings}
    assert told["note_order_uncovered"] == "entry 4, order ord_lost"
    assert told["note_gap"].startswith("stream host")
    assert report.root == seal.root
