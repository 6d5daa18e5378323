"""Whatever is done to the lines, members or bytes of a bundle is found, and named by its place."""

from __future__ import annotations

import io
import json
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance import bundle as b
from compliance.bundle import BundleFile
from compliance.verifier import verify_bundle
from recording.note import Signer, sign_note
from tests.compliance.made import Bundle, codes, places, sealed_as_it_is, trail
from tests.compliance.sealed import comment, order, pack

IN_LINES = (b.ENTRIES, b.HASHES, b.TEXTS, b.REGISTER, b.DISCLOSURES)
ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(data=st.data())
def test_any_line_of_any_member_that_is_dropped_doubled_moved_or_cut_off_is_found_in_it(
    made: Bundle, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(IN_LINES))
    before = made.lines(name)
    lines = list(before)
    at, to = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    match data.draw(st.sampled_from(["drop", "double", "move", "cut off", "empty"])):
        case "drop":
            del lines[at]
        case "double":
            lines.insert(to, lines[at])
        case "move":
            lines.insert(to, lines.pop(at))
        case "cut off":
            del lines[at:]
        case _:
            lines.insert(at, b"")
    report = made.with_lines(name, lines)
    assert report.ok is (lines == before)
    # What is in it is named besides; that the manifest names another hash for it holds in any case.
    assert (name in places(report, "member_changed")) is (lines != before)


@ANY
@given(data=st.data())
def test_entries_that_are_dropped_doubled_moved_or_cut_off_are_named_by_their_numbers(
    made: Bundle, data: st.DataObject
) -> None:
    whole = made.lines(b.ENTRIES)
    lines = list(whole)
    at = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "double", "cut off"])):
        case "drop":
            del lines[at]
            assert places(made.with_lines(b.ENTRIES, lines), "entry_dropped") == [f"entry {at + 1}"]
        case "double":
            place = data.draw(st.integers(0, len(lines)))
            lines.insert(place, lines[at])
            report = made.with_lines(b.ENTRIES, lines)
            # Of two neighbours alike, either may be the one too many.
            named = places(report, "entry_twice") + places(report, "entry_added")
            assert named in ([f"entry {number}"] for number in {at + 1, place + 1, at + 2})
        case _:
            del lines[at:]
            gone = [f"entry {number}" for number in range(at + 1, len(whole) + 1)]
            assert places(made.with_lines(b.ENTRIES, lines), "entry_dropped") == gone


@ANY
@given(data=st.data())
def test_a_member_cut_in_any_place_is_named(made: Bundle, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(name for name, content in made.members.items() if content)))
    content = made.members[name][: data.draw(st.integers(0, len(made.members[name]) - 1))]
    report = made.verify({**made.members, name: content})
    assert any(name.removeprefix(b.FRAGMENTS) in finding.where for finding in report.faults), report.to_text()


def test_each_member_that_is_removed_or_renamed_is_named(made: Bundle) -> None:
    for name, content in made.members.items():
        rest = {other: held for other, held in made.members.items() if other != name}
        is_fragment, is_key = name.startswith(b.FRAGMENTS), name.startswith(b.KEYS)
        bare = name.removeprefix(b.FRAGMENTS)
        assert any(bare in finding.where for finding in made.verify(rest).faults), name
        other = f"{b.FRAGMENTS}x/{bare}" if is_fragment else f"{b.KEYS}00000000.pub" if is_key else f"{b.FRAGMENTS}{name}"
        report = made.verify({**rest, other: content})
        assert any(finding.where == other for finding in report.faults), name
        assert any(bare in finding.where for finding in report.faults if finding.where != other), name


def test_two_members_that_changed_places_are_both_named(made: Bundle) -> None:
    names = sorted(made.members)
    for one, other in pairwise(names):
        report = made.verify({**made.members, one: made.members[other], other: made.members[one]})
        for name in (one, other):
            assert any(name.removeprefix(b.FRAGMENTS) in finding.where for finding in report.faults), (one, other)


@settings(ANY, max_examples=120)
@given(data=st.data())
def test_a_zip_changed_in_any_byte_fails_or_holds_what_it_held(made: Bundle, data: st.DataObject) -> None:
    """The zip's own bytes are signed by nobody; through them no member's content changes unseen."""
    changed = bytearray(whole_zip(made))
    at = data.draw(st.integers(0, len(changed) - 1))
    match data.draw(st.sampled_from(["change", "cut out", "put in", "before", "after"])):
        case "change":
            changed[at] ^= data.draw(st.integers(1, 255))
        case "cut out":
            del changed[at : at + data.draw(st.integers(1, 4))]
        case "put in":
            changed[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        case "before":
            changed[:0] = data.draw(st.binary(min_size=1, max_size=40))
        case _:
            changed += data.draw(st.binary(min_size=1, max_size=40))
    path = made.folder / "bytes.zip"
    path.write_bytes(bytes(changed))
    if verify_bundle(path, made.key).ok:
        with BundleFile(path) as bundle:
            assert {name: b"".join(bundle.blocks(name)) for name in bundle.members} == made.members


def test_what_may_change_unseen_is_what_the_verifier_says(made: Bundle, tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as changed:
        changed.comment = b"a comment"
        for name in sorted(made.members, reverse=True):
            info = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            changed.writestr(info, made.members[name])
    path = tmp_path / "changed.zip"
    path.write_bytes(b"before" + held.getvalue())
    assert verify_bundle(path, made.key).is_verified
    stranger = sign_note("said\n", Signer("stranger", Ed25519PrivateKey.generate())).partition("\n\n")[2]
    for name, found in ((b.MANIFEST_NOTE, set()), (b.SEAL, {"member_changed"})):
        assert codes(made.verify({**made.members, name: made.members[name] + stranger.encode()})) == found


def whole_zip(made: Bundle) -> bytes:
    return pack(made.folder / "whole.zip", made.members).read_bytes()


def test_a_seal_left_out_of_the_middle_of_the_register_is_named_by_its_number(made: Bundle) -> None:
    """A session that should never have been has its seal taken out, and all else is signed anew by the same key."""
    lines = made.lines(b.REGISTER)
    [first, last] = lines
    for register, numbers in (([last], {1, 2}), ([first, first, last], {2}), ([last, first], {1, 2}), ([first], {2})):
        report = made.with_lines(b.REGISTER, register)
        said = " ".join(finding.detail for finding in report.faults) + " ".join(finding.where for finding in report.faults)
        assert not report.ok
        assert all(f"seal {number}" in said for number in numbers), (register, said)


def test_a_text_that_stands_beside_the_real_one_is_found(tmp_path: Path) -> None:
    """The last one before its entry would have been taken, and the other never looked at."""
    bodies, texts = trail(comment("yes"), order("ord_1", streams={}))
    index = next(number for number, line in enumerate(texts) if b'"text":"yes"' in line)
    forged = json.dumps({**json.loads(texts[index]), "text": "no"}).encode()
    for other in (forged, texts[index]):
        for place in (index, index + 1):
            doubled = [*texts[:place], other, *texts[place:]]
            report = sealed_as_it_is(tmp_path, bodies, doubled)
            found = report.verify(report.members)
            assert "text_unknown" in codes(found)
            assert "entry 1, text" in places(found, "text_unknown")


@pytest.mark.parametrize("name", [b.INDEX, b.AFTER, b.DISCLOSURES])
def test_what_only_the_manifest_covers_is_covered(made: Bundle, name: str) -> None:
    report = made.verify({**made.members, name: made.members[name] + b"\n"})
    assert name in places(report, "member_changed")
