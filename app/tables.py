"""What the roof itself has to remember."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from core.database import Moment, metadata

# Shared by all web processes and kept over restarts, so that an assertion signs in once whoever is asked.
used_assertions = Table(
    "used_assertions",
    metadata,
    Column("jti", String(128), primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Index("ix_used_assertions_expires_at", "expires_at"),
)
