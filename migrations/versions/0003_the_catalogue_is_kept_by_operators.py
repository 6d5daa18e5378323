"""The catalogue is kept by operators"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

import core.database
from recording.guards import install

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# As there was none yet: what is left and what stands on order.
_SET_QUOTA = (
    'UPDATE products SET quota = "left" + '
    "(SELECT COALESCE(SUM(amount), 0) FROM orders WHERE orders.product_id = products.id "
    "AND state IN ('placed', 'sent', 'confirmed'))"  # neither rejected nor cancelled
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # Column by column: other tables refer to this one, so it can't be made anew within a transaction. The quota stands
        # far above what is left until it is reckoned, as a check is asked at once.
        op.execute("ALTER TABLE products ADD COLUMN revision INTEGER NOT NULL DEFAULT 1")
        op.execute(
            "ALTER TABLE products ADD COLUMN quota BIGINT NOT NULL DEFAULT 9000000000000000000 "
            'CONSTRAINT ck_products_quota CHECK ("left" <= quota)'
        )
        op.execute(_SET_QUOTA)
    else:
        op.add_column("products", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
        op.alter_column("products", "revision", server_default=None)
        op.add_column("products", sa.Column("quota", sa.BigInteger(), nullable=True))
        op.execute(_SET_QUOTA)
        op.alter_column("products", "quota", nullable=False)
        op.create_check_constraint(op.f("ck_products_quota"), "products", '"left" <= quota')
    _reprice(lambda old: {"kind": "price", "value": old["unit_price"], "date": None, "fee_bps": old["fee_bps"]})
    op.create_table(
        "product_changes",
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("import_id", sa.String(length=40), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind IN ('created', 'changed', 'withdrawn')", name=op.f("ck_product_changes_kind")),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_product_changes_product_id")),
        sa.PrimaryKeyConstraint("product_id", "revision", name=op.f("pk_product_changes")),
    )
    op.create_index("ix_product_changes_at", "product_changes", ["at"], unique=False)
    install(op.get_bind(), "product_changes")


def downgrade() -> None:
    op.drop_index("ix_product_changes_at", table_name="product_changes")
    op.drop_table("product_changes")
    _reprice(lambda price: {"unit_price": price["value"], "fee_bps": price["fee_bps"]})
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_products_quota"), "products", type_="check")
    op.drop_column("products", "quota")
    op.drop_column("products", "revision")


def _reprice(made: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The prices in their other form. Orders and trails keep what they said."""
    products = sa.table("products", sa.column("id", sa.String()), sa.column("price", sa.JSON()))
    connection = op.get_bind()
    for row in connection.execute(sa.select(products)).all():
        connection.execute(sa.update(products).where(products.c.id == row.id).values(price=made(row.price)))
