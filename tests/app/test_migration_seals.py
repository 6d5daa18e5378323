"""Rows that were there before partners heard of seals: all of them stay as they were, and the way back is open."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.migrate import configuration
from core.database import Database

_BEFORE = (
    "INSERT INTO customers (person_id, real_name, birth_date, first_device, created_at) "
    "VALUES ('cus-a', '王', '1990-01-02', 'dev-a', 7)",
    "INSERT INTO assessments (id, customer_id, at, valid_until, questionnaire, answers, score, grade) "
    "VALUES ('asm-a', 'cus-a', 0, 1, 1, '{}', 20, 3)",
    "INSERT INTO orders (id, customer_id, key, request_hash, session_id, product_id, amount, currency, channel, state, "
    "placed_at, cancellable_until, changed_at, media_ms, trail_seq, changed_seq, snapshot) "
    "VALUES ('ord-a', 'cus-a', 'k', 'h', 's', 'p', 1, 'CNY', 'show', 'sent', 0, 0, 0, 0, 0, 0, '{}')",
    "INSERT INTO outbox (id, receiver, order_id, kind, turn, payload, state, attempts, recent, created_at, next_at, error) "
    "VALUES ('obx-a', 'rcv-a', 'ord-a', 'order_cancelled', 2, '{\"x\": 1}', 'dead', 3, '[]', 5, 6, 'status 401')",
)
_ROW = (
    "SELECT id, receiver, order_id, kind, turn, CAST(payload AS TEXT), state, attempts, CAST(recent AS TEXT), created_at, "
    "next_at, error FROM outbox WHERE id = 'obx-a'"
)
_SEAL = (
    "INSERT INTO outbox (id, order_id, kind, payload, state, attempts, created_at, next_at) "
    "VALUES ('obx-b', {order}, 'session_sealed', '{{}}', 'waiting', 0, 5, 6)"
)


async def test_rows_outlive_the_change_and_a_seal_needs_no_order(empty_database_url: str) -> None:
    config = configuration(empty_database_url)
    await asyncio.to_thread(command.upgrade, config, "0005")
    database = Database(empty_database_url)
    try:
        async with database.write() as tx:
            for statement in _BEFORE:
                await tx.execute(text(statement))
            kept = (await tx.execute(text(_ROW))).one()
        with pytest.raises(IntegrityError):
            await _insert(database, _SEAL.format(order="NULL"))
        await asyncio.to_thread(command.upgrade, config, "0006")
        await database.close()  # PostgreSQL remembers the shape of what was asked before
        await _insert(database, _SEAL.format(order="NULL"))
        with pytest.raises(IntegrityError):  # what names an order still has to name one that is there
            await _insert(database, _SEAL.format(order="'ord-x'").replace("obx-b", "obx-c"))
        async with database.read() as tx:
            assert (await tx.execute(text(_ROW))).one() == kept
            customer = (await tx.execute(text("SELECT * FROM customers"))).mappings().one()
            assert (await tx.execute(text("SELECT customer_id FROM assessments"))).scalar_one() == "cus-a"
        assert set(customer) == {"person_id", "real_name", "birth_date", "created_at"}
        assert customer["real_name"] == "王"
        await asyncio.to_thread(command.downgrade, config, "0005")
        await database.close()
        async with database.read() as tx:
            assert (await tx.execute(text("SELECT id FROM outbox"))).scalars().all() == ["obx-a"]
            assert (await tx.execute(text("SELECT first_device FROM customers"))).scalars().all() == [None]
        with pytest.raises(IntegrityError):
            await _insert(database, _SEAL.format(order="NULL"))
    finally:
        await database.close()


async def _insert(database: Database, statement: str) -> None:
    async with database.write() as tx:
        await tx.execute(text(statement))
