"""Every code of the whole product is reached by a test. What a customer meets when buying has its own table
(`tests/commerce/test_refusals.py`); here is what no other test provokes, through the real application's doors, and the proof
that nothing is left out.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text, update

from app.problems import PROBLEMS
from compliance import fairness_reading
from core.clock import ManualClock
from core.database import Database
from core.errors import Problem
from core.identity import Person, Role
from recording.tables import trail_heads
from rooms.namespace import JOINED_MAX
from rooms.tables import calls
from tests.commerce.bank import BOND, Ask, Bank, open_bank
from tests.commerce.operators import EDITABLE, NEW, OPERATOR
from tests.commerce.test_refusals import SCENARIOS as BUYING
from tests.commerce.test_refusals import as_it_is, faults, locked

TESTS = Path(__file__).resolve().parent.parent
FLOORS = ("core", "stream", "recording", "compliance", "commerce", "rooms", "app")
REVIEWER = Person("reviewer-1", Role.REVIEWER, "孙恒")
SDP = {"Content-Type": "application/sdp"}
Scenario = Callable[[Bank], Awaitable[Ask]]


async def nobody(_bank: Bank) -> Ask:
    return Ask(None, "GET", "/api/me")


async def somebody_else(_bank: Bank) -> Ask:
    return Ask(REVIEWER, "GET", "/api/orders")


async def nowhere(bank: Bank) -> Ask:
    return Ask(await bank.customer(), "GET", "/api/products/prd_nothing")


async def nonsense(bank: Bank) -> Ask:
    return Ask(await bank.customer(), "POST", "/api/orders", {"key": 1})


async def another_method(bank: Bank) -> Ask:
    return Ask(await bank.customer(), "DELETE", "/api/orders")


async def a_stranger_of_the_demo(_bank: Bank) -> Ask:
    return Ask(None, "POST", "/api/demo/login", {"as": "customer-nobody"})


async def from_another_site(bank: Bank) -> Ask:
    cookie = f"tellercast={bank.token(await bank.customer())}"
    return Ask(None, "POST", "/api/logout", headers={"Cookie": cookie, "Origin": "https://evil.example"})


async def begun_twice(bank: Bank) -> Ask:
    session = await bank.show(BOND)
    host, show = bank.hosts[session]
    return Ask(host, "POST", f"/api/shows/{show}/start")


async def still_running(bank: Bank) -> Ask:
    return Ask(REVIEWER, "POST", f"/api/recordings/{await bank.show(BOND)}/verify", {})


async def sealed_meanwhile(bank: Bank) -> Ask:
    """Another process sealed it between this one's look at the state and its entry."""
    session = await bank.show(BOND)
    host, show = bank.hosts[session]
    async with bank.db.write() as tx:
        await tx.execute(update(trail_heads).where(trail_heads.c.session_id == session).values(sealed=1))
    return Ask(host, "POST", f"/api/shows/{show}/pin", {"product": BOND})


async def media_away(bank: Bank) -> Ask:
    session = await bank.show(BOND)
    host, _show = bank.hosts[session]
    return Ask(host, "POST", f"/api/sessions/{session}/whip", "v=0\r\n", SDP)


async def no_sdp(bank: Bank) -> Ask:
    return Ask(
        await bank.customer(), "POST", f"/api/sessions/{await bank.show(BOND)}/whep", "v=0\r\n", {"Content-Type": "text/plain"}
    )


async def wants_no_sdp(bank: Bank) -> Ask:
    headers = SDP | {"Accept": "text/html"}
    return Ask(await bank.customer(), "POST", f"/api/sessions/{await bank.show(BOND)}/whep", "v=0\r\n", headers)


async def consent_taken_back(bank: Bank) -> Ask:
    """No door takes one back; the media's door asks all the same, whatever the rest of the house believes."""
    customer = await bank.customer()
    call, _adviser = await bank.call(customer)
    async with bank.db.write() as tx:
        await tx.execute(update(calls).where(calls.c.id == call["id"]).values(consent_at=None))
    return Ask(customer, "POST", f"/api/sessions/{call['session']}/whip", "v=0\r\n", SDP)


async def everywhere_at_once(bank: Bank) -> Ask:
    sessions = [await bank.show(BOND) for _ in range(JOINED_MAX + 1)]
    joins = tuple(("join", {"session": session}) for session in sessions[:-1])
    return Ask(await bank.customer(), "", "/room join", {"session": sessions[-1]}, first=joins)


async def too_long_a_look(bank: Bank) -> Ask:
    return Ask(REVIEWER, "GET", f"/api/recordings/{await bank.show(BOND)}/fairness")


async def a_catalogue_nobody_can_write(bank: Bank) -> Ask:
    item = await bank.get(Ask(OPERATOR, "GET", f"/api/catalogue/{BOND}"))
    terms = {name: item[name] for name in EDITABLE} | {"step": item["step"] * 2}
    return Ask(OPERATOR, "PUT", f"/api/catalogue/{BOND}", {"revision": item["revision"], "terms": terms})


async def a_confirmation_nobody_can_write(bank: Bank) -> Ask:
    session = await bank.show(BOND)
    return Ask(await bank.customer(), "POST", f"/api/sessions/{session}/disclosures", {"product": BOND, "version": 1})


async def a_broken_house(bank: Bank) -> Ask:
    """The last: nothing works afterwards."""
    async with bank.db.write() as tx:
        await tx.execute(text("ALTER TABLE products RENAME TO lost_products"))
    return Ask(await bank.customer(), "GET", "/api/products")


SCENARIOS: list[tuple[str, Scenario]] = [
    ("not_signed_in", nobody),
    ("forbidden", somebody_else),
    ("not_found", nowhere),
    ("bad_request", nonsense),
    ("method_not_allowed", another_method),
    ("no_such_person", a_stranger_of_the_demo),
    ("origin_refused", from_another_site),
    ("wrong_state", begun_twice),
    ("recording_not_ready", still_running),
    ("trail_sealed", sealed_meanwhile),
    ("media_unavailable", media_away),
    ("wrong_content_type", no_sdp),
    ("not_acceptable", wants_no_sdp),
    ("consent_missing", consent_taken_back),
    ("too_many_joined", everywhere_at_once),
    ("verification_busy", too_long_a_look),
    ("catalogue_busy", a_catalogue_nobody_can_write),
    ("database_away", a_confirmation_nobody_can_write),
    ("internal_error", a_broken_house),
]


async def test_what_nothing_else_provokes_is_reached_and_explains_itself(
    filled_sqlite: Path, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness_reading, "TIMEOUT_S", 0.0)
    path = tmp_path / "tellercast.db"
    path.write_bytes(filled_sqlite.read_bytes())
    database = Database(f"sqlite+aiosqlite:///{path}")
    # What is broken on purpose is logged with its whole stack, which takes longer to draw than all the rest.
    async with open_bank(database, clock, tmp_path) as bank:
        with structlog.testing.capture_logs():
            wrong = await _asked(bank)
    await database.close()
    assert not wrong, "\n".join(wrong)


async def _asked(bank: Bank) -> list[str]:
    """Everything that is wrong with how the scenarios were answered."""
    statuses = {problem.code: problem.status for problem in PROBLEMS}
    wrong: list[str] = []
    for code, scenario in SCENARIOS:
        asked = await scenario(bank)
        async with locked(bank) if code in {"catalogue_busy", "database_away"} else as_it_is():
            for lang in ("en", "zh"):
                status, said = await bank.ask(asked, lang)
                wrong += [f"{scenario.__name__} ({lang}): {fault}" for fault in faults(said, code, lang)]
                if status not in (0, statuses[code]):
                    wrong.append(f"{scenario.__name__}: {status} instead of {statuses[code]}")
    return wrong


async def test_a_product_whose_id_is_none_is_named_among_what_is_wrong(
    filled_sqlite: Path, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "tellercast.db"
    path.write_bytes(filled_sqlite.read_bytes())
    database = Database(f"sqlite+aiosqlite:///{path}")
    async with open_bank(database, clock, tmp_path) as bank:
        status, said = await bank.ask(Ask(OPERATOR, "POST", "/api/catalogue", NEW | {"id": "no spaces"}))
    await database.close()
    assert (status, said["code"]) == (422, "product_invalid")
    assert [fault["code"] for fault in said["params"]["faults"]] == ["product_id_invalid"]


def test_no_code_is_left_without_a_test_that_reaches_it() -> None:
    """The tables of scenarios run them; of the rest, a test asserts the code or its constant by name."""
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in FLOORS]
    named = {name: value.code for module in ours for name, value in vars(module).items() if isinstance(value, Problem)}
    reached = {code for code, _scenario in (*SCENARIOS, *BUYING)}
    for path in sorted(TESTS.rglob("test_*.py")):
        for word in _asserted(ast.parse(path.read_text())):
            reached.add(named.get(word, word))
    missing = {problem.code for problem in PROBLEMS} - reached
    assert not missing, " ".join(sorted(missing))


def _asserted(tree: ast.Module) -> Iterator[str]:
    """The strings and names that stand in what a test compares, asserts, or is parametrised with; and in a table of its own
    that it compares something with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts: list[ast.AST] = list(node.decorator_list)
            compared = {word for one in ast.walk(node) if isinstance(one, ast.Assert) for word in _words(one)}
            made = [one for one in ast.walk(node) if isinstance(one, ast.Assign)]
            parts += [one.value for one in made if compared & {word for target in one.targets for word in _words(target)}]
        elif isinstance(node, ast.Assert | ast.Compare):
            parts = [node]
        else:
            continue
        for part in parts:
            yield from _words(part)


def _words(part: ast.AST) -> Iterator[str]:
    for leaf in ast.walk(part):
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
            yield leaf.value
        elif isinstance(leaf, ast.Name | ast.Attribute):
            yield leaf.id if isinstance(leaf, ast.Name) else leaf.attr
