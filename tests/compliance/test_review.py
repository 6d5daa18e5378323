"""A reviewer's day over HTTP: find, open, read, play, verify, judge, export; and every look is on the record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import update

from app.routing import add_routes
from compliance import evidence as evidence_module
from compliance.access import SEARCHES
from compliance.desk import COMPLIANCE, Compliance
from compliance.routes import routes
from compliance.tables import evidence
from compliance.verifier import verify_bundle
from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from core.http import LANG, PERSON
from recording import kinds, sessions
from recording.keys import SigningKeys
from recording.tables import fragments
from recording.trail import Trail, after_trail
from tests.compliance.sealed import REVIEWER, SECOND, build, comment, make_copy, make_session, order

PEOPLE = {person.id: person for person in (REVIEWER, SECOND)}
FILM = bytes(range(256)) * 8
Client = TestClient[web.Request, web.Application]


@web.middleware
async def front_door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What app/ puts before the routes, in its smallest form."""
    request[PERSON] = PEOPLE.get(request.headers.get("X-As", ""))
    request[LANG] = request.query.get("lang", "en")
    try:
        return await handler(request)
    except Refused as refusal:
        return web.json_response(refusal.to_json(request[LANG]), status=refusal.problem.status)


@pytest.fixture
def compliance(database: Database, clock: ManualClock, tmp_path: Path) -> Compliance:
    return build(database, clock, tmp_path)


@pytest.fixture
async def client(compliance: Compliance) -> AsyncIterator[Client]:
    application = web.Application(middlewares=[front_door])
    application[COMPLIANCE] = compliance
    add_routes(application, routes())
    async with TestClient(TestServer(application), headers={"X-As": REVIEWER.id}) as client:
        yield client


@pytest.fixture
async def session(database: Database, clock: ManualClock, tmp_path: Path) -> str:
    made = await make_session(database, clock, tmp_path, gap=(4000, 7000))
    await make_copy(database, clock, tmp_path, made, FILM)
    return made


async def get(client: Client, path: str, status: int = 200, **query: str) -> Any:
    async with client.get(path, params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def post(client: Client, path: str, body: Any = None, status: int = 200, who: str = REVIEWER.id) -> Any:
    async with client.post(path, json=body if body is not None else {}, headers={"X-As": who}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def looks(compliance: Compliance, trail: str) -> list[tuple[str, Any]]:
    async with compliance.db.read() as tx:
        entries = await compliance.trail.entries(tx, trail)
    return [(entry.kind, entry.data.get("what")) for entry in entries]


async def test_finding_and_opening_a_recording(client: Client, compliance: Compliance, session: str) -> None:
    [row] = (await get(client, "/api/recordings", q="稳健", kind="show"))["recordings"]
    assert (row["session"], row["orders"], row["comments"], row["gaps"], row["sealed"], row["case"]) == (
        session,
        2,
        2,
        1,
        True,
        None,
    )
    assert row["host"] == {"id": "adviser-1", "name": "adviser-1"}
    assert row["duration_ms"] == 11_000
    for query in ({"q": "别的"}, {"kind": "call"}, {"to": "2020-01-01"}, {"q": "%"}):
        assert (await get(client, "/api/recordings", 200, **query))["recordings"] == []
    one = await get(client, f"/api/recordings/{session}")
    [stream] = one["streams"]
    assert stream == {
        "name": "host", "offset_ms": 0, "duration_ms": 8000, "ready": True, "state": "ready",
        "mp4": f"/api/recordings/{session}/host.mp4",
    }  # fmt: skip
    assert (one["seal"]["entries"], one["seal"]["fragments"], one["seal"]["verified_at"]) == (13, 4, None)
    assert await looks(compliance, SEARCHES) == [(kinds.SEARCHED, "recordings")] * 5
    assert await looks(compliance, after_trail(session)) == [(kinds.VIEWED, "opened")]


@pytest.mark.parametrize("query", [{"kind": "film"}, {"from": "yesterday"}, {"q": "x" * 101}])
async def test_a_search_that_makes_no_sense(client: Client, query: dict[str, str]) -> None:
    assert (await get(client, "/api/recordings", 400, **query))["code"] == "bad_request"


@pytest.mark.parametrize("path", ["", "/timeline", "/host.mp4"])
async def test_there_is_nothing_where_there_is_no_session(client: Client, path: str) -> None:
    assert (await get(client, f"/api/recordings/ses_nowhere{path}", 404))["code"] == "not_found"


async def test_the_timeline_reads_in_both_languages(client: Client, compliance: Compliance, session: str) -> None:
    zh = await get(client, f"/api/recordings/{session}/timeline", lang="zh")
    assert [entry["seq"] for entry in zh["entries"]] == list(range(1, 14))
    by_kind = {entry["kind"]: entry for entry in zh["entries"]}
    assert by_kind["gap"]["text"] == "host：0:00:04.000–0:00:07.000 未录制（画面中断）"
    assert (by_kind["gap"]["lane"], by_kind["comment"]["lane"]) == ("gaps", "comments")
    en = await get(client, f"/api/recordings/{session}/timeline")
    by_kind = {entry["kind"]: entry for entry in en["entries"]}
    assert by_kind["order_placed"]["text"] == "customer-c3 ordered CNY 10,000.00 of prd_a"
    assert by_kind["comment"]["data"]["text"] == "谢谢"
    assert (await looks(compliance, after_trail(session)))[-1] == (kinds.VIEWED, "timeline")


async def test_an_erased_text_is_shown_as_erased(client: Client, compliance: Compliance, session: str) -> None:
    async with compliance.db.write() as tx:
        await compliance.trail.erase(tx, session, 4, "text")
    entry = (await get(client, f"/api/recordings/{session}/timeline"))["entries"][3]
    assert (entry["text"], entry["erased"], entry["data"]["text"]) == ("李**: [erased]", ["text"], None)
    assert (await post(client, f"/api/recordings/{session}/verify"))["ok"]


async def test_playing_answers_ranges_and_is_one_look(
    client: Client, compliance: Compliance, session: str, clock: ManualClock
) -> None:
    path = f"/api/recordings/{session}/host.mp4"
    async with client.get(path, headers={"Range": "bytes=256-511"}) as answer:
        assert (answer.status, await answer.read()) == (206, FILM[256:512])
        assert answer.content_type == "video/mp4"
    async with client.get(path) as answer:
        assert await answer.read() == FILM
    assert await looks(compliance, after_trail(session)) == [(kinds.VIEWED, "played")]
    clock.advance(301)
    async with client.get(path) as answer:
        assert answer.status == 200
    assert len(await looks(compliance, after_trail(session))) == 2
    assert (await get(client, f"/api/recordings/{session}/other.mp4", 404))["code"] == "not_found"


async def test_verifying_in_place_finds_what_was_changed(
    client: Client, compliance: Compliance, session: str, tmp_path: Path
) -> None:
    verdict = await post(client, f"/api/recordings/{session}/verify")
    assert (verdict["ok"], verdict["entries"], verdict["fragments"]) == (True, 13, 4), verdict
    assert (await get(client, f"/api/recordings/{session}"))["seal"]["verified_at"] == verdict["at"]
    file = sorted((tmp_path / "archive" / session / "host").iterdir())[1]
    file.write_bytes(b"x" + file.read_bytes()[1:])
    async with compliance.db.write() as tx:
        await tx.execute(update(fragments).where(fragments.c.index == 3).values(sha256="0" * 64))
    verdict = await post(client, f"/api/recordings/{session}/verify")
    faults = [finding for finding in verdict["findings"] if finding["fault"]]
    assert [finding["code"] for finding in faults] == ["fragment_hash", "stored_differs"]
    assert faults[0]["text"].startswith("fragment host/1/1 ")
    assert (await get(client, f"/api/recordings/{session}"))["seal"]["verified_at"] is None


async def test_what_is_not_sealed_is_not_ready(client: Client, database: Database, clock: ManualClock) -> None:
    async with database.write() as tx:
        made = await sessions.create(tx, clock, kind="call", title="t", host_id="adviser-1", required=["adviser"])
        await sessions.move(tx, clock, Trail(clock), made.id, "start", "adviser-1")
    assert (await post(client, f"/api/recordings/{made.id}/verify", status=409))["code"] == "recording_not_ready"
    asked = await post(client, "/api/evidence", {"session": made.id, "reason": "x"}, status=409)
    assert asked["code"] == "recording_not_ready"
    one = await get(client, f"/api/recordings/{made.id}")
    assert (one["seal"], one["streams"]) == (None, [])


async def test_a_serious_case_over_http(client: Client, session: str) -> None:
    case = await post(client, "/api/cases", {"session": session, "reason": "投诉"}, status=201)
    path = f"/api/cases/{case['id']}"
    assert (await post(client, f"{path}/claim"))["claimed_by"] == REVIEWER.id
    assert (await post(client, f"{path}/claim", status=409, who=SECOND.id))["code"] == "case_taken"
    decided = await post(client, f"{path}/decide", {"verdict": "serious", "note": "承诺收益"})
    assert (decided["state"], decided["note"]) == ("awaiting_confirmation", "承诺收益")
    assert (await post(client, f"{path}/confirm", status=409))["code"] == "second_person_needed"
    assert (await post(client, f"{path}/confirm", who=SECOND.id))["state"] == "closed"
    assert (await post(client, f"{path}/claim", status=409))["code"] == "wrong_state"
    [listed] = (await get(client, "/api/cases", state="closed"))["cases"]
    assert (listed["id"], listed["note"], listed["confirmed_by"]) == (case["id"], "承诺收益", SECOND.id)
    assert (await post(client, f"{path}/reopen"))["state"] == "open"
    assert (await get(client, "/api/recordings"))["recordings"][0]["case"] == {"id": case["id"], "state": "open"}


async def test_exporting_and_verifying_offline(client: Client, compliance: Compliance, session: str, tmp_path: Path) -> None:
    assert (await post(client, "/api/evidence", {"session": session}, status=400))["code"] == "bad_request"
    asked = await post(client, "/api/evidence", {"session": session, "reason": "监管调取"}, status=201)
    assert asked["state"] == "waiting"
    assert (await get(client, asked["url"], 503))["code"] == "evidence_not_ready"
    assert await compliance.evidence.work()
    assert not await compliance.evidence.work()
    assert (await get(client, f"/api/evidence/{asked['id']}"))["state"] == "ready"
    bundle = tmp_path / "taken.zip"
    async with client.get(asked["url"]) as answer:
        assert answer.content_type == "application/zip"
        bundle.write_bytes(await answer.read())
    [key] = SigningKeys(tmp_path / "keys").public()
    report = verify_bundle(bundle, str(key).encode())
    assert report.ok, report.to_text()
    assert (await looks(compliance, after_trail(session))) == [(kinds.EXPORTED, None), (kinds.VIEWED, "downloaded")]
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == [f"{asked['id']}.zip"]


async def test_a_missing_fragment_is_exported_as_missing(
    client: Client, compliance: Compliance, session: str, tmp_path: Path
) -> None:
    sorted((tmp_path / "archive" / session / "host").iterdir())[0].unlink()
    asked = await post(client, "/api/evidence", {"session": session, "reason": "监管调取"}, status=201)
    await compliance.evidence.work()
    report = verify_bundle(compliance.evidence.path(asked["id"]))
    assert [finding.code for finding in report.faults] == ["fragment_missing"]


async def test_an_export_that_can_not_be_made_says_why(
    client: Client, compliance: Compliance, session: str, tmp_path: Path
) -> None:
    (tmp_path / "evidence").write_text("a file where the folder should be")
    asked = await post(client, "/api/evidence", {"session": session, "reason": "监管调取"}, status=201)
    for _ in range(evidence_module.ATTEMPTS):
        assert await compliance.evidence.work()
    assert not await compliance.evidence.work()
    failed = await get(client, f"/api/evidence/{asked['id']}")
    assert failed["state"] == "failed"
    assert "File exists" in failed["error"]
    assert (await get(client, asked["url"], 409))["code"] == "evidence_failed"


async def test_an_export_left_by_a_dead_process_is_taken_over(
    client: Client, compliance: Compliance, session: str, clock: ManualClock
) -> None:
    asked = await post(client, "/api/evidence", {"session": session, "reason": "监管调取"}, status=201)
    async with compliance.db.write() as tx:
        await tx.execute(update(evidence).values(state="working", attempts=1, changed_at=clock.now()))
    assert not await compliance.evidence.work()
    clock.advance(evidence_module.STALE_S + 1)
    assert await compliance.evidence.work()
    assert (await get(client, f"/api/evidence/{asked['id']}"))["state"] == "ready"


async def test_screening_finds_words_and_opens_a_case(
    client: Client, compliance: Compliance, database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    found = await make_session(database, clock, tmp_path, drafts=(comment("听说保 本?"), comment("R1(低风险)"), order("ord_1")))
    clean = await make_session(database, clock, tmp_path, drafts=(comment("好"),))
    assert await compliance.screening.sweep() == 2
    assert await compliance.screening.sweep() == 0
    [case] = (await get(client, "/api/cases"))["cases"]
    assert (case["session"], [reason["reason"] for reason in case["reasons"]]) == (found, ["lexicon_hit"])
    hit = (await get(client, f"/api/recordings/{found}/timeline"))["entries"][-1]
    assert (hit["lane"], hit["data"]["term"], hit["data"]["start"], hit["data"]["end"]) == ("hits", "保本", 2, 5)
    rows = {row["session"]: row for row in (await get(client, "/api/recordings"))["recordings"]}
    assert (rows[found]["hits"], rows[clean]["hits"], rows[clean]["case"]) == (1, 0, None)


async def test_nobody_signed_in_sees_nothing(client: Client, session: str) -> None:
    for route in routes():
        path = route.path.format(session=session, stream="host", case="cas_x", evidence="evd_x")
        body = {"session": session, "reason": "x"} if route.path in ("/api/cases", "/api/evidence") else {}
        body = {"verdict": "clear"} if route.path.endswith("/decide") else body
        async with client.request(route.method, path, json=body, headers={"X-As": "nobody"}) as answer:
            assert answer.status == 401, path
