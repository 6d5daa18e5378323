"""Deliveries can be sent again, and partners hear of orders"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database
from recording import guards

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ACTS = ("id", "at", "person_id", "act", "receiver", "event_id")


def upgrade() -> None:
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_state_next")
        batch_op.drop_constraint(op.f("ck_outbox_state"), type_="check")
        batch_op.add_column(sa.Column("receiver", sa.String(length=40), server_default="core", nullable=False))
        batch_op.add_column(sa.Column("turn", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("recent", sa.JSON(), server_default="[]", nullable=False))
        batch_op.create_check_constraint(op.f("ck_outbox_state"), "state IN ('new', 'waiting', 'delivered', 'dead')")
        batch_op.create_index("ix_outbox_receiver_state_next", ["receiver", "state", "next_at"], unique=False)
    op.execute("UPDATE outbox SET turn = 2 WHERE kind = 'order_cancelled'")

    op.create_table(
        "receivers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("overlap_until", core.database.Moment(), nullable=True),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.CheckConstraint("secret_version >= 1", name=op.f("ck_receivers_secret_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receivers")),
    )
    op.create_table(
        "delivery_acts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("receiver", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_acts")),
    )
    with op.batch_alter_table("delivery_acts", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_acts_event", ["event_id"], unique=False)
    guards.execute(
        op.get_bind(), lambda dialect, _schema: guards.keeping_ddl(dialect, "delivery_acts", ("id",), _ACTS, ("data",))
    )


def downgrade() -> None:
    op.drop_table("delivery_acts")
    op.drop_table("receivers")
    op.execute("DELETE FROM outbox WHERE receiver <> 'core'")
    op.execute("UPDATE outbox SET state = 'waiting' WHERE state = 'new'")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_receiver_state_next")
        batch_op.drop_constraint(op.f("ck_outbox_state"), type_="check")
        batch_op.drop_column("recent")
        batch_op.drop_column("turn")
        batch_op.drop_column("receiver")
        batch_op.create_check_constraint(op.f("ck_outbox_state"), "state IN ('waiting', 'delivered', 'dead')")
        batch_op.create_index("ix_outbox_state_next", ["state", "next_at"], unique=False)
