"""Cases, what screening found, and evidence. Who looked at what has no table: it stands in each session's after-trail."""

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
    Column("note_seq", BigInteger),  # the after-trail's entry that holds the verdict's note, so that it can be erased
    Column("confirmed_by", String(64)),
    Column("confirmed_at", Moment),
    Column("found_serious", Integer, nullable=False, default=0),  # ever confirmed as serious
    CheckConstraint("verdict IN ('clear', 'serious')", name="verdict"),
    CheckConstraint("confirmed_by IS NULL OR confirmed_by <> decided_by", name="four_eyes"),
    Index("ix_cases_state_changed_at", "state", "changed_at"),
)

screenings = Table(  # a row for each sealed session that has been screened for cases
    "screenings",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("sampled", Integer, nullable=False),  # 1 when the draw chose it
)

hits = Table(  # where the lexicon found something; the words themselves stay in the trail's texts
    "hits",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),  # the trail entry
    Column("field", String(40), primary_key=True),
    Column("start", Integer, primary_key=True),  # in characters of the text, end exclusive
    Column("end", Integer, nullable=False),
    Column("term", String(40), nullable=False),
    Column("action", String(8), nullable=False),  # flag | mask | block
    Column("media_ms", BigInteger),
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
