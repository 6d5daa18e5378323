"""Moderators' rules, sanctions and held comments

What was done stands in the trail; these tables are what the next comment is judged by.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "room_rules",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("slow_s", sa.Integer(), nullable=False),
        sa.Column("premoderated", sa.Boolean(), nullable=False),
        sa.Column("pinned_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("slow_s >= 0", name=op.f("ck_room_rules_slow_s")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_room_rules_session_id_sessions")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_room_rules")),
    )
    op.create_table(
        "sanctions",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("act", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("author_tag", sa.String(length=16), nullable=False),
        sa.Column("by_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("until", core.database.Moment(), nullable=True),
        sa.Column("forgiven_at", core.database.Moment(), nullable=True),
        sa.CheckConstraint("kind IN ('mute', 'ban', 'shadow')", name=op.f("ck_sanctions_kind")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_sanctions_session_id_sessions")),
        sa.PrimaryKeyConstraint("session_id", "act", name=op.f("pk_sanctions")),
    )
    op.create_index("ix_sanctions_session_person", "sanctions", ["session_id", "person_id"])
    op.create_table(
        "held_comments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.CheckConstraint("state IN ('held', 'released', 'rejected')", name=op.f("ck_held_comments_state")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_held_comments_session_id_sessions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_comments")),
    )
    op.create_index("ix_held_comments_session_state_seq", "held_comments", ["session_id", "state", "seq"])


def downgrade() -> None:
    op.drop_table("held_comments")
    op.drop_table("sanctions")
    op.drop_table("room_rules")
