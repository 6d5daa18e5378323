"""Cases and evidence. Who looked at what stands in each session's after-trail, not in a table of its own."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table

from core.database import Moment, metadata

cases = Table(
    "cases",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False, unique=True),  # one case is one session's
    Column("state", String(24), nullable=False),  # compliance/lifecycle.py
    Column("reasons", JSON, nullable=False),  # [{reason, at, by}], at most 100, the latest last
    Column("opened_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("claimed_by", String(64)),
    Column("verdict", String(8)),  # clear | serious
    Column("decided_by", String(64)),
    Column("decided_at", Moment),
    Column("confirmed_by", String(64)),
    Column("confirmed_at", Moment),
    Column("found_serious", Integer, nullable=False, default=0),  # ever confirmed as serious
    CheckConstraint("verdict IN ('clear', 'serious')", name="verdict"),
    CheckConstraint("confirmed_by IS NULL OR confirmed_by <> decided_by", name="four_eyes"),
    Index("ix_cases_state_changed_at", "state", "changed_at"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("state", String(12), nullable=False),  # waiting | working | ready | failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("requested_by", String(64), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("bytes", BigInteger),
    Column("sha256", String(64)),
    Column("error", String(300)),
    CheckConstraint("state IN ('waiting', 'working', 'ready', 'failed')", name="state"),
    Index("ix_evidence_state_requested_at", "state", "requested_at"),
    Index("ix_evidence_session_id", "session_id"),
)
