"""The archive of fragments: a folder on a disk.

Life of a fragment's file:
1. `incoming/NAME.part` is written and synced.
2. `incoming/NAME.pending` is made: from here on the fragment exists but may not have been announced. It holds, as JSON, what
   the announcement says beyond the file itself: its holes, and up to where every track is recorded.
3. The file is renamed to `SESSION/STREAM/EPOCH-INDEX.mp4`, and its folder is synced. It is never written to again.
4. It is hashed, and whoever wrote it announces it in the feed.
5. `announced` removes the pending mark.
A process that dies in between leaves at most a part, which `recover` removes, or a pending mark, which it announces
again; so recovery costs as much as was in flight, not as much as was ever recorded.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.ids import is_id
from recording.fragment import BadMedia, Contents, describe

FREE_FLOOR_BYTES = 512 * 2**20  # what a database needs to go on answering when recording has to stop
_INCOMING = "incoming"
_STREAM = re.compile(r"^[a-z][a-z0-9_-]{0,31}$")
_PATH = re.compile(r"^(ses_[0-9a-z]{26})/([a-z][a-z0-9_-]{0,31})/([0-9]{13,19})-([0-9]{6,9})\.mp4$")
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """Which fragment: the `index`th (from 0) of a publisher (`epoch`) of a session's stream."""

    session: str
    stream: str
    epoch: int
    index: int

    @property
    def path(self) -> str:
        """Its path below the archive's root. Raises ValueError for names that must not become paths."""
        if not is_id(self.session, "ses") or not _STREAM.match(self.stream) or self.epoch < 0 or self.index < 0:
            raise ValueError(f"no place in the archive for {self!r}")
        return f"{self.session}/{self.stream}/{self.epoch:013d}-{self.index:06d}.mp4"

    @staticmethod
    def parse(path: str) -> Place:
        """The inverse of `path`; raises ValueError for anything else."""
        found = _PATH.match(path)
        if found is None:
            raise ValueError(f"{path!r} is no fragment's path")
        place = Place(found[1], found[2], int(found[3]), int(found[4]))
        if place.path != path:
            raise ValueError(f"{path!r} is no fragment's path")
        return place


@dataclass(frozen=True, slots=True)
class Stored:
    """A fragment that is safely on disk: `path` below the root, its size and its SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


class FolderArchive:
    """Fragments as files below `root`. Writing blocks and belongs into the writer's thread; reading is safe from anywhere."""

    def __init__(self, root: Path, free_floor_bytes: int = FREE_FLOOR_BYTES) -> None:
        self.root = root
        self._floor = free_floor_bytes

    def write(self, place: Place, data: bytes, extra: Mapping[str, Any] | None = None) -> Stored:
        """Steps 1 to 4 of a fragment's life; `extra` is what its event says and its file doesn't.

        Raises OSError and leaves nothing behind when it can't be done: ENOSPC also when it would leave less than the free-space
        floor; EEXIST rather than replace what is recorded.
        """
        target = self.root / place.path
        part = self._incoming(place.path, "part")
        pending = self._incoming(place.path, "pending")
        self._folder(part.parent)
        self._folder(target.parent)
        self._require_space(len(data))
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        try:
            _write_synced(part, data)
            _write_synced(pending, json.dumps(extra).encode() if extra else b"")
            _sync(part.parent)
            part.rename(target)
            _sync(target.parent)
        except OSError:
            part.unlink(missing_ok=True)
            if not target.exists():
                pending.unlink(missing_ok=True)
            raise
        return Stored(place.path, len(data), hashlib.sha256(data).hexdigest())

    def announced(self, path: str) -> None:
        """Step 5: the fragment's event is safely in the feed."""
        self._incoming(path, "pending").unlink(missing_ok=True)

    def recover(self) -> Iterator[dict[str, Any]]:
        """Clears up after a death: yields the `fragment_sealed` data of each fragment written but perhaps not announced.

        Append each to the feed before asking for the next: its mark is removed then. Announcing one twice does no harm, since a
        reader knows it by its path.
        """
        for part in sorted((self.root / _INCOMING).glob("*.part")):
            part.unlink()
        for path in self.unannounced():
            if (self.root / path).is_file():
                with contextlib.suppress(BadMedia, ValueError):  # renamed only when synced, so this is no file of ours
                    yield self._event(path)
            self.announced(path)

    def unannounced(self) -> list[str]:
        """The paths of fragments whose event may not have reached the feed."""
        marks = sorted((self.root / _INCOMING).glob("*.pending"))
        return [mark.name.removesuffix(".pending").replace("~", "/") for mark in marks]

    def path(self, relative: str) -> Path:
        """Where to read a fragment. Raises ValueError for what is no fragment's path, such as one that leaves the archive."""
        return self.root / Place.parse(relative).path

    def sha256(self, relative: str) -> str:
        """The hash, in hex, of what stands on the disk now."""
        digest = hashlib.sha256()
        with self.path(relative).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def free_bytes(self) -> int:
        """What is left above the floor; negative when it is below."""
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize - self._floor

    def _event(self, path: str) -> dict[str, Any]:
        stored = Stored(path, (self.root / path).stat().st_size, self.sha256(path))
        return self._extra(path) | sealed_event(Place.parse(path), stored, describe(self.root / path))

    def _extra(self, path: str) -> dict[str, Any]:
        """What the pending mark keeps for the event. A damaged one keeps nothing; the fragment is announced all the same."""
        try:
            extra = json.loads(self._incoming(path, "pending").read_bytes() or b"{}")
        except (OSError, ValueError):
            return {}
        return extra if isinstance(extra, dict) else {}

    def _incoming(self, path: str, suffix: str) -> Path:
        return self.root / _INCOMING / f"{path.replace('/', '~')}.{suffix}"

    def _folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.root:
            self._folder(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)

    def _require_space(self, size: int) -> None:
        if self.free_bytes() < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.root))


def sealed_event(place: Place, stored: Stored, contents: Contents) -> dict[str, Any]:
    """The data of `fragment_sealed`. The same from what was written and from what is read back."""
    return {
        "session": place.session,
        "stream": place.stream,
        "epoch": place.epoch,
        "index": place.index,
        "start_ms": contents.start_ms,
        "end_ms": contents.end_ms,
        "bytes": stored.bytes,
        "sha256": stored.sha256,
        "path": stored.path,
        "video": contents.video,
        "audio": contents.audio,
    }


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
