"""Partners hear of seals, and no device is kept

An event need not be about an order any more. `customers.first_device` no rule had asked for: what a page says of its device
proves nothing (docs/gate.md).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _order_may_be_missing(True)
    # Column by column: other tables refer to this one, so on SQLite it can't be made anew within a transaction.
    op.drop_column("customers", "first_device")


def downgrade() -> None:
    op.add_column("customers", sa.Column("first_device", sa.String(length=64), nullable=True))
    op.execute("DELETE FROM outbox WHERE order_id IS NULL")
    _order_may_be_missing(False)


def _order_may_be_missing(nullable: bool) -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("order_id", existing_type=sa.String(length=40), nullable=nullable)
