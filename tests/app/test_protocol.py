"""The documents say what the code does."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from app.lifecycles import DOCUMENT as LIFECYCLES
from app.lifecycles import render as render_lifecycles
from app.permissions import EVENTS, ROUTES
from app.problems import PROBLEMS
from app.protocol import DOCUMENT, INCOMING, render
from app.web import all_routes
from rooms.dispatch import Namespace
from rooms.namespace import DeskNamespace, RoomNamespace


def test_the_document_is_what_the_code_would_write() -> None:
    assert DOCUMENT.read_text() == render(), "docs/protocol.md is out of date; run `python -m app.protocol`"


def test_every_event_is_documented_with_the_shape_it_takes() -> None:
    room, desk = (_built(kind) for kind in (RoomNamespace, DeskNamespace))
    taken = {("/room", name): event.takes for name, event in room.events.items()}
    taken |= {("/desk", name): event.takes for name, event in desk.events.items()}
    assert taken == {place: takes for place, (takes, _, _) in INCOMING.items()}
    assert set(EVENTS) == set(INCOMING)


def _built(kind: type[Namespace]) -> Namespace:
    """A namespace without collaborators: its table is all that is looked at."""
    needed = list(inspect.signature(kind).parameters)
    return kind(**dict.fromkeys(needed))


def test_codes_are_unique_and_every_refusal_explains_itself_in_both_languages() -> None:
    codes = [problem.code for problem in PROBLEMS]
    assert len(set(codes)) == len(codes)
    for problem in PROBLEMS:
        assert problem.en, problem.code
        assert problem.zh, problem.code
        assert problem.next_en, problem.code
        assert problem.next_zh, problem.code
        assert 400 <= problem.status < 600, problem.code


def test_every_code_a_route_may_answer_with_is_listed() -> None:
    listed = {problem.code for problem in PROBLEMS}
    for route in all_routes(demo=True):
        assert {problem.code for problem in route.problems} <= listed, route.path


async def test_openapi_has_every_api_route(site: TestServer) -> None:
    async with aiohttp.ClientSession() as client, client.get(site.make_url("/api/openapi.json")) as answer:
        document = await answer.json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {place for place in ROUTES if place[1].startswith("/api/") and place[1] != "/api/openapi.json"}
    await asyncio.to_thread(_references_resolve, document)


def _references_resolve(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in schemas, value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def test_the_lifecycles_are_drawn_from_their_tables() -> None:
    assert LIFECYCLES.read_text() == render_lifecycles(), "docs/lifecycles.md is out of date; run `python -m app.lifecycles`"


def test_every_place_the_architecture_names_exists() -> None:
    """A map that points nowhere is worse than none."""
    text = (DOCUMENT.parent.parent / "ARCHITECTURE.md").read_text()
    root = DOCUMENT.parent.parent
    for path, name in re.findall(r"`([a-z]+/[\w/]+\.py)`(?: `(?:\w+\.)?(\w+)`)?", text):
        file = root / path
        assert file.exists(), path
        assert not name or re.search(rf"\b(class|def) {name}\b|^{name}\b", file.read_text(), re.MULTILINE), f"{path}: {name}"
