"""Sessions, their recordings and their trails. Times are UTC microseconds, media times ms since the session's start."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from core.database import Moment, metadata
from recording.guards import append_only, erasable, following

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(8), nullable=False),  # show | call
    Column("state", String(12), nullable=False),  # recording/lifecycle.py
    Column("title", String(200), nullable=False),
    Column("host_id", String(64), nullable=False),
    Column("required", JSON, nullable=False),  # names of the streams without which nothing is sold
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("sealed_at", Moment),
    CheckConstraint("kind IN ('show', 'call')", name="kind"),
    Index("ix_sessions_state", "state"),
)

streams = Table(
    "streams",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("status", String(12), nullable=False),  # publishing | lost | left | failed | closed
    Column("epoch", BigInteger, nullable=False),
    Column("first_ms", BigInteger),  # where its recording begins
    Column("watermark_ms", BigInteger),  # safely on disk up to here
    Column("watermark_at", Moment),  # the wall time of that media time
    Column("reason", String(64)),  # why it is lost or failed
)

fragments = Table(
    "fragments",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("stream", String(32), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("path", String(300), nullable=False),  # relative to the archive's root
    CheckConstraint("end_ms >= start_ms", name="order"),
)

_COMMENTS = text("kind = 'comment'")

# `session_id` of the three trail tables is a trail's name: a session's id, or that id and "/after" for what follows the seal.
trail_heads = Table(
    "trail_heads",
    metadata,
    Column("session_id", String(48), primary_key=True),
    Column("seq", BigInteger, nullable=False),  # of the last entry, 0 when there is none
    Column("hash", String(64), nullable=False),
    Column("sealed", Integer, nullable=False, default=0),
)

trail_entries = Table(
    "trail_entries",
    metadata,
    Column("session_id", String(48), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("media_ms", BigInteger),
    Column("body", Text, nullable=False),  # the canonical JSON that `hash` is over
    Column("hash", String(64), nullable=False),
    Index("ix_trail_entries_session_kind_seq", "session_id", "kind", "seq"),
    # A minute of a replay, whatever the length of its show. Of comments alone: an order's entries cost nothing more.
    Index(
        "ix_trail_entries_comments_media", "session_id", "media_ms", "seq", sqlite_where=_COMMENTS, postgresql_where=_COMMENTS
    ),
)

trail_texts = Table(
    "trail_texts",
    metadata,
    Column("session_id", String(48), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("field", String(40), primary_key=True),
    Column("salt", LargeBinary(32)),  # both NULL once erased
    Column("text", Text),
)

seals = Table(
    "seals",
    metadata,
    Column("number", BigInteger, primary_key=True),  # place in the register, from 1, contiguous
    Column("session_id", String(40), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("fragments", BigInteger, nullable=False),
    Column("root", String(64), nullable=False),
    Column("key_id", String(80), nullable=False),
    Column("checkpoint", Text, nullable=False),  # the signed note
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

derived = Table(
    "derived",
    metadata,
    Column("session_id", ForeignKey("sessions.id"), primary_key=True),
    Column("stream", String(32), primary_key=True),
    Column("kind", String(16), primary_key=True),  # playable | poster
    Column("state", String(12), nullable=False),  # waiting | working | ready | failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("path", String(300)),
    Column("offset_ms", BigInteger),  # media time of the copy's position 0
    Column("duration_ms", BigInteger),
    Column("error", String(300)),
    Column("changed_at", Moment, nullable=False),
)

feed_cursors = Table(
    "feed_cursors",
    metadata,
    Column("media", String(64), primary_key=True),  # which media process, "@", and the id of its feed
    Column("n", BigInteger, nullable=False),  # last record taken in
)

append_only(trail_entries)
append_only(seals)
erasable(trail_texts)
following(trail_heads)
