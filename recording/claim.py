"""What a seal says, as the text that is signed, and the register that the seals form. Pure: the offline verifier reads it.

    <key name>/<session>                       origin
    <entries>                                  size
    <base64 of the Merkle root>                over the raw hashes of all entries
    fragments <count>                          extension lines from here on
    register <number> <hash of the seal before>
    sealed-at <UTC, µs>

A seal's hash is SHA-256 over that text without signatures, so that a further signature never changes the register.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.canonical import sha256_hex
from core.clock import from_text, to_text
from recording.chain import GENESIS
from recording.note import BadNote, Checkpoint, Unverified, VerifierKey, open_note, read_checkpoint


@dataclass(frozen=True, slots=True)
class Claim:
    """One seal's content. `number` is its place in the register, from 1; `prev` the hash of the seal before, 64 zeros first."""

    session: str
    entries: int
    root: bytes
    fragments: int
    number: int
    prev: str
    at: datetime

    def text(self, name: str) -> str:
        """The checkpoint to be signed by the key called `name`."""
        extensions = (f"fragments {self.fragments}", f"register {self.number} {self.prev}", f"sealed-at {to_text(self.at)}")
        return Checkpoint(f"{name}/{self.session}", self.entries, self.root, extensions).text


def claim_hash(text: str) -> str:
    """What the next seal in the register names as its `prev`."""
    return sha256_hex(text.encode())


def read_claim(text: str) -> Claim:
    """The inverse of `Claim.text`. Raises BadNote."""
    checkpoint = read_checkpoint(text)
    words = [line.split(" ") for line in checkpoint.extensions]
    _name, slash, session = checkpoint.origin.rpartition("/")
    try:
        (fragments_word, fragments), (register_word, number, prev), (at_word, at) = words
        claim = Claim(session, checkpoint.size, checkpoint.root, int(fragments), int(number), prev, from_text(at))
    except ValueError as error:
        raise BadNote("not the checkpoint of a seal") from error
    if not slash or (fragments_word, register_word, at_word) != ("fragments", "register", "sealed-at"):
        raise BadNote("not the checkpoint of a seal")
    return claim


def check_register(notes: Iterable[str], keys: Iterable[VerifierKey], first: int = 1, prev: str = GENESIS) -> list[str]:
    """The findings over signed seals in the order of the register, from number `first` on; empty when nothing is missing."""
    known = list(keys)
    findings: list[str] = []
    expected = first
    for note in notes:
        try:
            text, _signed_by = open_note(note, known)
            claim = read_claim(text)
        except (BadNote, Unverified) as error:
            findings.append(f"seal {expected}: {error}")
            text, claim = note.rpartition("\n\n")[0] + "\n", None
        if claim is not None and claim.number != expected:
            findings.append(f"seal {expected}: numbered {claim.number}")
            expected = claim.number
        if claim is not None and claim.prev != prev:
            findings.append(f"seal {expected}: does not follow the one before it")
        prev = claim_hash(text)
        expected += 1
    return findings
