"""A NUL character, which no text of PostgreSQL can hold, is a bad request at every address and in every body."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from yarl import URL

from app.web import all_routes
from core.clock import ManualClock
from core.database import Database
from core.http import FORM
from core.identity import Person, Role
from tests.commerce.bank import Ask, Bank, open_bank

NAMES = ("class", "risk_max", "q", "state", "receiver", "order", "after", "session", "stream", "text", "from", "lang")


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


async def answer(bank: Bank, who: Person, method: str, path: str, body: str | None = None, kind: str = FORM) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {bank.token(who)}", "Content-Type": kind}
    address = URL(str(bank.server.make_url("/")).rstrip("/") + path, encoded=True)
    async with bank.http.request(method, address, headers=headers, data=body, allow_redirects=False) as response:
        return response.status, await response.text()


async def test_no_address_takes_a_nul(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    found: dict[str, tuple[int, str]] = {}
    query = "?" + "&".join(f"{name}=a%00b" for name in NAMES)
    async with open_bank(database, clock, tmp_path) as bank:
        for route, role in product(all_routes(demo=True), Role):
            for path in {re.sub(r"\{[^}]+\}", "a%00b", route.path), re.sub(r"[{}]", "", route.path) + query}:
                if "%00" in path:
                    found[f"{role} {route.method} {path}"] = await answer(bank, Person("p-1", role, "P"), route.method, path)
    assert len(found) > 5 * len(all_routes(demo=True))
    assert {where: said for where, said in found.items() if said[0] != 400 or "NUL" not in said[1]} == {}


async def test_no_body_takes_a_nul(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    customer = Person("customer-c5", Role.CUSTOMER, "赵敏")
    async with open_bank(database, clock, tmp_path) as bank:
        status, said = await answer(bank, customer, "POST", "/api/login", "assertion=a%00b")
        assert (status, "NUL" in said) == (400, True)
        asked = Ask(customer, "POST", "/api/calls", {"topic": "a\0b"})
        status, problem = await bank.ask(asked)
        assert (status, problem["code"], problem["params"]) == (400, "bad_request", {"detail": "a NUL character"})
        refused = await bank.ask(Ask(customer, "", "/desk request", {"topic": "a\0b"}))
        assert refused[1]["params"] == {"detail": "a NUL character"}
