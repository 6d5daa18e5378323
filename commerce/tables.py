"""What is sold, to whom, and what was sold. Amounts are integers of the currency's minor unit; times UTC microseconds.

Nothing here knows a commission, a margin or a sales target (invariant 7), and a price belongs to a product alone
(invariant 6): an order keeps a copy of the product's terms, never terms of its own.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from core.database import Moment, metadata
from recording.guards import append_only, insert_only, keeps_all_but

products = Table(
    "products",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("class", String(12), nullable=False, key="product_class"),  # deposit | wealth | fund | insurance
    Column("name_en", String(120), nullable=False),
    Column("name_zh", String(120), nullable=False),
    Column("rate_text_en", String(300), nullable=False),
    Column("rate_text_zh", String(300), nullable=False),
    Column("issuer_risk", Integer, nullable=False),  # 1 to 5; the higher of the two holds
    Column("bank_risk", Integer, nullable=False),
    Column("term_days", Integer),  # None: open-ended
    Column("currency", String(3), nullable=False),
    Column("minimum", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("cap", BigInteger),  # the most one customer may hold on order; None: no cap
    Column("quota", BigInteger, nullable=False),  # what may be sold in all: left and what stands on order
    Column("left", BigInteger, nullable=False),  # what may still be sold, over all customers
    Column("price", JSON, nullable=False),  # the same for everyone; as `commerce.wire.Price`
    Column("sale_from", Moment, nullable=False),
    Column("sale_until", Moment, nullable=False),
    Column("disclosure_version", Integer, nullable=False),  # the current one
    Column("revision", Integer, nullable=False, default=1),  # one more with every change by an operator; orders don't count
    CheckConstraint('"left" >= 0', name="left"),
    CheckConstraint('"left" <= quota', name="quota"),
    CheckConstraint("minimum > 0 AND step > 0", name="amounts"),
    CheckConstraint("cap IS NULL OR cap > 0", name="cap"),
    CheckConstraint("issuer_risk BETWEEN 1 AND 5 AND bank_risk BETWEEN 1 AND 5", name="risk"),
    CheckConstraint("class IN ('deposit', 'wealth', 'fund', 'insurance')", name="class"),
)

disclosures = Table(
    "disclosures",
    metadata,
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("version", Integer, primary_key=True),  # from 1
    Column("text_en", Text, nullable=False),
    Column("text_zh", Text, nullable=False),
    Column("sha256", String(64), nullable=False),  # of the canonical JSON {"en": …, "zh": …}
    Column("published_at", Moment, nullable=False),
)

product_changes = Table(  # who changed what of a product when; never changed itself
    "product_changes",
    metadata,
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),  # the product's, once this was done
    Column("at", Moment, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("kind", String(12), nullable=False),  # created | changed | withdrawn
    Column("import_id", String(40)),  # the file it came with; None when it was done by hand
    Column("before", JSON, nullable=False),  # {field: value} of what was otherwise
    Column("after", JSON, nullable=False),  # the same fields as they are since
    CheckConstraint("kind IN ('created', 'changed', 'withdrawn')", name="kind"),
    Index("ix_product_changes_at", "at"),
)
append_only(product_changes)

shelf = Table(
    "shelf",
    metadata,
    Column("session_id", String(40), primary_key=True),
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("position", Integer, nullable=False),  # from 0
    Column("pinned", Integer, nullable=False, default=0),  # 1 for at most one product of a session
)

customers = Table(
    "customers",
    metadata,
    Column("person_id", String(64), primary_key=True),
    Column("real_name", String(80)),  # None: not identified, may not buy
    Column("birth_date", Date, nullable=False),
    Column("created_at", Moment, nullable=False),
)

assessments = Table(
    "assessments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("customer_id", ForeignKey("customers.person_id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("valid_until", Moment, nullable=False),
    Column("questionnaire", Integer, nullable=False),  # version of the questions and their scores
    Column("answers", JSON, nullable=False),  # {question: option}
    Column("score", Integer, nullable=False),
    Column("grade", Integer, nullable=False),  # 1 to 5, shown as C1 to C5
    CheckConstraint("grade BETWEEN 1 AND 5", name="grade"),
    Index("ix_assessments_customer_at", "customer_id", "at"),
)
insert_only(assessments)

disclosure_confirmations = Table(
    "disclosure_confirmations",
    metadata,
    Column("session_id", String(40), primary_key=True),
    Column("customer_id", String(64), primary_key=True),
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("trail_seq", BigInteger, nullable=False),
)

explanations = Table(  # the extra risk explanation an adviser gave in a call (65 and over, R3 and above)
    "explanations",
    metadata,
    Column("session_id", String(40), primary_key=True),
    Column("customer_id", String(64), primary_key=True),
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("adviser_id", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("trail_seq", BigInteger, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("customer_id", String(64), nullable=False),
    Column("key", String(64), nullable=False),  # the customer's idempotency key
    Column("request_hash", String(64), nullable=False),
    Column("session_id", String(40), nullable=False),
    Column("product_id", String(40), nullable=False),  # no foreign key: the gate saw it, and it was locked
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("channel", String(8), nullable=False),  # show | call
    Column("proposal_id", String(40)),
    Column("state", String(12), nullable=False),  # commerce/lifecycle.py
    Column("reason", String(200)),  # why it was rejected, in the core's words
    Column("placed_at", Moment, nullable=False),
    Column("cancellable_until", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("media_ms", BigInteger, nullable=False),
    Column("trail_seq", BigInteger, nullable=False),  # its order_placed entry
    Column("changed_seq", BigInteger, nullable=False),  # the last entry about it in the session's trail
    Column("snapshot", JSON, nullable=False),  # the gate's inputs and verdict
    UniqueConstraint("customer_id", "key"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("channel IN ('show', 'call')", name="channel"),
    Index("ix_orders_customer_placed", "customer_id", "placed_at"),
    Index("ix_orders_session", "session_id"),
    Index("ix_orders_product_customer", "product_id", "customer_id"),
)
keeps_all_but(orders, "state", "reason", "changed_at", "changed_seq")

refusals = Table(  # when a refusal was last trailed, so that nobody floods a trail with them
    "refusals",
    metadata,
    Column("session_id", String(40), primary_key=True),
    Column("customer_id", String(64), primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("at", Moment, nullable=False),
)

outbox = Table(  # what is to be told outside: one row for each event and receiver (commerce/outbox.py, commerce/webhooks.py)
    "outbox",
    metadata,
    Column("id", String(40), primary_key=True),  # the event id by which the receiver knows a repetition
    Column("receiver", String(40), nullable=False, server_default="core"),  # "core" or one of `receivers`
    Column("order_id", ForeignKey("orders.id")),  # None: it is about no order
    Column("kind", String(20), nullable=False),  # a kind of commerce/outbox_rows.py
    Column("turn", Integer, nullable=False, server_default="0"),  # its place among what a receiver hears of the order
    Column("payload", JSON, nullable=False),
    Column("state", String(10), nullable=False),  # new | waiting | delivered | dead
    Column("attempts", Integer, nullable=False, default=0),
    Column("recent", JSON, nullable=False, server_default="[]"),  # the last attempts: [{at, ms, status, error}]
    Column("created_at", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),  # not before; while an attempt is under way, when its lease ends
    Column("error", String(300)),
    CheckConstraint("state IN ('new', 'waiting', 'delivered', 'dead')", name="state"),
    Index("ix_outbox_receiver_state_next", "receiver", "state", "next_at"),
    Index("ix_outbox_order", "order_id"),
)

receivers = Table(  # partners who hear of orders and seals; their secrets are derived, not kept (commerce/webhook_receivers.py)
    "receivers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("url", String(500), nullable=False),
    Column("kinds", JSON, nullable=False),  # the events they want: a list of outbox kinds
    Column("active", Integer, nullable=False, default=1),
    Column("secret_version", Integer, nullable=False, default=1),
    Column("overlap_until", Moment),  # until then the version before signs, too
    Column("created_at", Moment, nullable=False),
    CheckConstraint("secret_version >= 1", name="secret_version"),
)

delivery_acts = Table(  # what people did to deliveries and receivers; rows are never changed
    "delivery_acts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("person_id", String(64), nullable=False),
    Column("act", String(20), nullable=False),  # sent_again | receiver_added | receiver_changed | secret_rotated
    Column("receiver", String(40), nullable=False),
    Column("event_id", String(40)),  # the delivery it was about, if one
    Column("data", JSON, nullable=False),  # what was changed, never a secret
    Index("ix_delivery_acts_event", "event_id"),
)
keeps_all_but(delivery_acts)

sales = Table(
    "sales",
    metadata,
    Column("session_id", String(40), primary_key=True),
    Column("open", Integer, nullable=False),
    Column("reason", String(40)),  # None when open
    Column("changed_at", Moment, nullable=False),
)

holdings = Table(
    "holdings",
    metadata,
    Column("customer_id", ForeignKey("customers.person_id"), primary_key=True),
    Column("class", String(12), primary_key=True, key="product_class"),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("target_percent", Integer, nullable=False),  # the share the customer's plan aims at
    CheckConstraint("target_percent BETWEEN 0 AND 100", name="target"),
)
