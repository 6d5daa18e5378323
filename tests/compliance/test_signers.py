"""Whose signature counts: with a key from elsewhere only that one's; without, nobody vouches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance import bundle as b
from compliance.seals import KeyRing
from compliance.verifier import verify_bundle
from recording.keys import SigningKeys
from recording.note import Signer, Unverified, sign_note
from tests.compliance.made import Bundle, codes, make_bundle, sign_again
from tests.compliance.sealed import pack


@pytest.mark.parametrize("name", ["tellercast", "somebody"])
def test_what_only_the_manifest_protects_can_not_be_replaced_and_signed_again(made: Bundle, name: str) -> None:
    changed = {b.INDEX: b"<h1>ordered 9,999,999</h1>", b.AFTER: b"", b.TEXTS: b""}
    signer = Signer(name, Ed25519PrivateKey.generate())
    report = made.verify(sign_again({**made.members, **changed}, signer))
    assert codes(report) == {"manifest_key"}
    assert not report.is_verified
    assert signer.verifier.label in report.to_text("en")
    assert signer.verifier.label in report.to_text("zh")


def test_after_a_rotation_both_keys_verify_it_and_neither_alone(tmp_path: Path) -> None:
    rotated = make_bundle(tmp_path, rotate=True)
    newer, older = rotated.key.splitlines()
    assert rotated.verify(rotated.members).is_verified
    assert rotated.verify(rotated.members, older + b"\n\n" + newer).is_verified
    assert codes(rotated.verify(rotated.members, older)) == {"manifest_key"}
    assert codes(rotated.verify(rotated.members, newer)) == {"seal_signature"}


def test_seals_of_every_key_there_ever_was_stand_in_one_register(tmp_path: Path) -> None:
    """The register's first seal, this session's and the manifest are each signed by another key of the installation."""
    rotated = make_bundle(tmp_path, rotate=True, rotate_before=True)
    assert len(set(rotated.key.splitlines())) == 3
    assert rotated.verify(rotated.members).is_verified
    signers = [json.loads(line)["seal"].partition("— ")[2] for line in rotated.lines(b.REGISTER)]
    assert len({signer.split()[1][:5] for signer in signers}) == 2
    # The oldest key signed a seal that is only a link of the register: the one that came with the bundle does for it.
    newest, *others = rotated.key.splitlines()
    without = [codes(rotated.verify(rotated.members, newest + b"\n" + key)) for key in others]
    assert sorted(without, key=len) == [set(), {"seal_signature"}]


def test_of_many_keys_a_note_is_held_against_those_it_names() -> None:
    signers = [Signer(f"key-{number}", Ed25519PrivateKey.generate()) for number in range(20)]
    keys = KeyRing(signer.verifier for signer in signers)
    note = sign_note("said\n", signers[3], Signer("stranger", Ed25519PrivateKey.generate()), signers[7])
    assert keys.named_by(note) == [signers[3].verifier, signers[7].verifier]
    assert keys.open(note) == ("said\n", keys.named_by(note))
    with pytest.raises(Unverified):
        KeyRing([signers[5].verifier]).open(note)


def test_without_a_key_nobody_vouches(made: Bundle) -> None:
    report = verify_bundle(pack(made.folder / "changed.zip", made.members))
    assert report.ok
    assert (report.trusted, report.is_verified) == (False, False)
    assert "note_key" in {finding.code for finding in report.findings}
    for lang, verified in (("en", "VERIFIED"), ("zh", "校验通过")):
        head = report.to_text(lang).splitlines()[0]
        assert verified not in head
        assert "--key" in head


def test_a_forgery_of_ones_own_is_no_better_than_consistent(made: Bundle) -> None:
    forged = sign_again({**made.members, b.TEXTS: b""}, Signer("tellercast", Ed25519PrivateKey.generate()))
    report = verify_bundle(pack(made.folder / "changed.zip", forged))
    assert (report.ok, report.is_verified) == (True, False)


def test_anothers_key_signed_neither_seal_nor_manifest(made: Bundle, tmp_path: Path) -> None:
    other = f"{SigningKeys(tmp_path).signer().verifier}\n".encode()
    assert codes(made.verify(made.members, other)) == {"seal_signature", "manifest_key"}
