"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import core.database
from recording.guards import install

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("real_name", sa.String(length=80), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("first_device", sa.String(length=64), nullable=True),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_customers")),
    )
    op.create_table(
        "feed_cursors",
        sa.Column("media", sa.String(length=64), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("media", name=op.f("pk_feed_cursors")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("proposal_id", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("placed_at", core.database.Moment(), nullable=False),
        sa.Column("cancellable_until", core.database.Moment(), nullable=False),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.Column("media_ms", sa.BigInteger(), nullable=False),
        sa.Column("trail_seq", sa.BigInteger(), nullable=False),
        sa.Column("changed_seq", sa.BigInteger(), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.CheckConstraint("channel IN ('show', 'call')", name=op.f("ck_orders_channel")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_orders_amount")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("customer_id", "key", name=op.f("uq_orders_customer_id_key")),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_customer_placed", ["customer_id", "placed_at"], unique=False)
        batch_op.create_index("ix_orders_product_customer", ["product_id", "customer_id"], unique=False)
        batch_op.create_index("ix_orders_session", ["session_id"], unique=False)

    op.create_table(
        "products",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("class", sa.String(length=12), nullable=False),
        sa.Column("name_en", sa.String(length=120), nullable=False),
        sa.Column("name_zh", sa.String(length=120), nullable=False),
        sa.Column("rate_text_en", sa.String(length=300), nullable=False),
        sa.Column("rate_text_zh", sa.String(length=300), nullable=False),
        sa.Column("issuer_risk", sa.Integer(), nullable=False),
        sa.Column("bank_risk", sa.Integer(), nullable=False),
        sa.Column("term_days", sa.Integer(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=True),
        sa.Column("left", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.JSON(), nullable=False),
        sa.Column("sale_from", core.database.Moment(), nullable=False),
        sa.Column("sale_until", core.database.Moment(), nullable=False),
        sa.Column("disclosure_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("class IN ('deposit', 'wealth', 'fund', 'insurance')", name=op.f("ck_products_class")),
        sa.CheckConstraint('"left" >= 0', name=op.f("ck_products_left")),
        sa.CheckConstraint("cap IS NULL OR cap > 0", name=op.f("ck_products_cap")),
        sa.CheckConstraint("issuer_risk BETWEEN 1 AND 5 AND bank_risk BETWEEN 1 AND 5", name=op.f("ck_products_risk")),
        sa.CheckConstraint("minimum > 0 AND step > 0", name=op.f("ck_products_amounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
    )
    op.create_table(
        "refusals",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "customer_id", "code", name=op.f("pk_refusals")),
    )
    op.create_table(
        "sales",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sales")),
    )
    op.create_table(
        "seals",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("fragments", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=80), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_seals")),
        sa.UniqueConstraint("session_id", name=op.f("uq_seals_session_id")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("host_id", sa.String(length=64), nullable=False),
        sa.Column("required", sa.JSON(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("started_at", core.database.Moment(), nullable=True),
        sa.Column("ended_at", core.database.Moment(), nullable=True),
        sa.Column("sealed_at", core.database.Moment(), nullable=True),
        sa.CheckConstraint("kind IN ('show', 'call')", name=op.f("ck_sessions_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_state", ["state"], unique=False)

    op.create_table(
        "trail_entries",
        sa.Column("session_id", sa.String(length=48), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("media_ms", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", name=op.f("pk_trail_entries")),
    )
    with op.batch_alter_table("trail_entries", schema=None) as batch_op:
        batch_op.create_index("ix_trail_entries_session_kind", ["session_id", "kind"], unique=False)

    op.create_table(
        "trail_heads",
        sa.Column("session_id", sa.String(length=48), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_trail_heads")),
    )
    op.create_table(
        "trail_texts",
        sa.Column("session_id", sa.String(length=48), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("session_id", "seq", "field", name=op.f("pk_trail_texts")),
    )
    op.create_table(
        "assessments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("valid_until", core.database.Moment(), nullable=False),
        sa.Column("questionnaire", sa.Integer(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.CheckConstraint("grade BETWEEN 1 AND 5", name=op.f("ck_assessments_grade")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.person_id"], name=op.f("fk_assessments_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
    )
    with op.batch_alter_table("assessments", schema=None) as batch_op:
        batch_op.create_index("ix_assessments_customer_at", ["customer_id", "at"], unique=False)

    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=True),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("customer_name", sa.String(length=80), nullable=False),
        sa.Column("adviser_id", sa.String(length=64), nullable=True),
        sa.Column("adviser_name", sa.String(length=80), nullable=True),
        sa.Column("offered_to", sa.String(length=64), nullable=True),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("waiting_since", core.database.Moment(), nullable=False),
        sa.Column("seen_at", core.database.Moment(), nullable=False),
        sa.Column("accepted_at", core.database.Moment(), nullable=True),
        sa.Column("consent_version", sa.String(length=16), nullable=True),
        sa.Column("consent_at", core.database.Moment(), nullable=True),
        sa.Column("ended_at", core.database.Moment(), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'accepted', 'live', 'ended', 'cancelled', 'declined')", name=op.f("ck_calls_state")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_calls_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("session_id", name=op.f("uq_calls_session_id")),
    )
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.create_index("ix_calls_state_waiting_since", ["state", "waiting_since"], unique=False)
        batch_op.create_index(
            "uq_calls_busy_adviser",
            ["adviser_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('accepted', 'live')"),
            postgresql_where=sa.text("state IN ('accepted', 'live')"),
        )
        batch_op.create_index(
            "uq_calls_open_customer",
            ["customer_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('waiting', 'accepted', 'live')"),
            postgresql_where=sa.text("state IN ('waiting', 'accepted', 'live')"),
        )

    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("opened_at", core.database.Moment(), nullable=False),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.Column("claimed_by", sa.String(length=64), nullable=True),
        sa.Column("verdict", sa.String(length=8), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", core.database.Moment(), nullable=True),
        sa.Column("note_seq", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_by", sa.String(length=64), nullable=True),
        sa.Column("confirmed_at", core.database.Moment(), nullable=True),
        sa.Column("found_serious", sa.Integer(), nullable=False),
        sa.CheckConstraint("verdict IN ('clear', 'serious')", name=op.f("ck_cases_verdict")),
        sa.CheckConstraint("confirmed_by IS NULL OR confirmed_by <> decided_by", name=op.f("ck_cases_four_eyes")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_cases_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("session_id", name=op.f("uq_cases_session_id")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index("ix_cases_state_changed_at", ["state", "changed_at"], unique=False)

    op.create_table(
        "derived",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=True),
        sa.Column("offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_derived_session_id")),
        sa.PrimaryKeyConstraint("session_id", "stream", "kind", name=op.f("pk_derived")),
    )
    op.create_table(
        "disclosure_confirmations",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("trail_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_disclosure_confirmations_product_id")),
        sa.PrimaryKeyConstraint("session_id", "customer_id", "product_id", "version", name=op.f("pk_disclosure_confirmations")),
    )
    op.create_table(
        "disclosures",
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("published_at", core.database.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_disclosures_product_id")),
        sa.PrimaryKeyConstraint("product_id", "version", name=op.f("pk_disclosures")),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("requested_at", core.database.Moment(), nullable=False),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'working', 'ready', 'failed')", name=op.f("ck_evidence_state")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_evidence_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.create_index("ix_evidence_session_id", ["session_id"], unique=False)
        batch_op.create_index("ix_evidence_state_requested_at", ["state", "requested_at"], unique=False)

    op.create_table(
        "explanations",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("adviser_id", sa.String(length=64), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("trail_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_explanations_product_id")),
        sa.PrimaryKeyConstraint("session_id", "customer_id", "product_id", name=op.f("pk_explanations")),
    )
    op.create_table(
        "fragments",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.CheckConstraint("end_ms >= start_ms", name=op.f("ck_fragments_order")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_fragments_session_id")),
        sa.PrimaryKeyConstraint("session_id", "stream", "epoch", "index", name=op.f("pk_fragments")),
    )
    op.create_table(
        "hits",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("term", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("media_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_hits_session_id")),
        sa.PrimaryKeyConstraint("session_id", "seq", "field", "start", name=op.f("pk_hits")),
    )
    op.create_table(
        "holdings",
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("class", sa.String(length=12), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("target_percent", sa.Integer(), nullable=False),
        sa.CheckConstraint("target_percent BETWEEN 0 AND 100", name=op.f("ck_holdings_target")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.person_id"], name=op.f("fk_holdings_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "class", name=op.f("pk_holdings")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("next_at", core.database.Moment(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name=op.f("ck_outbox_state")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_outbox_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_order", ["order_id"], unique=False)
        batch_op.create_index("ix_outbox_state_next", ["state", "next_at"], unique=False)

    op.create_table(
        "screenings",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("sampled", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_screenings_session_id")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_screenings")),
    )
    op.create_table(
        "shelf",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("pinned", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name=op.f("fk_shelf_product_id")),
        sa.PrimaryKeyConstraint("session_id", "product_id", name=op.f("pk_shelf")),
    )
    op.create_table(
        "shows",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("host_id", sa.String(length=64), nullable=False),
        sa.Column("host_name", sa.String(length=80), nullable=False),
        sa.Column("product_class", sa.String(length=16), nullable=True),
        sa.Column("starts_at", core.database.Moment(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("viewers_peak", sa.Integer(), nullable=False),
        sa.CheckConstraint("viewers_peak >= 0", name=op.f("ck_shows_viewers_peak")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_shows_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shows")),
        sa.UniqueConstraint("session_id", name=op.f("uq_shows_session_id")),
    )
    with op.batch_alter_table("shows", schema=None) as batch_op:
        batch_op.create_index("ix_shows_starts_at", ["starts_at"], unique=False)

    op.create_table(
        "streams",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=True),
        sa.Column("watermark_ms", sa.BigInteger(), nullable=True),
        sa.Column("watermark_at", core.database.Moment(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_streams_session_id")),
        sa.PrimaryKeyConstraint("session_id", "name", name=op.f("pk_streams")),
    )
    op.create_table(
        "call_sessions",
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("call_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("adviser_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_sessions_call_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_call_sessions_session_id")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_call_sessions")),
    )
    with op.batch_alter_table("call_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_sessions_call_id"), ["call_id"], unique=False)

    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("call_id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=False),
        sa.Column("product_id", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_proposals_amount")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_proposals_call_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_proposals_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_proposals_call_id"), ["call_id"], unique=False)

    for table in ("trail_entries", "seals"):
        install(op.get_bind(), table)


def downgrade() -> None:
    with op.batch_alter_table("proposals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_proposals_call_id"))

    op.drop_table("proposals")
    with op.batch_alter_table("call_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_call_sessions_call_id"))

    op.drop_table("call_sessions")
    op.drop_table("streams")
    with op.batch_alter_table("shows", schema=None) as batch_op:
        batch_op.drop_index("ix_shows_starts_at")

    op.drop_table("shows")
    op.drop_table("shelf")
    op.drop_table("screenings")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_state_next")
        batch_op.drop_index("ix_outbox_order")

    op.drop_table("outbox")
    op.drop_table("holdings")
    op.drop_table("hits")
    op.drop_table("fragments")
    op.drop_table("explanations")
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.drop_index("ix_evidence_state_requested_at")
        batch_op.drop_index("ix_evidence_session_id")

    op.drop_table("evidence")
    op.drop_table("disclosures")
    op.drop_table("disclosure_confirmations")
    op.drop_table("derived")
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_index("ix_cases_state_changed_at")

    op.drop_table("cases")
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_calls_open_customer",
            sqlite_where=sa.text("state IN ('waiting', 'accepted', 'live')"),
            postgresql_where=sa.text("state IN ('waiting', 'accepted', 'live')"),
        )
        batch_op.drop_index(
            "uq_calls_busy_adviser",
            sqlite_where=sa.text("state IN ('accepted', 'live')"),
            postgresql_where=sa.text("state IN ('accepted', 'live')"),
        )
        batch_op.drop_index("ix_calls_state_waiting_since")

    op.drop_table("calls")
    with op.batch_alter_table("assessments", schema=None) as batch_op:
        batch_op.drop_index("ix_assessments_customer_at")

    op.drop_table("assessments")
    op.drop_table("trail_texts")
    op.drop_table("trail_heads")
    with op.batch_alter_table("trail_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_trail_entries_session_kind")

    op.drop_table("trail_entries")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_sessions_state")

    op.drop_table("sessions")
    op.drop_table("seals")
    op.drop_table("sales")
    op.drop_table("refusals")
    op.drop_table("products")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index("ix_orders_session")
        batch_op.drop_index("ix_orders_product_customer")
        batch_op.drop_index("ix_orders_customer_placed")

    op.drop_table("orders")
    op.drop_table("feed_cursors")
    op.drop_table("customers")
