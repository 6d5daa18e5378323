"""Who spoke when in slow mode

It was in each web process's memory, so that with two of them a person said twice as much.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "last_spoken",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_last_spoken_session_id_sessions")),
        sa.PrimaryKeyConstraint("session_id", "person_id", name=op.f("pk_last_spoken")),
    )


def downgrade() -> None:
    op.drop_table("last_spoken")
