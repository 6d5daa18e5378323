"""Signing keys in a folder: made on first use, rotated on demand; public halves are kept for as long as seals must verify.

<id>.pem   the private key (PKCS 8, mode 0600); removed when a newer key takes over
<id>.pub   its `name+id+base64` line
current    the id of the key that signs

UnusableKey    a file of these is missing, damaged or open to others; the message names it and says what to do
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from recording.note import BadNote, Signer, VerifierKey, read_key

log = structlog.get_logger("recording.keys")

_ATTEMPTS = 5
_ID = re.compile(r"[0-9a-f]{8}")
_OTHERS_OR_CHANGED = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


class UnusableKey(ValueError):  # noqa: N818 - it names what is the matter
    """A key can't be used as it lies there; the message names the file and the next step."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One of the installation's keys: since when it has been there, and whether it is the one that signs."""

    verifier: VerifierKey
    since: datetime
    signs: bool


class SigningKeys:
    """The keys of one installation. Blocking file work: call from a thread when on the event loop.

    Safe with several processes on one folder: of two that make the first key at once, one wins and both use it.
    """

    def __init__(self, folder: Path, name: str = "tellercast") -> None:
        self._folder = folder
        self._name = name

    def signer(self) -> Signer:
        """The key that signs now, made if there is none; read anew each time, so that a rotation holds from the next note on.

        Raises UnusableKey.
        """
        for _ in range(_ATTEMPTS):
            current = self._current()
            if current is None:
                self._install(replace=False)
                continue
            try:
                return self._read(current)
            except FileNotFoundError:
                continue  # rotated between the two reads
        raise UnusableKey(
            f"{self._folder / f'{self._current()}.pem'}, the private key that signs, is not there: restore it from a backup, "
            "or run `tellercast keys rotate` and hand out the new public key (what it has signed stays verifiable)"
        )

    def _read(self, key_id: str) -> Signer:
        """Raises UnusableKey, and FileNotFoundError when there is no such private key."""
        path = self._folder / f"{key_id}.pem"
        self._check_mode(path)
        again = "restore it from a backup, or run `tellercast keys rotate`"
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:  # TypeError: it wants a password
            raise UnusableKey(f"{path} is no private key as `tellercast keys` writes them: {again}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise UnusableKey(f"{path} is not an Ed25519 key: {again}")
        public = self._public(self._folder / f"{key_id}.pub")
        if public != VerifierKey(public.name, private.public_key().public_bytes_raw()):
            raise UnusableKey(f"{path} does not belong to {key_id}.pub: {again}")
        return Signer(public.name, private)

    def _public(self, path: Path) -> VerifierKey:
        try:
            key = read_key(path.read_text())
        except FileNotFoundError as error:
            raise UnusableKey(
                f"{path} is not there: restore it from a backup; its seals can't be checked without it"
            ) from error
        except (BadNote, UnicodeDecodeError) as error:
            raise UnusableKey(
                f"{path} is no public key ({error}): restore it from a backup; its seals can't be checked without it"
            ) from error
        if key.id.hex() != path.stem:
            raise UnusableKey(f"{path} holds the key {key.label}: give it back its name, {key.id.hex()}.pub")
        return key

    @staticmethod
    def _check_mode(path: Path) -> None:
        """Whoever reads a private key can sign in our name. A group that may read it may be meant (a mounted secret)."""
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS_OR_CHANGED:
            raise UnusableKey(f"{path} has mode {mode:04o}, so that others could sign in our name: chmod 600 {path}")
        if mode & stat.S_IRGRP:
            log.warning("a private key may be read by its group: chmod 600 it unless that is meant", file=str(path))

    def rotate(self) -> VerifierKey:
        """A new key signs from now on; the old private key is gone for good, its public half stays."""
        old = self._current()
        fresh = self._install(replace=True)
        if old is not None:
            (self._folder / f"{old}.pem").unlink(missing_ok=True)
        return fresh

    def public(self) -> list[VerifierKey]:
        """Every key that ever signed here, the current one first. Raises UnusableKey."""
        return [held.verifier for held in self.held()]

    def held(self) -> list[HeldKey]:
        """The same with their times, the one that signs first, then the newest. Raises UnusableKey."""
        current = self._current()
        found = []
        for path in sorted(self._folder.glob("*.pub")):
            since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            found.append(HeldKey(self._public(path), since, path.stem == current))
        return sorted(found, key=lambda held: (held.signs, held.since), reverse=True)

    def _current(self) -> str | None:
        path = self._folder / "current"
        try:
            named = path.read_text().strip()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            named = ""
        if not _ID.fullmatch(named):
            raise UnusableKey(f"{path} names no key: write the 8 hexadecimal digits of one in it, or restore it from a backup")
        return named

    def _install(self, *, replace: bool) -> VerifierKey:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        signer = Signer(self._name, Ed25519PrivateKey.generate())
        key_id = signer.verifier.id.hex()
        pem = signer.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(self._folder / f"{key_id}.pem", pem)
        self._write(self._folder / f"{key_id}.pub", f"{signer.verifier}\n".encode())
        pointer = self._folder / f".current-{secrets.token_hex(8)}"
        self._write(pointer, key_id.encode())
        try:
            if replace:
                os.replace(pointer, self._folder / "current")
            else:
                os.link(pointer, self._folder / "current")  # fails when another process was first
        except FileExistsError:
            for suffix in ("pem", "pub"):
                (self._folder / f"{key_id}.{suffix}").unlink()
        finally:
            pointer.unlink(missing_ok=True)
        self._sync_folder()
        return signer.verifier

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
