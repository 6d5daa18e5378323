"""Whatever a bundle holds, verifying it ends with a report that can be printed, and takes little memory."""

from __future__ import annotations

import os
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance import bundle as b
from compliance import record
from compliance.bundle import BundleFile
from compliance.findings import Report
from compliance.seals import MOST_FAULTS
from core.canonical import canonical
from recording import kinds
from recording.note import VerifierKey
from tests.compliance.made import Bundle, body, codes, places

FRAGMENT = {"stream": "host", "epoch": 1, "index": 0, "start_ms": 0, "end_ms": 1, "bytes": 1, "sha256": "a", "path": "p"}
# An entry of each kind that the examination reads more closely.
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    (kinds.SESSION_STARTED, {"required": ["host"]}),
    (kinds.FRAGMENT, FRAGMENT),
    (kinds.GAP, {"stream": "host", "from_ms": 1, "to_ms": 2, "reason": "lost", "track": "video"}),
    (kinds.DISCLOSURE_CONFIRMED, {"product": "p", "version": 1, "disclosure_sha256": "a"}),
    (kinds.ORDER_PLACED, {"order": "o", "product": {"id": "p"}, "price": "1", "media_ms": 1, "streams": {"host": {}}}),
    (kinds.ORDER_UNCOVERED, {"order": "o"}),
    (kinds.COMMENT, {"text": {"sha256": "0" * 64}, "author": "x"}),
    (kinds.SESSION_ENDED, {}),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["host", "p", "o", "\x1b[2J", "0" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "sha256", "host"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def printed(report: Report) -> str:
    said = report.to_text("en") + report.to_text("zh")
    said.encode()
    assert all(line.isprintable() for line in said.split("\n"))
    return said


@st.composite
def trails(draw: st.DrawFn) -> list[bytes]:
    """Entries with a value of any type where another was expected."""
    bodies = []
    for seq, (kind, data) in enumerate(ENTRIES, 1):
        changed: dict[str, Any] = dict(data)
        head: dict[str, Any] = {}
        for name in draw(st.lists(st.sampled_from([*data, "media_ms"]), max_size=2)):
            changed[name] = draw(VALUES)
        for name in draw(st.lists(st.sampled_from(["media_ms", "seq", "actor", "prev", "at", "session", "data"]), max_size=1)):
            head[name] = draw(VALUES)
        bodies.append(body(seq, kind, changed, **head))
    return bodies


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=trails())
def test_a_value_of_any_type_in_an_entry_is_reported(made: Bundle, bodies: list[bytes]) -> None:
    report = made.with_lines(b.ENTRIES, bodies)
    assert not report.ok
    printed(report)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_value_of_any_type_in_another_member_is_reported(made: Bundle, data: st.DataObject) -> None:
    name, fields = data.draw(
        st.sampled_from(
            [
                (b.TEXTS, {"seq": 1, "field": "text", "salt": "00", "text": "x"}),
                (b.DISCLOSURES, {"product": "p", "version": 1, "sha256": "a", "text": {"en": "x", "zh": "x"}}),
                (b.REGISTER, {"seal": "x\n\n— a AAAAAAAA\n"}),
                (b.MANIFEST, {"format": b.FORMAT, "session": "s", "members": []}),
            ]
        )
    )
    changed = fields | {data.draw(st.sampled_from(sorted(fields))): data.draw(VALUES)}
    report = made.with_lines(name, [canonical(changed)])
    assert not report.ok
    printed(report)


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([body(1, *ENTRIES[0]), body(2, kinds.SESSION_ENDED, {}, "x")], "entry_unreadable"),
        ([body(1, kinds.ORDER_PLACED, {"order": "o", "product": "p", "media_ms": [1]})], "entry_unreadable"),
        ([body(1, kinds.ORDER_PLACED, {"order": "o", "product": "p", "media_ms": "x"}), body(2, kinds.FRAGMENT, FRAGMENT)],
         "entry_unreadable"),
        ([body(1, kinds.FRAGMENT, FRAGMENT, [])], "fragment_entry"),
        ([body(1, kinds.SESSION_STARTED, {"required": [f"s{n}" for n in range(101)]})], "entry_unreadable"),
        ([body(1, kinds.GAP, {"stream": "s" * 301, "from_ms": 0, "to_ms": 1})], "entry_unreadable"),
    ],
)  # fmt: skip
def test_what_no_entry_of_ours_says_is_named(made: Bundle, entries: list[bytes], code: str) -> None:
    report = made.with_lines(b.ENTRIES, entries)
    assert code in codes(report)
    assert places(report, code)[0].startswith("entry ")


@pytest.mark.parametrize("line", [b"0" * 63, b"0" * 65, b"A" * 64, b"", b" " + b"0" * 63, "٠".encode() * 32])
def test_a_hash_is_64_lower_case_hex_digits(made: Bundle, line: bytes) -> None:
    lines = made.lines(b.HASHES)
    said = printed(made.with_lines(b.HASHES, [*lines[:2], line, *lines[3:]]))
    assert f"{b.HASHES}: it can't be read: line 3 is no hash" in said


def test_it_can_not_write_on_the_terminal(made: Bundle) -> None:
    said = printed(
        made.with_lines(b.TEXTS, [canonical({"seq": 1, "field": "\x1b[2J\nVERIFIED\n\u202e", "salt": "", "text": ""})])
    )
    assert "\\x1b[2J\\nVERIFIED\\n\\u202e" in said
    printed(made.with_lines(b.TEXTS, [b'{"seq":1,"field":"\\ud800","salt":"00","text":""}']))
    manifest = canonical({"format": b.FORMAT, "session": "\x1b[2J\nVERIFIED" + "y" * 5000, "members": []})
    said = printed(made.verify({**made.members, b.MANIFEST: manifest, b.SEAL: b"no seal"}))
    assert max(map(len, said.splitlines())) < 1000


def peak_mb(made: Bundle, members: dict[str, bytes]) -> tuple[Report, float]:
    tracemalloc.start()
    try:
        report = made.verify(members)
        return report, tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b.REGISTER, b'{"seal":[' + b",".join([b"[]"] * 2_000_000) + b"]}\n"),
        (b.REGISTER, b'{"seal":""}\n' * 200_000),
        (b.MANIFEST, b'{"members":[' + b",".join([b"[]"] * 2_000_000) + b"]}"),
        (b.HASHES, (b"0" * 1_000_000 + b"\n") * 40),
        (b.HASHES, (b"0" * 64 + b"\n") * 200_000),
        (b.TEXTS, b'{"seq":1,"field":"x","salt":"","text":""}\n' * 30_000),
    ],
    ids=["register bomb", "long register", "manifest bomb", "long hashes", "many hashes", "many texts"],
)
def test_a_small_file_takes_no_great_memory(made: Bundle, name: str, content: bytes) -> None:
    members = {**made.members, name: content}
    unmade, alone = peak_mb(made, made.members)
    report, peak = peak_mb(made, members)
    assert unmade.ok
    assert not report.ok
    # Beside the test's own copy of the zip, which `pack` makes in memory.
    assert peak - alone < 2 * len(content) / 2**20 + 12


def test_a_long_register_ends_where_it_no_longer_holds(made: Bundle) -> None:
    [first, last] = made.lines(b.REGISTER)
    report = made.with_lines(b.REGISTER, [first] * 5000 + [last])
    assert {"register_chain", "register_seal"} <= codes(report)
    assert len(places(report, "register_chain")) <= MOST_FAULTS + 1


def test_more_than_a_hundred_keys_are_refused(made: Bundle) -> None:
    keys = {}
    while len(keys) < 100:
        key = VerifierKey("k", os.urandom(32))
        keys[f"{b.KEYS}{key.id.hex()}.pub"] = f"{key}\n".encode()
    assert codes(made.verify({**made.members, **keys})) == {"zip_unsafe"}
    keys.popitem()
    assert codes(made.verify({**made.members, **keys})) == {"member_unknown"}


def test_a_file_that_many_entries_name_is_read_once(made: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(name for name in made.members if name.startswith(b.FRAGMENTS))
    read: list[str] = []
    digest = BundleFile.digest

    def counting(self: BundleFile, path: str) -> tuple[int, str]:
        read.append(path)
        return digest(self, path)

    monkeypatch.setattr(BundleFile, "digest", counting)
    named = {**FRAGMENT, "path": name.removeprefix(b.FRAGMENTS)}
    report = made.with_lines(b.ENTRIES, [body(n, kinds.FRAGMENT, {**named, "index": n}) for n in range(1, 30)])
    assert read.count(name) == 1
    assert len(places(report, "fragment_twice")) == 28


def test_a_record_that_names_too_much_is_not_kept_whole(made: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_KEPT", 5)
    report = made.verify(made.members)
    assert "record_full" in codes(report)
    assert report.fragments + report.orders <= 5


@pytest.mark.parametrize(("limits", "name"), [(b.Limits(entries=5), b.ENTRIES), (b.Limits(lines=3), b.TEXTS)])
def test_more_lines_than_the_limits_are_not_read(made: Bundle, limits: b.Limits, name: str) -> None:
    assert name in places(made.verify(made.members, limits=limits), "member_unreadable")


def test_many_more_entries_than_the_seal_counts_are_not_read(made: Bundle) -> None:
    lines = made.lines(b.ENTRIES)
    report = made.with_lines(b.ENTRIES, lines + [lines[0]] * 3000)
    assert report.entries <= len(lines) + 1000
    assert {"seal_root", "member_unreadable"} <= codes(report)
