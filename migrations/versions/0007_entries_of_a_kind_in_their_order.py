"""A session's entries of one kind in their order

Whoever joins a show is given its last comments: without `seq` in the index all of them were read and sorted for each.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLE = "trail_entries"


def upgrade() -> None:
    op.create_index("ix_trail_entries_session_kind_seq", _TABLE, ["session_id", "kind", "seq"])
    op.drop_index("ix_trail_entries_session_kind", _TABLE)


def downgrade() -> None:
    op.create_index("ix_trail_entries_session_kind", _TABLE, ["session_id", "kind"])
    op.drop_index("ix_trail_entries_session_kind_seq", _TABLE)
