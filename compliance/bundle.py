"""What an evidence bundle is made of, and a zip reader that trusts nothing about the file it is given.

entries.jsonl       the trail's entries, one canonical body a line, in order
hashes.txt          their hashes, one a line: they must hash to the sealed root, and then name exactly what was changed
texts.jsonl         {seq, field, salt, text} of each personal text that was not erased
seal.txt            the session's checkpoint, a signed note
register.jsonl      {seal: note} of each seal in the register, from the first up to this session's
keys/<id>.pub       the public keys that signed any of these
disclosures.jsonl   {product, version, sha256, text: {en, zh}} as customers confirmed them
after.jsonl         the trail of what happened after the seal: views, verifications, exports; at the time of export
fragments/…         the recording, at the paths its entries name
index.html          for people: no scripts, no network
manifest.json       size and SHA-256 of every member that is not a fragment
manifest.txt        a signed note over the manifest's hash
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final

ENTRIES: Final = "entries.jsonl"
HASHES: Final = "hashes.txt"
TEXTS: Final = "texts.jsonl"
SEAL: Final = "seal.txt"
REGISTER: Final = "register.jsonl"
DISCLOSURES: Final = "disclosures.jsonl"
AFTER: Final = "after.jsonl"
INDEX: Final = "index.html"
MANIFEST: Final = "manifest.json"
MANIFEST_NOTE: Final = "manifest.txt"
KEYS: Final = "keys/"
FRAGMENTS: Final = "fragments/"

REQUIRED: Final = (ENTRIES, HASHES, TEXTS, SEAL, REGISTER, DISCLOSURES, AFTER, INDEX, MANIFEST, MANIFEST_NOTE)
FORMAT: Final = "tellercast-evidence/1"

_KEY_NAME: Final = re.compile(r"^keys/[0-9a-f]{8}\.pub$")
_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
_FRAGMENT_NAME: Final = re.compile(rf"^fragments/{_PART}(?:/{_PART}){{0,5}}$")
_BLOCK: Final = 1 << 20

# What zipfile and zlib raise on a file made to hurt.
ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    OverflowError,
    IndexError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a bundle may have at most, in members, bytes and lines: more than any real session, far below what would hurt.

    Who writes a bundle keeps to them too. A show of a whole day with 200 comments a second has 17.3 million entries of some 650
    bytes, and three personal texts for each.
    """

    members: int = 500_000
    keys: int = 100
    text_bytes: int = 32 << 30
    small_bytes: int = 1 << 20
    line_bytes: int = 1 << 20
    entries: int = 20_000_000
    lines: int = 80_000_000
    fragment_bytes: int = 4 << 30


class UnsafeZip(Exception):  # noqa: N818 - it names the finding
    """The zip isn't one this program writes: nothing in it was read."""


class BundleFile:
    """An opened bundle. Every read is bounded by the sizes the zip declares, and those by `Limits`."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        """Raises UnsafeZip, and OSError when the file can't be opened."""
        self.limits = limits or Limits()
        self._digests: dict[str, tuple[int, str]] = {}
        self._file = path.open("rb")
        try:
            self._zip = zipfile.ZipFile(self._file)
            self.members = self._checked()
        except UnsafeZip:
            self._file.close()
            raise
        except ZIP_ERRORS as error:
            self._file.close()
            raise UnsafeZip(str(error)) from error

    def __enter__(self) -> BundleFile:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._zip.close()
        self._file.close()

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename
            if len(members) >= self.limits.members:
                raise UnsafeZip(f"more than {self.limits.members} members")
            if name in members:
                raise UnsafeZip(f"{name!r} stands twice")
            if info.orig_filename != name or not is_safe(name):
                raise UnsafeZip(f"{info.orig_filename!r} is not a name of a member")
            if info.flag_bits & 0x1:
                raise UnsafeZip(f"{name} is encrypted")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise UnsafeZip(f"{name} is a link")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UnsafeZip(f"{name} is compressed in an unknown way")
            most = self.limits.fragment_bytes if name.startswith(FRAGMENTS) else self.limits.text_bytes
            if info.file_size > most:
                raise UnsafeZip(f"{name} is larger than {most} bytes")
            members[name] = info
        if sum(name.startswith(KEYS) for name in members) > self.limits.keys:
            raise UnsafeZip(f"more than {self.limits.keys} keys")
        return members

    def blocks(self, name: str) -> Iterator[bytes]:
        """A member's content in pieces. Raises one of ZIP_ERRORS; never yields more than the declared size.

        Who has read a member to its end gets its `digest` without reading it again.
        """
        info = self.members[name]
        left, total = info.file_size, sha256()
        with self._zip.open(info) as file:
            while block := file.read(min(_BLOCK, left + 1)):
                left -= len(block)
                if left < 0:
                    raise zipfile.BadZipFile(f"{name} is larger than it says")
                total.update(block)
                yield block
        if left:
            raise zipfile.BadZipFile(f"{name} is shorter than it says")
        self._digests[name] = info.file_size, total.hexdigest()

    def digest(self, name: str) -> tuple[int, str]:
        """A member's size in bytes and SHA-256. Raises one of ZIP_ERRORS."""
        if name not in self._digests:
            deque(self.blocks(name), maxlen=0)
        return self._digests.pop(name)

    def content(self, name: str) -> bytes:
        """A small member whole. Raises one of ZIP_ERRORS."""
        if self.members[name].file_size > self.limits.small_bytes:
            raise ValueError(f"larger than {self.limits.small_bytes} bytes")
        return b"".join(self.blocks(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a text member, without their newlines. Raises ValueError for one too long, too many, unended."""
        for run in self.runs(name):
            yield from run

    def runs(self, name: str) -> Iterator[list[bytes]]:
        """The same in lists of a megabyte or so, none of them empty."""
        rest, count = b"", 0
        for block in self.blocks(name):
            *whole, rest = (rest + block).split(b"\n")
            count += len(whole)
            if count > self.limits.lines:
                raise ValueError(f"more than {self.limits.lines} lines")
            if whole:
                yield whole
            if len(rest) > self.limits.line_bytes:
                raise ValueError(f"a line has more than {self.limits.line_bytes} bytes")
        if rest:
            yield [rest]
            raise ValueError("the last line has no end")


def is_safe(name: str) -> bool:
    """Whether a member may be called so: no path that leads out of a folder, no surprise for any system."""
    return name in REQUIRED or _KEY_NAME.match(name) is not None or _FRAGMENT_NAME.match(name) is not None
