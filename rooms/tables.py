"""Shows, calls, the proposals made in them and the rules of their comments. The recorded run is a row of `sessions`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text, text

from core.database import Moment, metadata

shows = Table(
    "shows",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False, unique=True),
    Column("title", String(120), nullable=False),
    Column("summary", Text, nullable=False, default=""),
    Column("host_id", String(64), nullable=False),
    Column("host_name", String(80), nullable=False),
    Column("product_class", String(16)),  # deposit | wealth | fund | insurance; NULL when the show sells several
    Column("starts_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("viewers_peak", Integer, nullable=False, default=0),
    Column("viewer_ms", BigInteger, nullable=False, default=0, server_default="0"),  # watched while it ran, by all together
    CheckConstraint("viewers_peak >= 0", name="viewers_peak"),
    Index("ix_shows_starts_at", "starts_at"),
)

_OPEN = text("state IN ('waiting', 'accepted', 'live')")
_BUSY = text("state IN ('accepted', 'live')")

calls = Table(
    "calls",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), unique=True),  # of the conversation under way; NULL before consent
    Column("customer_id", String(64), nullable=False),
    Column("customer_name", String(80), nullable=False),
    Column("adviser_id", String(64)),
    Column("adviser_name", String(80)),
    Column("offered_to", String(64)),  # an adviser it was transferred to: only this one may accept it
    Column("topic", String(200), nullable=False),
    Column("state", String(12), nullable=False),  # rooms/lifecycle.py
    Column("waiting_since", Moment, nullable=False),  # its place in the line; a transfer keeps it
    Column("seen_at", Moment, nullable=False),  # when the waiting customer was last connected
    Column("accepted_at", Moment),
    Column("consent_version", String(16)),
    Column("consent_at", Moment),
    Column("ended_at", Moment),
    Column("ended_by", String(64)),
    Column("reason", String(40)),  # hung_up | customer_away | no_consent | declined | abandoned
    CheckConstraint("state IN ('waiting', 'accepted', 'live', 'ended', 'cancelled', 'declined')", name="state"),
    Index("ix_calls_state_waiting_since", "state", "waiting_since"),
    # One open call a customer, kept by the database: two tabs asking at once make one call.
    Index("uq_calls_open_customer", "customer_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    # And one at a time for an adviser.
    Index("uq_calls_busy_adviser", "adviser_id", unique=True, sqlite_where=_BUSY, postgresql_where=_BUSY),
)

# A call that is transferred is recorded as one session for each adviser; this says who was in which.
call_sessions = Table(
    "call_sessions",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("call_id", ForeignKey("calls.id"), nullable=False, index=True),
    Column("customer_id", String(64), nullable=False),
    Column("adviser_id", String(64), nullable=False),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("call_id", ForeignKey("calls.id"), nullable=False, index=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("product_id", String(40), nullable=False),
    Column("amount", BigInteger, nullable=False),  # minor units
    Column("state", String(12), nullable=False),  # open | confirmed | replaced | withdrawn
    Column("at", Moment, nullable=False),
    Column("order_id", String(40)),
    CheckConstraint("amount > 0", name="amount"),
)

# What a moderator has laid down for a session's comments; without a row everybody may comment as he likes.
room_rules = Table(
    "room_rules",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("slow_s", Integer, nullable=False),  # one comment a person in so many seconds; 0 for no such rule
    Column("premoderated", Boolean, nullable=False),
    Column("pinned_seq", BigInteger),  # the trail's entry of the comment that stands above the others
    CheckConstraint("slow_s >= 0", name="slow_s"),
)

# Who may not comment, be in, or be seen by others. `act` is the number of the trail's entry that says so, and
# why; its texts stand there alone, where they can be erased.
sanctions = Table(
    "sanctions",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("act", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("author_tag", String(16), nullable=False),
    Column("by_id", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("until", Moment),  # NULL: to the end of the session
    Column("forgiven_at", Moment),
    CheckConstraint("kind IN ('mute', 'ban', 'shadow')", name="kind"),
    Index("ix_sanctions_session_person", "session_id", "person_id"),
)

# Who spoke when, while slow mode holds; who spoke long ago is forgotten.
last_spoken = Table(
    "last_spoken",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("person_id", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
)

# Comments that a moderator sees first. `seq` is the entry that holds the text.
held_comments = Table(
    "held_comments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("session_id", ForeignKey("sessions.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),  # lexicon | premoderated
    Column("state", String(10), nullable=False),
    CheckConstraint("state IN ('held', 'released', 'rejected')", name="state"),
    Index("ix_held_comments_session_state_seq", "session_id", "state", "seq"),
)
