"""The public shapes of the reviewers' API. Times are RFC 3339 with `Z`, media times ms since the session's start."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Note = Annotated[str, msgspec.Meta(max_length=2000)]


class OpenCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open a case on a session, or add a reason to the case there is."""

    session: Id
    reason: Reason


class Decide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verdict of whoever claimed the case."""

    verdict: Literal["clear", "serious"]
    note: Note = ""


class Reopen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the case is opened again."""

    reason: Annotated[str, msgspec.Meta(max_length=300)] = ""


class AskEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Export a session's evidence; the reason goes on the record."""

    session: Id
    reason: Reason


class CaseReason(msgspec.Struct, frozen=True):
    """Why a case was opened: uncovered_order, lexicon_hit, sampled, or a reviewer's words."""

    reason: str
    at: str
    by: str


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A case. `state` is open, claimed, awaiting_confirmation or closed."""

    id: str
    session: str
    title: str
    kind: str
    state: str
    reasons: list[CaseReason]
    opened_at: str
    changed_at: str
    claimed_by: str | None
    verdict: str | None
    note: str | None
    """Of the verdict; None when there is none or it was erased."""
    decided_by: str | None
    decided_at: str | None
    confirmed_by: str | None
    confirmed_at: str | None


class CaseList(msgspec.Struct, frozen=True):
    """The latest 200 cases, those that changed last first."""

    cases: list[CaseView]


class CaseRef(msgspec.Struct, frozen=True):
    """A recording's case."""

    id: str
    state: str


class Host(msgspec.Struct, frozen=True):
    """Who hosted the session."""

    id: str
    name: str


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recording in the list. `hits` are the lexicon's, known once the session is sealed."""

    session: str
    kind: str
    state: str
    title: str
    host: Host
    started_at: str | None
    ended_at: str | None
    duration_ms: int
    orders: int
    comments: int
    gaps: int
    hits: int
    sealed: bool
    case: CaseRef | None


class RecordingList(msgspec.Struct, frozen=True):
    """The latest 100 that fit, newest first."""

    recordings: list[RecordingRow]


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's playable copy: position 0 of the file is `offset_ms` of the session."""

    name: str
    offset_ms: int | None
    duration_ms: int | None
    ready: bool
    state: str
    """waiting, working, ready, failed; "" before the session is sealed."""
    mp4: str | None


class SealView(msgspec.Struct, frozen=True, kw_only=True):
    """The seal. `verified_at` is when it was last found whole here; None when never, or when the last look found faults."""

    at: str
    number: int
    entries: int
    fragments: int
    root: str
    key: str
    verified_at: str | None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done with the recording since: an entry of the after-trail."""

    seq: int
    at: str
    kind: str
    actor: str
    text: str


class RecordingView(RecordingRow, frozen=True, kw_only=True):
    """One recording with its streams, its seal and the latest looks at it."""

    streams: list[StreamView]
    seal: SealView | None
    looks: list[Look]


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in its lane. In `data` personal texts stand in place of their commitments, None where they were erased."""

    seq: int
    media_ms: int | None
    at: str
    kind: str
    lane: str
    actor: str
    text: str
    data: dict[str, Any]
    hash: str
    erased: list[str]
    after_seal: bool
    """It stands in the trail after the seal, and `seq` is its number there: what was bought while the show was seen again."""


class TimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """A session's entries in order, then the lexicon's hits. `more`: ask again with `?after=` this number; None at the end."""

    duration_ms: int
    lanes: list[str]
    entries: list[TimelineEntry]
    more: int | None


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """One finding; `fault` False for what is only told. `text` names the place, in the asked language."""

    code: str
    where: str
    text: str
    fault: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a verification."""

    ok: bool
    findings: list[FindingView]
    entries: int
    fragments: int
    orders: int
    root: str
    at: str


class OfferMoment(msgspec.Struct, frozen=True):
    """An entry of the session, and its media time; None before the session's start."""

    seq: int
    media_ms: int | None


class OfferView(msgspec.Struct, frozen=True, kw_only=True, rename={"product_class": "class"}):
    """A stretch of time in which a product was on offer at the same terms, and what was ordered in it."""

    product: str
    name: str
    product_class: str
    risk: str
    price: Any
    """As it stood on the shelf, the same for everyone."""
    disclosure: str
    """Version and SHA-256 of the disclosure that had to be confirmed."""
    changed: list[str]
    """The terms that were others in the product's stretch before."""
    since: OfferMoment
    until: OfferMoment | None
    """None while it lasts."""
    orders: int
    amounts: dict[str, int]
    """The sum of all orders, cancelled ones included, by currency."""
    first: OfferMoment | None
    last: OfferMoment | None
    """The first and the last order; None without any."""


class UnfairView(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of the ledger: the entry it names, and a sentence in the asked language."""

    code: str
    seq: int
    media_ms: int | None
    text: str


class FairnessView(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of fairness of a session, as its record proves it. `proved` when nothing was found."""

    proved: bool
    entries: int
    orders: int
    products: int
    """Of which something was ordered."""
    repriced: int
    """Products whose price changed during the session, for all at the same moment."""
    fields: list[str]
    """All that the shelf said of a product."""
    ranked_by: list[str]
    """What products are ranked and recommended by, and nothing else."""
    offers: list[OfferView]
    findings: list[UnfairView]
    more: int
    """Findings that are not listed."""


class EvidenceView(msgspec.Struct, frozen=True, kw_only=True):
    """An export: `state` is waiting, working, ready or failed. `url` answers once it is ready."""

    id: str
    session: str
    state: str
    url: str
    requested_by: str
    requested_at: str
    bytes: int | None
    sha256: str | None
    error: str | None
