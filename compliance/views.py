"""From what the use cases answer to what goes over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from compliance.cases import Case
from compliance.evidence import Evidence
from compliance.findings import Report
from compliance.recordings import Checked, Copy, Recording
from compliance.timeline import LANES, Line, Timeline
from compliance.wire import (
    CaseReason,
    CaseRef,
    CaseView,
    EvidenceView,
    FindingView,
    Host,
    Look,
    RecordingRow,
    RecordingView,
    SealView,
    StreamView,
    TimelineEntry,
    TimelineView,
    Verdict,
)
from core.clock import to_text
from recording.register import Seal


def case_view(case: Case, note: str | None) -> CaseView:
    return CaseView(
        id=case.id,
        session=case.session,
        title=case.title,
        kind=case.kind,
        state=case.state.value,
        reasons=[CaseReason(item.reason, item.at, item.by) for item in case.reasons],
        opened_at=to_text(case.opened_at),
        changed_at=to_text(case.changed_at),
        claimed_by=case.claimed_by,
        verdict=case.verdict,
        note=note,
        decided_by=case.decided_by,
        decided_at=_when(case.decided_at),
        confirmed_by=case.confirmed_by,
        confirmed_at=_when(case.confirmed_at),
    )


def recording_row(found: Recording) -> RecordingRow:
    return RecordingRow(**_row(found))


def recording_view(
    found: Recording, copies: list[Copy], seal: Seal | None, checked: Checked | None, looks: list[Line]
) -> RecordingView:
    return RecordingView(
        **_row(found),
        streams=[_stream(found.session, copy) for copy in copies],
        seal=_seal(seal, checked) if seal is not None else None,
        looks=[Look(seq=item.seq, at=item.at, kind=item.kind, actor=item.actor, text=item.text) for item in looks],
    )


def timeline_view(timeline: Timeline) -> TimelineView:
    return TimelineView(
        duration_ms=timeline.duration_ms,
        lanes=list(LANES),
        entries=[_entry(item) for item in timeline.lines],
        more=timeline.more,
    )


def verdict(report: Report, at: datetime, lang: str) -> Verdict:
    return Verdict(
        ok=report.ok,
        findings=[
            FindingView(code=item.code, where=item.where, text=f"{item.where}: {item.text(lang)}", fault=item.is_fault)
            for item in report.findings
        ],
        entries=report.entries,
        fragments=report.fragments,
        orders=report.orders,
        root=report.root,
        at=to_text(at),
    )


def evidence_view(found: Evidence) -> EvidenceView:
    return EvidenceView(
        id=found.id,
        session=found.session,
        state=found.state,
        url=f"/api/evidence/{found.id}.zip",
        requested_by=found.requested_by,
        requested_at=to_text(found.requested_at),
        bytes=found.bytes,
        sha256=found.sha256,
        error=found.error,
    )


def _row(found: Recording) -> dict[str, Any]:
    return {
        "session": found.session,
        "kind": found.kind,
        "state": found.state,
        "title": found.title,
        "host": Host(found.host_id, found.host_name),
        "started_at": _when(found.started_at),
        "ended_at": _when(found.ended_at),
        "duration_ms": found.duration_ms,
        "orders": found.orders,
        "comments": found.comments,
        "gaps": found.gaps,
        "hits": found.hits,
        "sealed": found.sealed_at is not None,
        "case": CaseRef(found.case_id, found.case_state or "") if found.case_id is not None else None,
    }


def _stream(session: str, copy: Copy) -> StreamView:
    ready = copy.state == "ready"
    return StreamView(
        name=copy.stream,
        offset_ms=copy.offset_ms,
        duration_ms=copy.duration_ms,
        ready=ready,
        state=copy.state,
        mp4=f"/api/recordings/{session}/{copy.stream}.mp4" if ready else None,
    )


def _seal(seal: Seal, checked: Checked | None) -> SealView:
    return SealView(
        at=to_text(seal.at),
        number=seal.number,
        entries=seal.entries,
        fragments=seal.fragments,
        root=seal.root,
        key=seal.key_id,
        verified_at=to_text(checked.at) if checked is not None and checked.ok else None,
    )


def _entry(item: Line) -> TimelineEntry:
    data: Mapping[str, Any] = item.data
    return TimelineEntry(
        seq=item.seq,
        media_ms=item.media_ms,
        at=item.at,
        kind=item.kind,
        lane=item.lane,
        actor=item.actor,
        text=item.text,
        data=dict(data),
        hash=item.hash,
        erased=list(item.erased),
        after_seal=item.after_seal,
    )


def _when(moment: datetime | None) -> str | None:
    return to_text(moment) if moment is not None else None
