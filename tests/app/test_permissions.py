"""Invariant 9: every route, page and event has a row, and each role gets in exactly where its row says."""

from __future__ import annotations

import re
from dataclasses import replace

import aiohttp
import pytest
import socketio
from aiohttp.test_utils import TestServer
from yarl import URL

from app.pages import FILES
from app.permissions import EVENTS, PAGES, PUBLIC, ROUTES
from app.settings import Settings
from core.identity import Role
from tests.app.conftest import serve, sign_in

WHO: dict[Role | None, str | None] = {
    None: None,
    Role.CUSTOMER: "customer-c3",
    Role.ADVISER: "adviser-1",
    Role.SUPERVISOR: "supervisor-1",
    Role.REVIEWER: "reviewer-1",
    Role.OPERATOR: "operator-1",
}
UNLISTED = ("/static/", "/socket.io/")


def declared(server: TestServer) -> set[tuple[str, str]]:
    """Every (method, path template) the application answers to."""
    found = set()
    for route in server.app.router.routes():
        resource = route.resource
        if resource is None or resource.canonical.startswith(UNLISTED) or resource.canonical in {"/static", "/socket.io"}:
            continue
        if route.method != "HEAD":
            found.add((route.method, resource.canonical))
    return found


def test_the_table_lists_what_there_is_and_nothing_else(site: TestServer) -> None:
    pages = {("GET", page) for page in PAGES}
    assert declared(site) == set(ROUTES) | pages
    assert set(FILES) | {"/docs/problems"} == set(PAGES)


@pytest.mark.parametrize("role", list(WHO), ids=str)
async def test_each_role_gets_in_exactly_where_its_row_says(site: TestServer, role: Role | None) -> None:
    headers = await sign_in(site, WHO[role])
    async with aiohttp.ClientSession(headers=headers) as client:
        for (method, template), roles in sorted(ROUTES.items()):
            path = re.sub(r"{\w+}", "nothing", template)
            async with client.request(method, site.make_url(path), json={} if method != "GET" else None) as answer:
                refused = await _refused_by_table(answer)
                assert refused is (role not in roles), f"{role} {method} {template}: {answer.status}"


@pytest.mark.parametrize("role", list(WHO), ids=str)
async def test_each_role_sees_exactly_its_pages(site: TestServer, role: Role | None) -> None:
    headers = {**await sign_in(site, WHO[role]), "Accept": "text/html"}
    async with aiohttp.ClientSession(headers=headers) as client:
        for template, roles in PAGES.items():
            path = re.sub(r"{\w+}", "nothing", template)
            async with client.get(site.make_url(path), allow_redirects=False) as answer:
                if role in roles:
                    assert answer.status == 200, f"{role} {template}"
                elif role is None:
                    assert answer.status == 302, f"{role} {template}"
                    assert answer.headers["Location"].startswith("/login?next=")
                else:
                    assert answer.status == 403, f"{role} {template}"


async def _refused_by_table(answer: aiohttp.ClientResponse) -> bool:
    if answer.content_type != "application/problem+json":
        return False
    return (await answer.json(content_type=None))["code"] in {"not_signed_in", "forbidden"}


async def test_nobody_opens_a_socket(site: TestServer) -> None:
    client = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(str(site.make_url("/")), namespaces=["/room"], transports=["websocket"], wait_timeout=5)
    await client.disconnect()


@pytest.mark.parametrize("role", [role for role in WHO if role is not None], ids=str)
async def test_each_role_emits_exactly_what_its_row_says(site: TestServer, role: Role) -> None:
    headers = await sign_in(site, WHO[role])
    token = headers["Authorization"].removeprefix("Bearer ")
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(
        str(site.make_url("/")), namespaces=["/room", "/desk"], auth={"token": token}, transports=["websocket"], wait_timeout=5
    )
    try:
        for (namespace, event), roles in EVENTS.items():
            answer = await client.call(event, {}, namespace=namespace, timeout=10)
            refused = answer["ok"] is False and answer["error"]["code"] == "forbidden"
            assert refused is (role not in roles), f"{role} {namespace} {event}: {answer}"
        for unlisted in ("connect", "disconnect", "shout"):
            answer = await client.call(unlisted, {}, namespace="/room", timeout=10)
            assert answer["error"]["code"] == "forbidden"
    finally:
        await client.disconnect()


async def test_outside_demo_mode_nobody_can_be_anybody(settings: Settings) -> None:
    async for server in serve(replace(settings, demo=False)):
        async with aiohttp.ClientSession() as client:
            async with client.post(server.make_url("/api/demo/login"), json={"as": "adviser-1"}) as answer:
                assert answer.status == 404
            async with client.get(server.make_url("/api/demo/people")) as answer:
                assert answer.status == 404
        missing = {row for row in ROUTES if row[1].startswith("/api/demo/")}
        assert declared(server) == (set(ROUTES) - missing) | {("GET", page) for page in PAGES}


async def test_a_cookie_is_no_proof_from_another_site(site: TestServer) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        async with client.post(site.make_url("/api/demo/login"), json={"as": "customer-c3"}) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
        for origin, status in (("https://evil.example", 403), (str(site.make_url("/")).rstrip("/"), 204)):
            async with client.post(site.make_url("/api/logout"), headers={"Origin": origin}) as answer:
                assert answer.status == status, origin


async def test_every_answer_carries_the_safe_headers(site: TestServer) -> None:
    async with aiohttp.ClientSession() as client:
        for path in ("/login", "/healthz", "/static/styles/tokens.css", "/nowhere"):
            async with client.get(site.make_url(path)) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'self'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_row_names_somebody() -> None:
    assert all(ROUTES.values())
    assert all(PAGES.values())
    assert all(EVENTS.values())
    assert not [row for row in EVENTS.values() if row == PUBLIC]


async def test_metrics_are_not_for_whoever_comes_through_a_proxy(site: TestServer) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get(site.make_url("/metrics")) as answer:
            assert answer.status == 200
        async with client.get(site.make_url("/metrics"), headers={"X-Forwarded-For": "203.0.113.7"}) as answer:
            assert answer.status == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/api/shows/%00", None), ("POST", "/api/calls", {"topic": "a\0b"}), ("GET", "/api/products/a%00", None)],
)
async def test_what_no_database_can_hold_is_refused(site: TestServer, method: str, path: str, body: object) -> None:
    headers = await sign_in(site, "customer-c3")
    url = URL(str(site.make_url("/")).rstrip("/") + path, encoded=True)
    async with aiohttp.ClientSession(headers=headers) as client, client.request(method, url, json=body) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "bad_request")
