"""C2SP signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), signed with Ed25519. Pure.

A note is text, a blank line, and signature lines `— name base64(key id ‖ signature)`. A checkpoint is a note whose text is
an origin, a tree size, a base64 root, and optional extension lines.

BadNote       not a note or checkpoint at all
Unverified    a note, but no known key signed it, or a known key's signature is wrong
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"  # the signature type of c2sp.org/signed-note
_KEY_ID_BYTES = 4
_PUBLIC_BYTES = 32
_ROOT_BYTES = 32
_MAX_SIGNATURES = 100  # as golang.org/x/mod/sumdb/note
_SIGNATURE = re.compile(r"^— (\S+) ([A-Za-z0-9+/]+={0,2})$")
_SIZE = re.compile(r"^(0|[1-9][0-9]{0,18})$")


class BadNote(ValueError):  # noqa: N818 - it names the finding
    """The text isn't a signed note or checkpoint; it can't be repaired."""


class Unverified(Exception):  # noqa: N818 - it names the finding
    """No signature that counts: get the right public key, or distrust the note."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name; `str()` is the one-line form that is published: name+id+base64."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(c.isspace() for c in self.name):
            raise BadNote(f"{self.name!r} can't name a key")
        if len(self.public) != _PUBLIC_BYTES:
            raise BadNote("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """The first 4 bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    @property
    def label(self) -> str:
        """Name and id, such as `tellercast+1a2b3c4d`: which key, without the key."""
        return f"{self.name}+{self.id.hex()}"

    def __str__(self) -> str:
        return f"{self.label}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


def read_key(line: str) -> VerifierKey:
    """The key of a `name+id+base64` line. Raises BadNote, also when the id doesn't belong to the key."""
    parts = line.strip().split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004 - name, id, key
        raise BadNote("a key line is name+id+base64")
    name, key_id, encoded = parts
    raw = _base64(encoded)
    if raw[:1] != _ED25519:
        raise BadNote("not an Ed25519 key")
    key = VerifierKey(name, raw[1:])
    if key.id.hex() != key_id:
        raise BadNote("the key's id does not belong to it")
    return key


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under its name. Printing it shows the public half only."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.verifier.label})"


def sign_note(text: str, *signers: Signer) -> str:
    """The signed note over `text`, which must end in a newline. Raises BadNote."""
    _check_text(text)
    lines = []
    for signer in signers:
        signature = signer.verifier.id + signer.private.sign(text.encode())
        lines.append(f"— {signer.name} {base64.b64encode(signature).decode()}\n")
    return text + "\n" + "".join(lines)


def open_note(note: str, keys: Iterable[VerifierKey]) -> tuple[str, list[VerifierKey]]:
    """The signed text and which of `keys` signed it. Raises BadNote, Unverified.

    Signatures of unknown keys are ignored; a wrong one that claims to be of a known key condemns the note.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    signed_by: list[VerifierKey] = []
    for name, raw in signatures:
        key = known.get((name, raw[:_KEY_ID_BYTES]))
        if key is None or key in signed_by:
            continue
        if not key.verifies(text, raw[_KEY_ID_BYTES:]):
            raise Unverified(f"the signature of {key.label} is wrong")
        signed_by.append(key)
    if not signed_by:
        raise Unverified("no known key signed this note")
    return text, signed_by


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and (name, key id ‖ signature) pairs, unverified. Raises BadNote."""
    end = note.rfind("\n\n")
    if end < 0 or not note.endswith("\n"):
        raise BadNote("a note has a text, a blank line and signatures")
    text, block = note[: end + 1], note[end + 2 :]
    _check_text(text)
    lines = block.split("\n")[:-1]
    if not lines or len(lines) > _MAX_SIGNATURES:
        raise BadNote(f"a note has 1 to {_MAX_SIGNATURES} signatures")
    signatures = []
    for line in lines:
        match = _SIGNATURE.match(line)
        if match is None or "+" in match[1]:
            raise BadNote("not a signature line")
        raw = _base64(match[2])
        if len(raw) <= _KEY_ID_BYTES:
            raise BadNote("a signature is shorter than its key id")
        signatures.append((match[1], raw))
    return text, signatures


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: `origin` which log, `size` in leaves, `root` 32 bytes, `extensions` further lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text to sign."""
        return "\n".join((self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)) + "\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The inverse of `Checkpoint.text`. Raises BadNote."""
    if not text.endswith("\n"):
        raise BadNote("a checkpoint ends in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):  # noqa: PLR2004 - origin, size, root
        raise BadNote("a checkpoint has an origin, a size and a root, and no empty line")
    origin, size, root, *extensions = lines
    if not _SIZE.match(size):
        raise BadNote("the size is a decimal number without leading zeros")
    raw = _base64(root)
    if len(raw) != _ROOT_BYTES:
        raise BadNote("the root has 32 bytes")
    return Checkpoint(origin, int(size), raw, tuple(extensions))


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise BadNote("the text ends in a newline")
    if any(c < " " and c != "\n" for c in text):
        raise BadNote("the text has control characters")


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("not base64") from error
    if base64.b64encode(raw).decode() != text:  # stray bits in the last character would give a note two forms
        raise BadNote("not canonical base64")
    return raw
