"""The vocabulary of the trail: every kind an entry may have, what it says, and the console lane it is drawn in."""

from __future__ import annotations

from dataclasses import dataclass

SESSION_STARTED = "session_started"
SESSION_PAUSED = "session_paused"
SESSION_RESUMED = "session_resumed"
SESSION_ENDED = "session_ended"
PUBLISHER_JOINED = "publisher_joined"
PUBLISHER_LOST = "publisher_lost"
PUBLISHER_LEFT = "publisher_left"
FRAGMENT = "fragment"
GAP = "gap"
RECORDING_FAILED = "recording_failed"
RECORDING_RECOVERED = "recording_recovered"
SALE_OPENED = "sale_opened"
SALE_CLOSED = "sale_closed"
COMMENT = "comment"
COMMENT_REMOVED = "comment_removed"
COMMENT_RESTORED = "comment_restored"
COMMENT_HELD = "comment_held"
COMMENT_RELEASED = "comment_released"
COMMENT_REJECTED = "comment_rejected"
COMMENT_PINNED = "comment_pinned"
COMMENT_UNPINNED = "comment_unpinned"
PERSON_MUTED = "person_muted"
PERSON_BANNED = "person_banned"
PERSON_SHADOWED = "person_shadowed"
PERSON_FORGIVEN = "person_forgiven"
ROOM_RULES_CHANGED = "room_rules_changed"
SHELF_CHANGED = "shelf_changed"
PRODUCT_PINNED = "product_pinned"
PRODUCT_UNPINNED = "product_unpinned"
DISCLOSURE_CONFIRMED = "disclosure_confirmed"
RISK_EXPLAINED = "risk_explained"
ORDER_PLACED = "order_placed"
ORDER_REFUSED = "order_refused"
ORDER_CANCELLED = "order_cancelled"
ORDER_SENT = "order_sent"
ORDER_CONFIRMED = "order_confirmed"
ORDER_REJECTED = "order_rejected"
ORDER_UNCOVERED = "order_uncovered"
CALL_REQUESTED = "call_requested"
CALL_ACCEPTED = "call_accepted"
CONSENT_GIVEN = "consent_given"
PROPOSAL_MADE = "proposal_made"
PROPOSAL_CONFIRMED = "proposal_confirmed"
CALL_TRANSFERRED = "call_transferred"
CALL_ENDED = "call_ended"
CALL_LISTENED = "call_listened"
VIEWED = "viewed"
SEARCHED = "searched"
VERIFIED = "verified"
EXPORTED = "exported"
CASE_OPENED = "case_opened"
CASE_CLAIMED = "case_claimed"
CASE_RELEASED = "case_released"
CASE_DECIDED = "case_decided"
CASE_CONFIRMED = "case_confirmed"
CASE_CLOSED = "case_closed"
CASE_REOPENED = "case_reopened"

# In the order the console draws them.
LANES = ("session", "picture", "comments", "pins", "disclosures", "sale", "orders", "gaps", "review")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry: its name, its lane (one of LANES) and what it says, in a line."""

    name: str
    lane: str
    meaning: str


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(SESSION_STARTED, "session", "the session went live; media time 0"),
        Kind(SESSION_PAUSED, "session", "the host paused the session"),
        Kind(SESSION_RESUMED, "session", "the host went on after a pause"),
        Kind(SESSION_ENDED, "session", "the session is over, or was cancelled before it began"),
        Kind(CALL_REQUESTED, "session", "a customer asked for an adviser"),
        Kind(CALL_ACCEPTED, "session", "an adviser took the call"),
        Kind(CALL_TRANSFERRED, "session", "the call went to another adviser"),
        Kind(CALL_ENDED, "session", "one of the two hung up, or was lost"),
        Kind(CALL_LISTENED, "session", "a supervisor listens in"),
        Kind(PUBLISHER_JOINED, "picture", "someone began to send this stream"),
        Kind(PUBLISHER_LOST, "picture", "the sender vanished without saying goodbye"),
        Kind(PUBLISHER_LEFT, "picture", "the sender stopped on purpose"),
        Kind(FRAGMENT, "picture", "a piece of the recording is safely on disk, with its SHA-256"),
        Kind(COMMENT, "comments", "a comment was shown (`shadow`: to its author alone); its text is a salted commitment"),
        Kind(COMMENT_HELD, "comments", "a comment waits for a moderator, and why; nobody was shown it"),
        Kind(COMMENT_RELEASED, "comments", "a moderator let a held comment be shown"),
        Kind(COMMENT_REJECTED, "comments", "a moderator kept a held comment from being shown"),
        Kind(COMMENT_REMOVED, "comments", "a comment was taken down"),
        Kind(COMMENT_RESTORED, "comments", "what was taken down is shown again, what was rejected waits again"),
        Kind(COMMENT_PINNED, "comments", "a comment stands above the others now"),
        Kind(COMMENT_UNPINNED, "comments", "no comment stands above the others any more"),
        Kind(PERSON_MUTED, "comments", "somebody may not comment, for a time or to the end"),
        Kind(PERSON_BANNED, "comments", "somebody may not be in this session any more"),
        Kind(PERSON_SHADOWED, "comments", "what somebody says is shown to him alone"),
        Kind(PERSON_FORGIVEN, "comments", "a mute, a ban or a shadow was lifted"),
        Kind(ROOM_RULES_CHANGED, "comments", "how often one may comment, and whether a moderator sees it first"),
        Kind(SHELF_CHANGED, "pins", "the products on offer changed"),
        Kind(PRODUCT_PINNED, "pins", "a product is being explained now"),
        Kind(PRODUCT_UNPINNED, "pins", "the explanation is over"),
        Kind(DISCLOSURE_CONFIRMED, "disclosures", "a customer confirmed this version of a disclosure"),
        Kind(RISK_EXPLAINED, "disclosures", "the adviser gave a customer of 65 or over the extra risk explanation"),
        Kind(CONSENT_GIVEN, "disclosures", "a customer agreed to be recorded"),
        Kind(SALE_OPENED, "sale", "everything required is being recorded; orders are taken"),
        Kind(SALE_CLOSED, "sale", "orders are not taken, and why"),
        Kind(PROPOSAL_MADE, "orders", "the adviser proposed a product and an amount"),
        Kind(PROPOSAL_CONFIRMED, "orders", "the customer agreed to the proposal"),
        Kind(ORDER_PLACED, "orders", "an order was taken, with what the gate saw"),
        Kind(ORDER_REFUSED, "orders", "an order was refused, with the rule that refused it"),
        Kind(ORDER_CANCELLED, "orders", "the customer withdrew the order"),
        Kind(ORDER_SENT, "orders", "the order was handed to the bank's core system"),
        Kind(ORDER_CONFIRMED, "orders", "the core system took the order"),
        Kind(ORDER_REJECTED, "orders", "the core system refused the order"),
        Kind(GAP, "gaps", "a stream, or one `track` of it, was not recorded from one media time to another"),
        Kind(RECORDING_FAILED, "gaps", "what arrives is not being written, and why"),
        Kind(RECORDING_RECOVERED, "gaps", "writing works again"),
        Kind(ORDER_UNCOVERED, "gaps", "an order whose moment no fragment shows"),
        Kind(VIEWED, "review", "someone looked at the recording or its timeline"),
        Kind(SEARCHED, "review", "someone's search brought this session up"),
        Kind(VERIFIED, "review", "the record was verified, with the findings"),
        Kind(EXPORTED, "review", "evidence was taken out"),
        Kind(CASE_OPENED, "review", "a case was opened, and why"),
        Kind(CASE_CLAIMED, "review", "a reviewer took the case"),
        Kind(CASE_RELEASED, "review", "the case went back to the queue"),
        Kind(CASE_DECIDED, "review", "the reviewer's verdict"),
        Kind(CASE_CONFIRMED, "review", "a second person confirmed the verdict"),
        Kind(CASE_CLOSED, "review", "the case is closed"),
        Kind(CASE_REOPENED, "review", "the case was opened again, and why"),
    )
}
