"""How long people watched a show, all of them together

The average number of viewers is that over the show's length; a peak alone says little.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shows", sa.Column("viewer_ms", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("shows", "viewer_ms")
