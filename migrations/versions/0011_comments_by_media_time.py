"""A session's comments by media time

A replay asks for a minute of what was said: without this index all comments of the show were read for each of them.
Of comments alone, so that an order's entries cost nothing more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NAME, _TABLE = "ix_trail_entries_comments_media", "trail_entries"


def upgrade() -> None:
    comments = sa.text("kind = 'comment'")
    columns = ["session_id", "media_ms", "seq"]
    op.create_index(_NAME, _TABLE, columns, sqlite_where=comments, postgresql_where=comments)


def downgrade() -> None:
    op.drop_index(_NAME, _TABLE)
