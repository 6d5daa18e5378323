"""What the entries say has to hold together: holes explained, orders shown, one price for everyone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from compliance import openings
from compliance.bundle import Limits
from compliance.findings import Finding, Findings
from compliance.record import Record, holes
from recording import kinds
from recording.chain import Entry, commitment

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Story:
    """Entries one after the other, as a trail would have them."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.record = Record(self.findings)
        self.seq = 0

    def tell(self, kind: str, media_ms: int | None = None, **data: Any) -> Story:
        self.seq += 1
        self.record.add(Entry("ses", self.seq, AT, media_ms, kind, "someone", data, "", ""))
        return self

    def fragment(self, start: int, end: int, stream: str = "host") -> Story:
        numbers = {"epoch": 1, "index": self.seq, "start_ms": start, "end_ms": end, "bytes": 1}
        return self.tell(kinds.FRAGMENT, start, stream=stream, sha256="0" * 64, path=f"{self.seq}.mp4", **numbers)

    def order(self, media_ms: int, name: str = "ord", price: Any = "1.0", product: str = "prd") -> Story:
        return self.tell(kinds.ORDER_PLACED, media_ms, order=name, product=product, price=price)

    def end(self, media_ms: int) -> tuple[Finding, ...]:
        self.tell(kinds.SESSION_ENDED, media_ms)
        self.record.check()
        return self.findings.taken()


def live(*required: str) -> Story:
    return Story().tell(kinds.SESSION_STARTED, 0, required=list(required or ("host",)))


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in findings]


def test_a_hole_nobody_explained() -> None:
    findings = live().fragment(0, 4000).fragment(6000, 10_000).end(10_000)
    assert told(findings) == [("gap_unexplained", "stream host")]
    assert findings[0].params == {"start": 4000, "end": 6000}


def test_a_hole_with_its_entry_is_only_told() -> None:
    story = live().fragment(0, 4000).tell(kinds.GAP, 4000, stream="host", from_ms=4000, to_ms=6000, reason="lost")
    assert told(story.fragment(6000, 10_000).end(10_000)) == [("note_gap", "stream host, entry 3")]


@pytest.mark.parametrize(
    ("start", "stop", "is_found"), [(500, 10_000, False), (501, 10_000, True), (0, 9500, False), (0, 9499, True)]
)
def test_half_a_second_is_tolerated_at_both_ends(start: int, stop: int, is_found: bool) -> None:
    assert bool(live().fragment(start, stop).end(10_000)) is is_found


def test_every_required_stream_counts() -> None:
    findings = live("adviser", "customer").fragment(0, 10_000, "adviser").end(10_000)
    assert told(findings) == [("gap_unexplained", "stream customer")]


def test_an_order_in_a_gap_must_be_owned_up_to() -> None:
    def story() -> Story:
        gap = live().fragment(0, 4000).tell(kinds.GAP, 4000, stream="host", from_ms=4000, to_ms=6000, reason="lost")
        return gap.order(5000).fragment(6000, 10_000)

    assert ("order_uncovered", "entry 4, order ord") in told(story().end(10_000))
    owned = story().tell(kinds.ORDER_UNCOVERED, 5000, order="ord").end(10_000)
    assert not any(finding.is_fault for finding in owned)


def test_an_order_without_a_price_is_told() -> None:
    assert told(live().order(1000, price=None).fragment(0, 10_000).end(10_000)) == [("note_price", "entry 2, order ord")]


def test_an_erased_text_is_told_and_a_false_one_is_a_fault() -> None:
    story = live().tell(kinds.COMMENT, 1, text={"sha256": commitment(b"s", "yes")}, author={"sha256": commitment(b"s", "me")})
    story.record.open_text(2, "text", b"s", "no")
    story.record.open_text(9, "text", b"s", "no")
    codes = told(story.fragment(0, 10_000).end(10_000))
    assert codes == [("text_mismatch", "entry 2, text"), ("text_unknown", "entry 9, text"), ("note_erased", "texts")]


def test_a_text_may_come_before_or_after_its_entry_and_counts_once() -> None:
    story = live()
    story.record.open_text(2, "text", b"s", "yes")
    story.tell(kinds.COMMENT, 1, text={"sha256": commitment(b"s", "yes")}, author={"sha256": commitment(b"s", "me")})
    story.record.open_text(2, "author", b"s", "me")
    story.record.open_text(2, "author", b"s", "me")
    assert told(story.fragment(0, 10_000).end(10_000)) == [("text_unknown", "entry 2, author")]


def test_texts_and_commitments_that_wait_too_long_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "MOST_WAITING", 2)
    story = live()
    for _ in range(5):
        story.tell(kinds.COMMENT, 1, text={"sha256": commitment(b"s", "yes")})
    for seq in (6, 5, 4, 3, 2):
        story.record.open_text(seq, "text", b"s", "yes")
    assert told(story.findings.taken()) == [("text_unknown", "entry 4, text")]
    findings = story.fragment(0, 10_000).end(10_000)
    assert told(findings) == [*(("text_unknown", f"entry {seq}, text") for seq in (4, 3, 2)), ("note_erased", "texts")]
    assert findings[-1].params == {"count": 3}


def test_a_whole_days_show_is_within_the_limits() -> None:
    """200 comments a second are what a show may write; 650 bytes an entry and 200 a text what they take."""
    limits, entries = Limits(), 24 * 3600 * 200
    assert entries * 1.1 < limits.entries
    assert 3 * entries < limits.lines
    assert entries * 1.1 * 3 * 200 < limits.text_bytes
    assert entries * 1.1 * 650 < limits.text_bytes


def test_what_a_fragments_entry_lacks_is_named() -> None:
    findings = live().tell(kinds.FRAGMENT, 0, stream="host").fragment(0, 10_000).end(10_000)
    assert told(findings) == [("fragment_entry", "entry 2")]


def test_holes_between_overlapping_pieces() -> None:
    assert holes([(0, 5000), (3000, 4000), (7000, 20_000)], 10_000) == [(5000, 7000)]
    assert holes([], 10_000) == [(0, 10_000)]
    assert holes([], 0) == []


def test_a_gap_of_one_track_is_told_and_explains_no_hole_of_the_stream() -> None:
    story = live().fragment(0, 2000).tell(kinds.GAP, 1000, stream="host", track="video", from_ms=1000, to_ms=6000, reason="x")
    assert told(story.fragment(6000, 8000).end(8000)) == [
        ("gap_unexplained", "stream host"),
        ("note_gap", "stream host (video), entry 3"),
    ]
