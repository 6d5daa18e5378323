"""`tellercast outbox`: what was given up is shown, and sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from app.cli import main
from commerce import deliveries, order_book, outbox_rows
from commerce.demo_data import seed
from commerce.tables import delivery_acts, orders, outbox
from core.clock import ManualClock
from core.database import Database


async def _give_up(path: Path) -> str:
    """One order whose delivery is a dead letter; its event's id."""
    db, clock = Database(f"sqlite+aiosqlite:///{path}"), ManualClock()
    now = clock.now()
    row = {
        **{"id": "ord_1", "customer_id": "customer-c5", "key": "key-00000001", "request_hash": "h", "session_id": "ses_1"},
        **{"product_id": "prd-r2-bond", "amount": 1_000_000, "currency": "CNY", "channel": "show", "state": "sent"},
        **{"placed_at": now, "cancellable_until": now, "changed_at": now, "media_ms": 0, "trail_seq": 1, "changed_seq": 1},
        "snapshot": {"inputs": {"product": {"issuer_risk": 2, "bank_risk": 2}}},
    }
    try:
        async with db.write() as tx:
            await seed(tx, clock)
            await tx.execute(insert(orders).values(row))
            event = await outbox_rows.add(tx, clock, await order_book.get(tx, "ord_1"), outbox_rows.PLACED)
            await tx.execute(update(outbox).values(state=outbox_rows.DEAD, attempts=18, error="status 401"))
        return event
    finally:
        await db.close()


async def _left(path: Path) -> tuple[list[str], list[str]]:
    db = Database(f"sqlite+aiosqlite:///{path}")
    try:
        async with db.read() as tx:
            states = (await tx.execute(select(outbox.c.state))).scalars().all()
            people = (await tx.execute(select(delivery_acts.c.person_id))).scalars().all()
        return list(states), list(people)
    finally:
        await db.close()


def test_dead_letters_are_listed_and_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLERCAST_DATA_DIR", str(tmp_path))
    path = tmp_path / "tellercast.db"
    assert main(["migrate"]) == 0
    event = asyncio.run(_give_up(path))
    capsys.readouterr()
    assert main(["outbox", "list"]) == 0
    said = capsys.readouterr().out
    assert "core: 0 waiting, 1 dead, 0 delivered" in said
    assert event in said
    assert "status 401" in said
    assert main(["outbox", "retry", "--receiver", "rcv_nobody"]) == 1
    assert main(["outbox", "retry", "--receiver", "core"]) == 0
    assert "1 sent again." in capsys.readouterr().out
    assert main(["outbox", "retry"]) == 0
    assert "0 sent again." in capsys.readouterr().out
    assert asyncio.run(_left(path)) == (["waiting"], ["command line"])


# A receiver that refuses at once whatever it is sent; after twenty it tires, so that a command without end shows as a number.
REFUSES = """
CREATE TRIGGER refuses AFTER UPDATE OF state ON outbox
WHEN NEW.state = 'waiting' AND (SELECT count(*) FROM delivery_acts) < 20
BEGIN UPDATE outbox SET state = 'dead' WHERE id = NEW.id; END
"""


async def _refuse_all(path: Path) -> None:
    """One more dead letter, and from now on they stay so."""
    db = Database(f"sqlite+aiosqlite:///{path}")
    try:
        async with db.write() as tx:
            await outbox_rows.add(tx, ManualClock(), await order_book.get(tx, "ord_1"), outbox_rows.CANCELLED)
            await tx.execute(update(outbox).values(state=outbox_rows.DEAD))
            await tx.execute(text(REFUSES))
    finally:
        await db.close()


def test_each_dead_letter_is_sent_again_once_whatever_becomes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELLERCAST_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(deliveries, "AT_ONCE", 1)
    path = tmp_path / "tellercast.db"
    assert main(["migrate"]) == 0
    asyncio.run(_give_up(path))
    asyncio.run(_refuse_all(path))
    assert main(["outbox", "retry"]) == 0
    assert "2 sent again." in capsys.readouterr().out
    assert asyncio.run(_left(path)) == (["dead", "dead"], ["command line"] * 2)
