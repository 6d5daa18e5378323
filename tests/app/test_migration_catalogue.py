"""Products that were there before they had a quota: what they may sell in all is what is left and what stands on order."""

from __future__ import annotations

import asyncio

from alembic import command
from sqlalchemy import text

from app.migrate import configuration
from core.database import Database

_PRODUCT = (
    "INSERT INTO products (id, class, name_en, name_zh, rate_text_en, rate_text_zh, issuer_risk, bank_risk, currency, minimum, "
    'step, "left", price, sale_from, sale_until, disclosure_version) '
    "VALUES (:id, 'fund', 'n', 'n', 'r', 'r', 1, 1, 'CNY', 1, 1, :left, :price, 0, 1, 1)"
)
_ORDER = (
    "INSERT INTO orders (id, customer_id, key, request_hash, session_id, product_id, amount, currency, channel, state, "
    "placed_at, cancellable_until, changed_at, media_ms, trail_seq, changed_seq, snapshot) "
    "VALUES (:state, 'c', :state, 'h', 's', 'prd-a', :amount, 'CNY', 'show', :state, 0, 0, 0, 0, 0, 0, '{}')"
)
_TEXT = (
    "INSERT INTO disclosures (product_id, version, text_en, text_zh, sha256, published_at) "
    "VALUES ('prd-a', 1, 'e', 'z', 'h', 0)"
)


async def test_the_quota_is_reckoned_and_the_price_has_its_kind(empty_database_url: str) -> None:
    config = configuration(empty_database_url)
    await asyncio.to_thread(command.upgrade, config, "0002")
    database = Database(empty_database_url)
    try:
        async with database.write() as tx:
            for name, left in (("prd-a", 500), ("prd-b", 70)):
                await tx.execute(text(_PRODUCT), {"id": name, "left": left, "price": '{"unit_price": "1.0126", "fee_bps": 15}'})
            await tx.execute(text(_TEXT))  # somebody refers to the product
            for state, amount in {"placed": 1, "sent": 20, "confirmed": 300, "rejected": 4000, "cancelled": 50_000}.items():
                await tx.execute(text(_ORDER), {"state": state, "amount": amount})
        await asyncio.to_thread(command.upgrade, config, "0003")
        async with database.read() as tx:
            rows = (await tx.execute(text('SELECT id, quota, "left", revision, price FROM products ORDER BY id'))).all()
        assert [tuple(row)[:4] for row in rows] == [("prd-a", 821, 500, 1), ("prd-b", 70, 70, 1)]
        for price in (str(row.price) for row in rows):
            assert all(word in price for word in ("price", "1.0126", "15"))
            assert "unit_price" not in price
        await asyncio.to_thread(command.downgrade, config, "0002")
        async with database.read() as tx:
            row = (await tx.execute(text("SELECT * FROM products WHERE id = 'prd-a'"))).one()
        assert "unit_price" in str(row.price)
        assert not hasattr(row, "quota")
    finally:
        await database.close()
