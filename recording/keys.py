"""Signing keys in a folder: made on first use, rotated on demand; public halves are kept for as long as seals must verify.

<id>.pem   the private key (PKCS 8, mode 0600); removed when a newer key takes over
<id>.pub   its `name+id+base64` line
current    the id of the key that signs
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from recording.note import Signer, VerifierKey, read_key

_ATTEMPTS = 5


class SigningKeys:
    """The keys of one installation. Blocking file work: call from a thread when on the event loop.

    Safe with several processes on one folder: of two that make the first key at once, one wins and both use it.
    """

    def __init__(self, folder: Path, name: str = "tellercast") -> None:
        self._folder = folder
        self._name = name

    def signer(self) -> Signer:
        """The key that signs now, made if there is none. Raises ValueError for a key file that isn't one."""
        for _ in range(_ATTEMPTS):
            current = self._current()
            if current is None:
                self._install(replace=False)
                continue
            try:
                pem = (self._folder / f"{current}.pem").read_bytes()
            except FileNotFoundError:
                continue  # rotated between the two reads
            private = load_pem_private_key(pem, password=None)
            if not isinstance(private, Ed25519PrivateKey):
                raise ValueError(f"{current}.pem is not an Ed25519 key")
            return Signer(read_key((self._folder / f"{current}.pub").read_text()).name, private)
        raise ValueError(f"the key named in {self._folder / 'current'} is not there")

    def rotate(self) -> VerifierKey:
        """A new key signs from now on; the old private key is gone for good, its public half stays."""
        old = self._current()
        fresh = self._install(replace=True)
        if old is not None:
            (self._folder / f"{old}.pem").unlink(missing_ok=True)
        return fresh

    def public(self) -> list[VerifierKey]:
        """Every key that ever signed here, the current one first."""
        current = self._current()
        files = sorted(self._folder.glob("*.pub"), key=lambda file: (file.stem != current, file.name))
        return [read_key(file.read_text()) for file in files]

    def _current(self) -> str | None:
        try:
            return (self._folder / "current").read_text().strip()
        except FileNotFoundError:
            return None

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
