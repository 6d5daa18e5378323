"""Changing, dropping, doubling or reordering entries is found, whatever was touched (invariant 5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.canonical import canonical, sha256_hex
from recording.chain import GENESIS, check_chain, commitment, next_entry, read_entry

SESSION = "ses_chain"
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

data = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12) | st.booleans() | st.none(),
    max_size=4,
)
trails = st.lists(st.tuples(st.sampled_from(["comment", "order_placed", "gap"]), data), min_size=1, max_size=12)
Stored = list[tuple[str | bytes, str]]


def build(drafts: list[tuple[str, dict[str, object]]]) -> Stored:
    stored: Stored = []
    prev = GENESIS
    for seq, (kind, content) in enumerate(drafts, 1):
        entry, body = next_entry(SESSION, seq, START + timedelta(microseconds=seq), seq * 10, kind, "c1", content, prev)
        prev = entry.hash
        stored.append((body, entry.hash))
    return stored


@given(trails)
def test_an_untouched_trail_has_no_findings_and_reads_back(drafts: list[tuple[str, dict[str, object]]]) -> None:
    stored = build(drafts)
    assert check_chain(SESSION, stored) == []
    for body, entry_hash in stored:
        entry = read_entry(body, entry_hash)
        assert entry.body == body
        assert entry.hash == sha256_hex(entry.body)


@given(trails, st.data())
def test_a_changed_body_is_found_even_with_its_hash_made_to_match(
    drafts: list[tuple[str, dict[str, object]]], more: st.DataObject
) -> None:
    stored = build([*drafts, ("gap", {})])
    place = more.draw(st.integers(0, len(stored) - 2))
    value = json.loads(stored[place][0])
    value["actor"] = "someone else"
    body = canonical(value)
    assert check_chain(SESSION, [*stored[:place], (body, stored[place][1]), *stored[place + 1 :]]) != []
    assert check_chain(SESSION, [*stored[:place], (body, sha256_hex(body)), *stored[place + 1 :]]) != []


@given(trails, st.data())
def test_a_dropped_doubled_or_moved_entry_is_found(drafts: list[tuple[str, dict[str, object]]], more: st.DataObject) -> None:
    stored = build([*drafts, ("gap", {})])
    place = more.draw(st.integers(0, len(stored) - 2))
    assert check_chain(SESSION, stored[:place] + stored[place + 1 :]) != []
    assert check_chain(SESSION, [*stored[: place + 1], stored[place], *stored[place + 1 :]]) != []
    assert check_chain(SESSION, [*stored[:place], stored[place + 1], stored[place], *stored[place + 2 :]]) != []


@given(trails, st.integers(0, 200), st.integers(1, 255))
def test_a_flipped_byte_is_found(drafts: list[tuple[str, dict[str, object]]], at: int, mask: int) -> None:
    stored = build(drafts)
    body, entry_hash = stored[-1]
    assert isinstance(body, bytes)
    broken = bytearray(body)
    broken[at % len(broken)] ^= mask
    assert check_chain(SESSION, [*stored[:-1], (bytes(broken), entry_hash)]) != []


def test_another_sessions_entries_are_found() -> None:
    assert check_chain("ses_other", build([("gap", {})])) == ["entry 1: belongs to ses_chain"]


def test_what_is_no_entry_at_all_is_a_finding_not_a_crash() -> None:
    for body in (b"", b"[]", b"{}", b"\xff\xfe", b'{"session":1}'):
        assert any("unreadable" in finding for finding in check_chain(SESSION, [(body, sha256_hex(body))]))


def test_a_commitment_hides_and_binds() -> None:
    assert commitment(b"a" * 32, "hello") != commitment(b"b" * 32, "hello")
    assert commitment(b"a" * 32, "hello") != commitment(b"a" * 32, "hellp")
