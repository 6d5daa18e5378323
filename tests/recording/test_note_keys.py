"""Signing keys on disk: private, made once, rotated without losing what verifies the past."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recording.keys import SigningKeys
from recording.note import open_note, sign_note


def test_the_first_use_makes_a_private_key(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path / "keys")
    assert keys.public() == []
    signer = keys.signer()
    assert keys.signer().verifier == signer.verifier
    assert keys.public() == [signer.verifier]
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_of_many_first_uses_one_key_comes(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: SigningKeys(tmp_path / "keys").signer().verifier, range(32)))
    assert len(set(made)) == 1
    assert SigningKeys(tmp_path / "keys").public() == made[:1]


def test_rotation_keeps_what_verifies_and_forgets_what_signed(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    old = keys.signer()
    note = sign_note("before\n", old)
    fresh = keys.rotate()
    assert keys.signer().verifier == fresh != old.verifier
    assert keys.public() == [fresh, old.verifier]
    assert open_note(note, keys.public()) == ("before\n", [old.verifier])
    assert [file.stem for file in tmp_path.glob("*.pem")] == [fresh.id.hex()]


def test_a_lost_private_key_is_said_not_replaced(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    keys.signer()
    for file in tmp_path.glob("*.pem"):
        file.unlink()
    with pytest.raises(ValueError, match=r"\.pem, the private key that signs, is not there: .* `tellercast keys rotate`"):
        keys.signer()
