"""One change anywhere in a bundle is found, and named by its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance import bundle as b
from compliance.verifier import verify_bundle
from recording.chain import commitment
from tests.compliance.made import Bundle, codes, places
from tests.compliance.sealed import pack

# Binary members are named by their fragment; these by themselves.
PLACES = {b.ENTRIES: ("entry", "entries", b.ENTRIES)}


def test_an_untouched_bundle_verifies_with_the_key_from_elsewhere(made: Bundle) -> None:
    report = made.verify(made.members)
    assert report.ok, report.to_text()
    assert (report.fragments, report.orders, report.trusted) == (4, 2, True)
    assert [finding.code for finding in report.findings] == ["note_gap"]
    assert "VERIFIED" in report.to_text("en")
    assert "校验通过" in report.to_text("zh")


@pytest.mark.parametrize("place", [0, 6, -1])
def test_a_changed_entry_is_named(made: Bundle, place: int) -> None:
    lines = made.lines(b.ENTRIES)
    number = range(1, len(lines) + 1)[place]
    lines[place] = lines[place].replace(b'"kind":"', b'"kind":"x')
    report = made.with_lines(b.ENTRIES, lines)
    assert places(report, "entry_changed") == [f"entry {number}"]
    assert f"entry {number}: hash differs" in report.to_text()


def test_a_dropped_entry_is_named(made: Bundle) -> None:
    lines = made.lines(b.ENTRIES)
    del lines[4]
    assert places(made.with_lines(b.ENTRIES, lines), "entry_dropped") == ["entry 5"]


def test_swapped_entries_are_named(made: Bundle) -> None:
    lines = made.lines(b.ENTRIES)
    lines[6], lines[7] = lines[7], lines[6]
    report = made.with_lines(b.ENTRIES, lines)
    assert places(report, "entries_swapped") == ["entries 7 and 8"]
    assert "entries 7 and 8: they are swapped" in report.to_text()


def test_without_the_hashes_the_chain_still_names_the_place(made: Bundle) -> None:
    members = {name: content for name, content in made.members.items() if name != b.HASHES}
    lines = made.lines(b.ENTRIES)
    lines[3] = lines[3].replace(b"}", b" }", 1)
    report = made.verify({**members, b.ENTRIES: b"".join(line + b"\n" for line in lines)})
    assert places(report, "entry_changed") == ["entry 4"]


def test_rewriting_the_whole_trail_consistently_is_still_found(made: Bundle) -> None:
    """Who rewrites entries and hashes alike is stopped by the seal alone."""
    lines = made.lines(b.ENTRIES)[:-1]
    hashes = made.lines(b.HASHES)[:-1]
    members = {b.ENTRIES: b"\n".join(lines) + b"\n", b.HASHES: b"\n".join(hashes) + b"\n"}
    report = made.verify({**made.members, **members})
    assert {"seal_root", "seal_entries"} <= codes(report)
    assert "seal.txt" in places(report, "seal_entries")


def test_a_changed_fragment_is_named_by_stream_epoch_and_index(made: Bundle) -> None:
    name = sorted(name for name in made.members if name.startswith(b.FRAGMENTS))[2]
    content = bytearray(made.members[name])
    content[7] ^= 1
    [where] = places(made.verify({**made.members, name: bytes(content)}), "fragment_hash")
    assert where.startswith("fragment host/1/2 ")
    [where] = places(made.verify({**made.members, name: bytes(content[:-1])}), "fragment_size")
    assert where.startswith("fragment host/1/2 ")
    members = {key: value for key, value in made.members.items() if key != name}
    [where] = places(made.verify(members), "fragment_missing")
    assert where.startswith("fragment host/1/2 ")


def test_a_personal_text_that_was_changed_is_named(made: Bundle) -> None:
    lines = made.lines(b.TEXTS)
    item = json.loads(lines[0])
    lines[0] = json.dumps({**item, "text": item["text"] + "!"}, ensure_ascii=False).encode()
    assert places(made.with_lines(b.TEXTS, lines), "text_mismatch") == [f"entry {item['seq']}, {item['field']}"]
    assert commitment(bytes.fromhex(item["salt"]), item["text"]).encode() in made.members[b.ENTRIES]


def test_a_disclosure_that_was_reworded_is_named(made: Bundle) -> None:
    changed = made.members[b.DISCLOSURES].replace(b"may lose part", b"may not lose")
    assert places(made.verify({**made.members, b.DISCLOSURES: changed}), "disclosure_text") == ["disclosure prd_a version 3"]


def test_a_session_left_out_of_the_register_is_found(made: Bundle) -> None:
    report = made.with_lines(b.REGISTER, made.lines(b.REGISTER)[1:])
    assert {"register_chain", "register_seal"} <= codes(report)


def text_and_binary(members: dict[str, bytes]) -> list[str]:
    return sorted(name for name, content in members.items() if content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_found_and_placed(made: Bundle, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(text_and_binary(made.members)))
    content = bytearray(made.members[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    report = made.verify({**made.members, name: bytes(content)})
    assert not report.ok
    assert any(is_place(name, finding.where) for finding in report.faults), report.to_text()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_drop_or_addition_of_a_member_is_found_and_placed(made: Bundle, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(text_and_binary(made.members)))
    members = dict(made.members)
    match data.draw(st.sampled_from(["cut", "drop", "grow", "add"])):
        case "cut":
            members[name] = members[name][: data.draw(st.integers(0, len(members[name]) - 1))]
        case "drop":
            del members[name]
        case "grow":
            members[name] += data.draw(st.binary(min_size=1, max_size=20))
        case _:
            name = f"{b.FRAGMENTS}extra/more.mp4"
            members[name] = b"more"
    report = made.verify(members)
    assert not report.ok
    assert any(is_place(name, finding.where) for finding in report.faults), report.to_text()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_reordering_of_entries_is_found_exactly(made: Bundle, data: st.DataObject) -> None:
    lines = made.lines(b.ENTRIES)
    first = data.draw(st.integers(0, len(lines) - 2))
    second = data.draw(st.integers(first + 1, len(lines) - 1))
    lines[first], lines[second] = lines[second], lines[first]
    report = made.with_lines(b.ENTRIES, lines)
    named = f"entries {first + 1} and {second + 1}"
    assert named in places(report, "entries_swapped")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_of_any_bytes_is_reported_and_never_raises(made: Bundle, data: st.DataObject) -> None:
    whole = pack(made.folder / "whole.zip", made.members).read_bytes()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(broken)))
    path = made.folder / "broken.zip"
    path.write_bytes(bytes(broken[:cut]) if data.draw(st.booleans()) else bytes(broken))
    assert verify_bundle(path, made.key).to_text()


def is_place(name: str, where: str) -> bool:
    if name.startswith(b.FRAGMENTS):
        return name.removeprefix(b.FRAGMENTS) in where or name == where
    return where == name or where.startswith((name, *PLACES.get(name, ())))


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "fragments/../../x", "fragments\\x", "a.txt", "fragments//x"])
def test_a_path_that_leads_out_of_the_bundle_is_refused(made: Bundle, name: str) -> None:
    assert codes(made.verify({**made.members, name: b"x"})) == {"zip_unsafe"}


def test_a_bomb_is_refused_before_it_is_read(made: Bundle) -> None:
    path = pack(made.folder / "changed.zip", made.members)
    report = verify_bundle(path, made.key, b.Limits(text_bytes=100))
    assert codes(report) == {"zip_unsafe"}
    assert codes(verify_bundle(path, made.key, b.Limits(members=5))) == {"zip_unsafe"}


def test_it_is_not_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "not.zip"
    path.write_bytes(b"not a zip")
    assert codes(verify_bundle(path)) == {"zip_unsafe"}
    with pytest.raises(FileNotFoundError):
        verify_bundle(tmp_path / "nowhere.zip")


def test_the_index_needs_no_network_and_no_script(made: Bundle) -> None:
    page = made.members[b.INDEX].decode()
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "ord_1" in page
    assert "0:00:04.000 – 0:00:07.000" in page
