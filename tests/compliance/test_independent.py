"""A bundle checked with nothing of this program: hashlib, the RFC 8785 library, and `openssl` beside `cryptography`.

Everything is written anew from the formats' own texts (RFC 6962 section 2.1, c2sp.org/signed-note, c2sp.org/tlog-checkpoint,
the head of compliance/bundle.py), so that a fault which the product's writer and its verifier share would show here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.compliance.made import Bundle, make_bundle

# RFC 8410: the SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes.
SPKI = bytes.fromhex("302a300506032b6570032100")
OPENSSL_WITHIN_S = 30


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Signed with three keys: the register's first seal, this session's, the manifest."""
    return make_bundle(tmp_path_factory.mktemp("rotated"), rotate=True, rotate_before=True)


def merkle_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def public_keys(members: dict[str, bytes]) -> dict[tuple[str, bytes], bytes]:
    """By name and id; the id is what the name and the key hash to."""
    keys = {}
    for name, content in members.items():
        if name.startswith("keys/"):
            owner, key_id, encoded = content.decode().strip().split("+", 2)
            kind, public = base64.b64decode(encoded)[:1], base64.b64decode(encoded)[1:]
            assert kind == b"\x01"
            real = hashlib.sha256(owner.encode() + b"\n" + kind + public).digest()[:4]
            assert real.hex() == key_id == name.removeprefix("keys/").removesuffix(".pub")
            keys[owner, real] = public
    return keys


def signed(note: str, keys: dict[tuple[str, bytes], bytes]) -> tuple[str, bytes, bytes]:
    """A note's text, its one signature and the key that made it."""
    text, _blank, line = note.partition("\n\n")
    dash, owner, encoded = line.rstrip("\n").split(" ")
    assert dash == "—"
    raw = base64.b64decode(encoded)
    return text + "\n", raw[4:], keys[owner, raw[:4]]


def openssl_verifies(folder: Path, text: str, signature: bytes, public: bytes) -> bool:
    for name, content in (("text", text.encode()), ("signature", signature), ("key", SPKI + public)):
        (folder / name).write_bytes(content)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin", "-in", "text"]
    done = subprocess.run(
        [*command, "-sigfile", "signature"], check=False, cwd=folder, capture_output=True, timeout=OPENSSL_WITHIN_S
    )
    return done.returncode == 0


def cryptography_verifies(text: str, signature: bytes, public: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


def notes(members: dict[str, bytes]) -> list[str]:
    register = [json.loads(line)["seal"] for line in members["register.jsonl"].splitlines()]
    return [members["seal.txt"].decode(), members["manifest.txt"].decode(), *register]


def test_both_programs_take_every_signature_and_no_other(rotated: Bundle, tmp_path: Path) -> None:
    keys = public_keys(rotated.members)
    assert len(keys) == 3
    used = set()
    for note in notes(rotated.members):
        text, signature, public = signed(note, keys)
        used.add(public)
        changed = text.replace("tellercast", "tellercasT", 1)
        assert changed != text
        assert openssl_verifies(tmp_path, text, signature, public)
        assert cryptography_verifies(text, signature, public)
        assert not openssl_verifies(tmp_path, changed, signature, public)
        assert not cryptography_verifies(changed, signature, public)
    assert used == set(keys.values())


def test_the_entries_are_canonical_chained_and_hash_to_the_signed_root(rotated: Bundle) -> None:
    bodies = rotated.members["entries.jsonl"].decode().removesuffix("\n").split("\n")
    hashes = rotated.members["hashes.txt"].decode().removesuffix("\n").split("\n")
    _origin, count, root, *_more = rotated.members["seal.txt"].decode().splitlines()
    prev = "0" * 64
    for number, (body, digest) in enumerate(zip(bodies, hashes, strict=True), 1):
        entry = json.loads(body)
        assert rfc8785.dumps(entry) == body.encode()
        assert (entry["seq"], entry["prev"]) == (number, prev)
        prev = hashlib.sha256(body.encode()).hexdigest()
        assert digest == prev
    assert int(count) == len(bodies)
    assert base64.b64decode(root) == merkle_root([bytes.fromhex(digest) for digest in hashes])


def test_each_seal_of_the_register_names_the_one_before_it(rotated: Bundle) -> None:
    prev = "0" * 64
    seals = [json.loads(line)["seal"] for line in rotated.members["register.jsonl"].splitlines()]
    for number, note in enumerate(seals, 1):
        text = note.partition("\n\n")[0] + "\n"
        assert f"register {number} {prev}" in text.splitlines()
        prev = hashlib.sha256(text.encode()).hexdigest()
    assert seals[-1].encode() == rotated.members["seal.txt"]


def test_texts_fragments_disclosures_and_members_have_the_hashes_that_are_named(rotated: Bundle) -> None:
    members = rotated.members
    entries = {entry["seq"]: entry for entry in map(json.loads, members["entries.jsonl"].splitlines())}
    for item in map(json.loads, members["texts.jsonl"].splitlines()):
        digest = hashlib.sha256(bytes.fromhex(item["salt"]) + item["text"].encode()).hexdigest()
        assert entries[item["seq"]]["data"][item["field"]] == {"sha256": digest}
    pieces = [entry["data"] for entry in entries.values() if entry["kind"] == "fragment"]
    assert {f"fragments/{piece['path']}" for piece in pieces} == {name for name in members if name.startswith("fragments/")}
    for piece in pieces:
        content = members[f"fragments/{piece['path']}"]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (piece["bytes"], piece["sha256"])
    confirmed = {entry["data"]["disclosure_sha256"] for entry in entries.values() if entry["kind"] == "disclosure_confirmed"}
    texts = [json.loads(line)["text"] for line in members["disclosures.jsonl"].splitlines()]
    assert confirmed == {hashlib.sha256(rfc8785.dumps(text)).hexdigest() for text in texts}
    listed = {item["path"]: (item["bytes"], item["sha256"]) for item in json.loads(members["manifest.json"])["members"]}
    others = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in members.items()}
    assert listed == {name: found for name, found in others.items() if not name.startswith(("fragments/", "manifest."))}
    assert members["manifest.txt"].decode().splitlines()[1] == others["manifest.json"][1]
