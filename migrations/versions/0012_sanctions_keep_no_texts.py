"""Sanctions keep no texts

Who was sanctioned and why stands in the trail's entry, where it can be erased; here it stood once more, and could not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("sanctions", "author")
    op.drop_column("sanctions", "reason")


def downgrade() -> None:
    op.add_column("sanctions", sa.Column("reason", sa.String(length=200), nullable=False, server_default=""))
    op.add_column("sanctions", sa.Column("author", sa.String(length=80), nullable=False, server_default="**"))
