"""A stretch that is proven at once, here or in another process, is one in which nothing would be found entry by entry.

Whatever is done to a bundle, sealed so or done afterwards, the report is the same to the letter as without that shorter way.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance import bundle as b
from compliance import provers, stretch, text_lines, verifier
from compliance.examination import Examination
from compliance.findings import Report
from compliance.stretch import Proven, Stretch, prove
from core.canonical import canonical, sha256_hex
from recording import kinds
from recording.chain import GENESIS, Draft
from tests.compliance.made import Bundle, codes, places, sealed_as_it_is, trail
from tests.compliance.sealed import comment, order, shelf

FEW = 4  # entries in a stretch, so that a small trail has several
DRAFTS = (
    Draft(kinds.SESSION_STARTED, "adviser-1", {"kind": "show", "required": ["host"], "state": "live"}, media_ms=0),
    shelf("prd_a"),
    *(comment(text) for text in ("👍", "tab\t quote\" back\\ \x7f")),
    Draft(kinds.DISCLOSURE_CONFIRMED, "c", {"product": "p", "version": 1, "disclosure_sha256": "0" * 64}, {"customer": "c"}),
    order("ord_1"),
    Draft("from_the_future", "adviser-1", {"names": {"\ue000": 1, "\U0001f600": 2}, "deep": [[[[[[{}]]]]]]}),
    *(comment(str(number)) for number in range(4)),
    order("ord_2"),
    Draft(kinds.GAP, "recording", {"stream": "host", "from_ms": 1, "to_ms": 2, "reason": "lost", "track": "video"}),
    Draft(kinds.GAP, "recording", {"stream": "host", "from_ms": 0, "to_ms": 9000, "reason": "disk full"}),
    *(Draft(kinds.ORDER_UNCOVERED, "recording", {"order": name}) for name in ("ord_1", "ord_2")),
    Draft(kinds.SESSION_ENDED, "adviser-1", {}, media_ms=9000),
)  # fmt: skip


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "LENGTH", FEW)
    monkeypatch.setattr(stretch, "_PART", FEW - 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return sealed_as_it_is(tmp_path_factory.mktemp("whole"), *trail(*DRAFTS))


@contextmanager
def one_by_one() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provers, "prove", lambda _one: None)
        yield


def both_ways(bundle: Bundle, members: dict[str, bytes] | None = None) -> Report:
    """The report, which is the same either way."""
    report = bundle.verify(members or bundle.members)
    with one_by_one():
        assert bundle.verify(members or bundle.members) == report
    return report


class Counting:
    """How many stretches were taken at once, and how many were not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[bool] = []
        take = Examination.take_stretch

        def counted(exam: Examination, proven: Proven, first: int) -> bool:
            self.taken.append(take(exam, proven, first))
            return self.taken[-1]

        monkeypatch.setattr(Examination, "take_stretch", counted)


def test_of_a_whole_trail_all_stretches_but_the_one_with_a_great_character_are_taken_at_once(
    whole: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    report = whole.verify(whole.members)
    assert report.is_verified, report.to_text()
    assert (report.entries, report.orders) == (len(DRAFTS), 2)
    # The one with a key above U+FFFF is not proven, and so not even offered.
    assert counting.taken == [True] * (-(-len(DRAFTS) // FEW) - 1)
    told = {finding.code for finding in both_ways(whole).findings}
    assert told == {"note_disclosure", "note_gap", "note_order_uncovered"}


def rewritten(change: Callable[[dict[str, Any]], Any], place: int) -> list[bytes]:
    """The trail with one entry made a comment and then changed, and all after it chained to what it has become."""
    bodies, prev = [], GENESIS
    for number, line in enumerate(trail(*DRAFTS)[0], 1):
        value = json.loads(line) | {"prev": prev}
        made = None
        if number == place:
            value |= {"kind": "comment", "data": {"id": "cmt", "host": False}}
            made = change(value)
        bodies.append(made if isinstance(made, bytes) else canonical(value))
        prev = sha256_hex(bodies[-1])
    return bodies


def put(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda value: value.update(fields)


SEALED_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a space": (lambda value: json.dumps(value, sort_keys=True).encode(), "entry_not_canonical"),
    "an escape nobody needs": (lambda value: canonical(value).replace(b"comment", b"\\u0063omment"), "entry_not_canonical"),
    "a key twice": (lambda value: canonical(value).replace(b'{"actor"', b'{"actor":"","actor"'), "entry_not_canonical"),
    "keys out of order": (lambda value: json.dumps(value, separators=(",", ":")).encode(), "entry_not_canonical"),
    "a float": (lambda value: canonical(value).replace(b'"host":false', b'"host":1.0'), "entry_not_canonical"),
    "a great number": (lambda value: canonical(value).replace(b'"host":false', b'"host":9007199254740993'), "entry_unreadable"),
    "a byte order mark": (lambda value: b"\xef\xbb\xbf" + canonical(value), "entry_not_canonical"),
    "no JSON": (lambda _value: b"{", "entry_unreadable"),
    "an empty line": (lambda _value: b"", "entry_unreadable"),
    "no Unicode": (lambda value: canonical(value).replace(b"cmt", b"\xff"), "entry_unreadable"),
    "a surrogate": (lambda value: canonical(value).replace(b"cmt", b"\\ud800"), "entry_unreadable"),
    "another field": (put(more=1), "entry_unreadable"),
    "a field less": (lambda value: value.pop("actor") and None, "entry_unreadable"),
    "keys in the order of UTF-8": (
        lambda value: canonical(value).replace(b'"id":"cmt"', '"id":{"\ue000":1,"\U0001f600":2}'.encode()),
        "entry_not_canonical",
    ),
    "no such day": (put(at="2026-02-30T08:00:00.000000Z"), "entry_unreadable"),
    "another time's form": (put(at="2026-11-22T08:00:00Z"), "entry_not_canonical"),
    "another zone": (put(at="2026-11-22T16:00:00.000000+08:00"), "entry_not_canonical"),
    "hour 24": (put(at="2026-11-21T24:00:00.000000Z"), "entry_"),
    "two times in one": (put(at="2026-11-22T08:00:00.000000Z\n2026-11-22T08:00:00.000000Z"), "entry_unreadable"),
    "six seconds back": (put(at="2026-11-22T07:59:54.000000Z"), "entry_time"),
    "another number": (put(seq=99), "entry_seq"),
    "a number as text": (put(seq="7"), "entry_not_canonical"),
    "another session": (put(session="ses_2"), "entry_session"),
    "another entry before it": (put(prev="f" * 64), "entry_prev"),
    "no media time": (put(media_ms="x"), "entry_unreadable"),
    "a fragment nobody can read": (put(kind="fragment"), "fragment_entry"),
    "an order without a product": (put(kind="order_placed", data={"order": "o"}), "entry_unreadable"),
}  # fmt: skip


PLACES = {"first": 1, "first of a stretch": 9, "within a part": 10, "first of a part": 12, "last": len(DRAFTS)}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("fault", SEALED_FAULTS)
def test_a_fault_that_was_sealed_is_found_and_named_either_way(tmp_path: Path, fault: str, place: int) -> None:
    change, code = SEALED_FAULTS[fault]
    if fault == "six seconds back" and place == 1:
        return  # nothing is before it
    texts = [line for line in trail(*DRAFTS)[1] if f'"seq":{place},'.encode() not in line]
    report = both_ways(sealed_as_it_is(tmp_path, rewritten(change, place), texts))
    named = [finding for finding in report.faults if finding.code.startswith(code)]
    assert [finding.where for finding in named][:1] == [f"entry {place}"], report.to_text()


def test_clocks_of_two_processes_may_differ_by_five_seconds(tmp_path: Path) -> None:
    for step, found in ((-5.0, []), (-5.000001, ["entry 3", "entry 9", "entry 12"])):
        steps = [1.0] * len(DRAFTS)
        steps[1] = steps[7] = steps[10] = step  # within a part, between stretches, between parts
        report = both_ways(sealed_as_it_is(tmp_path, *trail(*DRAFTS, steps_s=steps)))
        assert places(report, "entry_time") == found


def test_a_time_of_any_century_is_compared_as_a_time(tmp_path: Path) -> None:
    """Before the year 1000 the form of times is another, so that they can't be compared as text."""
    report = both_ways(sealed_as_it_is(tmp_path, *trail(*DRAFTS, start="0999-12-31T23:59:59.500000Z")))
    assert not places(report, "entry_time")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_is_reported_the_same_either_way(whole: Bundle, data: st.DataObject) -> None:
    members = dict(whole.members)
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from([b.ENTRIES, b.TEXTS, b.HASHES]))
        lines = members[name].splitlines(keepends=True)
        if not lines:
            continue
        at = data.draw(st.integers(0, len(lines) - 1))
        to = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["byte", "drop", "swap", "double", "move", "cut", "end"])):
            case "byte":
                changed = bytearray(lines[at])
                changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
                lines[at] = bytes(changed)
            case "drop":
                del lines[at]
            case "swap":
                lines[at], lines[to] = lines[to], lines[at]
            case "double":
                lines.insert(to, lines[at])
            case "move":
                lines.insert(to, lines.pop(at))
            case "cut":
                lines[at:] = [lines[at][: data.draw(st.integers(0, len(lines[at]) - 1))]]
            case _:
                del lines[at:]
        members[name] = b"".join(lines)
    report = both_ways(whole, members)
    assert report.ok is (members == whole.members)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_texts_in_any_order_or_erased_are_told_the_same_either_way(tmp_path: Path, data: st.DataObject) -> None:
    bodies, texts = trail(*DRAFTS)
    kept = data.draw(st.permutations(texts))[: data.draw(st.integers(0, len(texts)))]
    report = both_ways(sealed_as_it_is(tmp_path, bodies, kept if data.draw(st.booleans()) else sorted(kept, key=texts.index)))
    assert report.ok
    erased = [finding.params["count"] for finding in report.findings if finding.code == "note_erased"]
    assert erased == ([len(texts) - len(kept)] if len(kept) < len(texts) else [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b',"salt"', b',\n"salt"', id="broken"),
        pytest.param(b"\n", b"\n\n", id="blank"),
        pytest.param(b"\n", b" \n", id="space"),
        pytest.param(b"}\n{", b"} {", id="joined"),
        pytest.param(b'"seq":3', b'"seq":3.0', id="float"),
        pytest.param(b"cust", b"\xff", id="no Unicode"),
    ],
)
def test_a_line_of_the_texts_that_is_none_is_told_either_way(tmp_path: Path, old: bytes, new: bytes) -> None:
    """Sealed and listed so: only the line itself tells. A space is none of the verifier's business."""
    bodies, texts = trail(*DRAFTS)
    changed = b"".join(line + b"\n" for line in texts).replace(old, new, 1)
    report = both_ways(sealed_as_it_is(tmp_path, bodies, changed[:-1].split(b"\n")))
    assert [where.partition(" line ")[0] for where in places(report, "member_unreadable")][:1] == [b.TEXTS] * (new != b" \n")


def test_very_many_texts_of_one_entry_are_looked_at_line_by_line(whole: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(b, "_BLOCK", 300)
    monkeypatch.setattr(text_lines, "_MOST_LINES", 5)
    assert both_ways(whole).is_verified
    lines = whole.lines(b.TEXTS)
    members = {**whole.members, b.TEXTS: b"".join(line + b"\n" for line in [lines[0]] * 50 + lines)}
    report = both_ways(whole, members)
    assert codes(report) == {"text_unknown", "member_changed"}


def test_what_is_proven_holds_all_that_a_record_reads(whole: Bundle) -> None:
    """An entry kept without the data nobody reads tells the same as the whole entry: what readers read is in the list."""
    bodies, texts = trail(*DRAFTS)
    del bodies[6:]  # before the character above U+FFFF
    seen = prove(Stretch(1, "ses", b"".join(line + b"\n" for line in bodies), b"".join(line + b"\n" for line in texts[:8])))
    assert seen is not None
    assert [entry.kind for entry in seen.told] == [
        kinds.SESSION_STARTED,
        kinds.SHELF_CHANGED,
        kinds.DISCLOSURE_CONFIRMED,
        kinds.ORDER_PLACED,
    ]
    assert seen.unopened == []
    assert b"".join(bytes.fromhex(sha256_hex(line)) for line in bodies) == seen.hashes


@pytest.fixture
def several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provers, "WORTHWHILE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})


def test_other_processes_prove_the_same(whole: Bundle, several_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Stretch] = []
    monkeypatch.setattr(provers, "prove", asked.append)  # not here
    counting = Counting(monkeypatch)
    report = whole.verify(whole.members)
    assert report.is_verified, report.to_text()
    assert counting.taken == [True] * (-(-len(DRAFTS) // FEW) - 1)
    assert asked == []
    lines = whole.lines(b.ENTRIES)
    del lines[4]
    assert places(whole.with_lines(b.ENTRIES, lines), "entry_dropped") == ["entry 5"]


def test_nothing_that_lies_in_the_current_folder_is_run(
    whole: Bundle, several_processes: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as the one in which somebody has unpacked what he was sent."""
    for name in ("compliance/__init__.py", "compliance/provers.py", "msgspec.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    counting = Counting(monkeypatch)
    assert whole.verify(whole.members).is_verified
    assert not (tmp_path / "was_run").exists()
    assert counting.taken == [True] * (-(-len(DRAFTS) // FEW) - 1)


def test_a_process_that_dies_takes_nothing_with_it(
    whole: Bundle, several_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = provers.Provers.submit

    def killing(self: provers.Provers, one: Stretch) -> Future[Proven | None]:
        if one.first > FEW:
            for process in self._processes:
                os.kill(process.pid, signal.SIGKILL)
        return submit(self, one)

    monkeypatch.setattr(provers.Provers, "submit", killing)
    counting = Counting(monkeypatch)
    assert whole.verify(whole.members).is_verified
    assert len(counting.taken) < len(DRAFTS) // FEW


def test_a_process_that_does_not_answer_is_ended(
    whole: Bundle, several_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provers, "_ANSWER_WITHIN_S", 0.01)  # less than it takes to start
    assert whole.verify(whole.members).is_verified


def test_where_no_process_can_be_started_this_one_does_it(
    whole: Bundle, several_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    counting = Counting(monkeypatch)
    assert whole.verify(whole.members).is_verified
    assert any(counting.taken)
