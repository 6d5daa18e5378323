"""The reviewers' HTTP: recordings, cases, evidence. What shows a record leaves an entry first; how an export stands, none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance import cases as cases_module
from compliance import fairness_reading, recordings, timeline, views
from compliance.cases import Case
from compliance.desk import COMPLIANCE, Compliance
from compliance.errors import CASE_TAKEN, EVIDENCE_FAILED, EVIDENCE_NOT_READY, SECOND_PERSON_NEEDED, VERIFICATION_BUSY
from compliance.lifecycle import State
from compliance.playing import film
from compliance.recordings import Filters
from compliance.wire import (
    AskEvidence,
    CaseList,
    CaseView,
    Decide,
    EvidenceView,
    FairnessView,
    OpenCase,
    RecordingList,
    RecordingView,
    Reopen,
    TimelineView,
    Verdict,
)
from core.clock import to_text
from core.errors import BAD_REQUEST, FORBIDDEN, NOT_FOUND, NOT_SIGNED_IN, Refused, Unavailable
from core.http import Route, lang, person
from core.identity import Person
from recording import kinds, sessions
from recording.errors import RECORDING_NOT_READY, WRONG_STATE

_MOST_TYPED: Final = 100
_WHO: Final = (NOT_SIGNED_IN, FORBIDDEN)


def routes() -> list[Route]:
    """All of this package."""
    case = "/api/cases/{case}"
    known = (*_WHO, NOT_FOUND)
    moved = (*known, WRONG_STATE, CASE_TAKEN)
    return [
        Route("GET", "/api/recordings", find, "Find recordings: ?kind=&q=&from=&to=", gives=RecordingList, problems=_WHO),
        Route("GET", "/api/recordings/{session}", show, "One recording", gives=RecordingView, problems=known),
        Route("GET", "/api/recordings/{session}/timeline", lines, "Its trail, drawn", gives=TimelineView, problems=known),
        Route(
            "GET", "/api/recordings/{session}/fairness", fairness, "Its ledger of fairness",
            gives=FairnessView, problems=(*known, VERIFICATION_BUSY),
        ),
        Route(
            "GET", "/api/recordings/{session}/{stream}.mp4", play, "Play a stream; takes Range",
            problems=(*known, RECORDING_NOT_READY),
        ),
        Route(
            "POST", "/api/recordings/{session}/verify", verify, "Verify record and media in place",
            gives=Verdict, problems=(*known, RECORDING_NOT_READY, VERIFICATION_BUSY),
        ),
        Route("GET", "/api/cases", cases, "The cases: ?state=&session=", gives=CaseList, problems=_WHO),
        Route("POST", "/api/cases", open_case, "Open a case", takes=OpenCase, gives=CaseView, status=201, problems=known),
        Route("POST", f"{case}/claim", claim, "Take a case", gives=CaseView, problems=moved),
        Route("POST", f"{case}/release", release, "Put a case back", gives=CaseView, problems=moved),
        Route("POST", f"{case}/decide", decide, "Give the verdict", takes=Decide, gives=CaseView, problems=moved),
        Route(
            "POST", f"{case}/confirm", confirm, "Confirm a verdict as the second person",
            gives=CaseView, problems=(*moved, SECOND_PERSON_NEEDED),
        ),
        Route(
            "POST", f"{case}/reopen", reopen, "Open a case again",
            takes=Reopen, gives=CaseView, problems=(*moved, SECOND_PERSON_NEEDED),
        ),
        Route(
            "POST", "/api/evidence", ask_evidence, "Export a sealed session",
            takes=AskEvidence, gives=EvidenceView, status=201, problems=(*known, RECORDING_NOT_READY),
        ),
        Route(
            "GET", "/api/evidence/{evidence}.zip", download, "The bundle",
            problems=(*known, EVIDENCE_NOT_READY, EVIDENCE_FAILED),
        ),
        Route("GET", "/api/evidence/{evidence}", evidence, "How an export stands", gives=EvidenceView, problems=known),
    ]  # fmt: skip


async def find(request: web.Request) -> RecordingList:
    desk, who = request.app[COMPLIANCE], person(request)
    asked = request.query
    text = asked.get("q", "").strip()
    kind = asked.get("kind") or None
    if len(text) > _MOST_TYPED:
        raise Refused(BAD_REQUEST, detail=f"q has more than {_MOST_TYPED} characters")
    if kind not in (None, "show", "call"):
        raise Refused(BAD_REQUEST, detail="kind is show or call")
    try:
        since, until = recordings.read_moment(asked.get("from")), recordings.read_moment(asked.get("to"))
    except ValueError as error:
        raise Refused(BAD_REQUEST, detail=f"from and to are times: {error}") from error
    filters = {
        name: value
        for name, value in (("kind", kind), ("from", since and to_text(since)), ("to", until and to_text(until)))
        if value
    }
    async with desk.db.read() as tx:
        found = await recordings.find(tx, desk.clock, Filters(kind, text, since, until), desk.names)
    async with desk.db.write() as tx:
        await desk.access.searched(tx, who, "recordings", filters, text, [item.session for item in found])
    return RecordingList([views.recording_row(item) for item in found])


async def show(request: web.Request) -> RecordingView:
    desk, who = request.app[COMPLIANCE], person(request)
    session_id = request.match_info["session"]
    async with desk.db.write() as tx:
        await sessions.get(tx, session_id)
        await desk.access.looked(tx, session_id, who, "opened")
    async with desk.db.read() as tx:
        found = await recordings.one(tx, desk.clock, session_id, desk.names)
        if found is None:
            raise Refused(NOT_FOUND)
        copies = await recordings.copies(tx, session_id)
        seal, checked = await recordings.seal_and_check(tx, desk.trail, session_id)
        looks = await timeline.looks(tx, desk.trail, session_id, lang(request))
    return views.recording_view(found, copies, seal, checked, looks)


async def lines(request: web.Request) -> TimelineView:
    desk, who = request.app[COMPLIANCE], person(request)
    session_id = request.match_info["session"]
    after = request.query.get("after", "0")
    if not after.isascii() or not after.isdigit() or len(after) > 12:  # noqa: PLR2004 - more than any trail has
        raise Refused(BAD_REQUEST, detail="after is a number")
    async with desk.db.write() as tx:
        await sessions.get(tx, session_id)
        await desk.access.looked(tx, session_id, who, "timeline")
    drawn = await timeline.read(desk.db, desk.trail, desk.clock, session_id, lang(request), int(after))
    return await asyncio.to_thread(views.timeline_view, drawn)


async def fairness(request: web.Request) -> FairnessView:
    desk, who = request.app[COMPLIANCE], person(request)
    session_id = request.match_info["session"]
    async with desk.db.write() as tx:
        await sessions.get(tx, session_id)
        await desk.access.looked(tx, session_id, who, "fairness")
    try:
        found = await fairness_reading.read(desk.db, desk.trail, session_id)
    except TimeoutError as error:
        raise Unavailable(VERIFICATION_BUSY, retry_after=60) from error
    return await asyncio.to_thread(fairness_reading.view, found, lang(request))


async def play(request: web.Request) -> web.StreamResponse:
    desk, who = request.app[COMPLIANCE], person(request)
    session_id, stream = request.match_info["session"], request.match_info["stream"]
    async with desk.db.read() as tx:
        await sessions.get(tx, session_id)
        copy = next((item for item in await recordings.copies(tx, session_id) if item.stream == stream), None)
    if copy is None:
        raise Refused(NOT_FOUND)
    return await film(desk, who, session_id, copy, "played")


async def verify(request: web.Request) -> Verdict:
    desk, who = request.app[COMPLIANCE], person(request)
    session_id = request.match_info["session"]
    try:
        report = await desk.verification.verify_session(session_id)
    except TimeoutError as error:
        raise Unavailable(VERIFICATION_BUSY, retry_after=60) from error
    async with desk.db.write() as tx:
        told = {"ok": report.ok, "entries": report.entries, "fragments": report.fragments, "findings": len(report.faults)}
        entry = await desk.access.record(tx, session_id, kinds.VERIFIED, who, told)
    return views.verdict(report, entry.at, lang(request))


async def cases(request: web.Request) -> CaseList:
    desk, who = request.app[COMPLIANCE], person(request)
    state, session_id = request.query.get("state") or None, request.query.get("session") or None
    if state is not None and state not in {item.value for item in State}:
        raise Refused(BAD_REQUEST, detail="state is open, claimed, awaiting_confirmation or closed")
    filters = {name: value for name, value in (("state", state), ("session", session_id)) if value}
    async with desk.db.read() as tx:
        found = await desk.cases.listed(tx, state, session_id)
        notes = await cases_module.notes(tx, found)
    async with desk.db.write() as tx:
        await desk.access.searched(tx, who, "cases", filters, "", [item.session for item in found])
    return CaseList([views.case_view(item, notes.get(item.id)) for item in found])


async def open_case(request: web.Request, body: OpenCase) -> CaseView:
    return await _moved(request, lambda desk, tx, who: desk.cases.open(tx, body.session, body.reason, who.id))


async def claim(request: web.Request) -> CaseView:
    case_id = request.match_info["case"]
    return await _moved(request, lambda desk, tx, who: desk.cases.claim(tx, case_id, who))


async def release(request: web.Request) -> CaseView:
    case_id = request.match_info["case"]
    return await _moved(request, lambda desk, tx, who: desk.cases.release(tx, case_id, who))


async def decide(request: web.Request, body: Decide) -> CaseView:
    case_id = request.match_info["case"]
    return await _moved(request, lambda desk, tx, who: desk.cases.decide(tx, case_id, who, body.verdict, body.note))


async def confirm(request: web.Request) -> CaseView:
    case_id = request.match_info["case"]
    return await _moved(request, lambda desk, tx, who: desk.cases.confirm(tx, case_id, who))


async def reopen(request: web.Request, body: Reopen) -> CaseView:
    case_id = request.match_info["case"]
    return await _moved(request, lambda desk, tx, who: desk.cases.reopen(tx, case_id, who, body.reason))


async def ask_evidence(request: web.Request, body: AskEvidence) -> EvidenceView:
    desk, who = request.app[COMPLIANCE], person(request)
    async with desk.db.write() as tx:
        asked = await desk.evidence.ask(tx, body.session, who, body.reason)
    desk.evidence.wake()
    return views.evidence_view(asked)


async def evidence(request: web.Request) -> EvidenceView:
    desk = request.app[COMPLIANCE]
    person(request)
    async with desk.db.read() as tx:
        return views.evidence_view(await desk.evidence.get(tx, request.match_info["evidence"]))


async def download(request: web.Request) -> web.StreamResponse:
    desk, who = request.app[COMPLIANCE], person(request)
    evidence_id = request.match_info["evidence"]
    async with desk.db.read() as tx:
        found = await desk.evidence.get(tx, evidence_id)
    if found.state == "failed":
        raise Refused(EVIDENCE_FAILED, detail=found.error or "")
    path = desk.evidence.path(evidence_id)
    if found.state != "ready" or not await asyncio.to_thread(path.is_file):
        raise Unavailable(EVIDENCE_NOT_READY, state=found.state)
    async with desk.db.write() as tx:
        await desk.access.looked(tx, found.session, who, "downloaded", evidence=evidence_id)
    name = f'attachment; filename="{found.session}-{evidence_id}.zip"'
    headers = {hdrs.CONTENT_TYPE: "application/zip", hdrs.CONTENT_DISPOSITION: name, hdrs.CACHE_CONTROL: "private, no-store"}
    return web.FileResponse(path, headers=headers)


async def _moved(request: web.Request, step: Callable[[Compliance, AsyncConnection, Person], Awaitable[Case]]) -> CaseView:
    """One step of a case, in one transaction with its entries."""
    desk, who = request.app[COMPLIANCE], person(request)
    async with desk.db.write() as tx:
        case = await step(desk, tx, who)
        notes = await cases_module.notes(tx, [case])
    return views.case_view(case, notes.get(case.id))
