"""Writes an evidence bundle: streamed page by page, so that memory does not grow with the session.

The life of a bundle: temporary file → seal, register, keys → entries and their hashes → texts → disclosures → after-trail
→ fragments, copied as they are → index → manifest and its signature → opened as the verifier does → fsync → rename → fsync of
the folder. What the verifier would refuse for its size is refused here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from compliance import bundle
from compliance.findings import Findings
from compliance.index_page import Summary, render
from compliance.record import MOST_KEPT, FragmentRef, Record
from compliance.verifier import manifest_claim
from core.canonical import canonical, sha256_hex
from core.clock import Clock, to_text
from core.database import Database
from recording import register
from recording.chain import read_entry
from recording.keys import SigningKeys
from recording.note import sign_note
from recording.sessions import Session
from recording.trail import PAGE, Trail, after_trail

# The texts customers confirmed in a session: {product, version, sha256, text: {en, zh}}. Given by the floor above.
Disclosed = Callable[[str], Awaitable[Sequence[Mapping[str, Any]]]]

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the zip's own times say nothing; the entries do
_BLOCK: Final = 1 << 20
_SPARE_BYTES: Final = 256 << 20


class NoSpace(OSError):  # noqa: N818 - it names the finding
    """The disk can't take the bundle: free some space and export again."""


class TooLarge(ValueError):  # noqa: N818 - it names the finding
    """The session has more of something than a bundle may hold (`bundle.Limits`): no verifier would accept it."""


@dataclass(frozen=True, slots=True)
class Made:
    """The finished file: its size and SHA-256."""

    bytes: int
    sha256: str


class _Writer:
    """The zip under construction; blocking, to be called from a thread, one call at a time."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._file = path.open("xb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
        self.listed: list[dict[str, Any]] = []

    def put(self, name: str, content: bytes, *, listed: bool = True) -> None:
        """A small member whole."""
        with self._begin(name) as out:
            out.write(content)
        if listed:
            self.listed.append({"path": name, "bytes": len(content), "sha256": sha256_hex(content)})

    def copy(self, name: str, source: Path) -> bool:
        """A fragment as it is, uncompressed; False when there is no such file."""
        try:
            file = source.open("rb")
        except OSError:
            return False
        with file, self._begin(name, zipfile.ZIP_STORED) as out:
            shutil.copyfileobj(file, out, _BLOCK)
        return True

    def spool(self, name: str, source: IO[bytes]) -> None:
        """A member written to a side file before, because two grew at once."""
        source.seek(0)
        size, digest = 0, sha256()
        with self._begin(name) as out:
            while block := source.read(_BLOCK):
                out.write(block)
                digest.update(block)
                size += len(block)
        self.listed.append({"path": name, "bytes": size, "sha256": digest.hexdigest()})

    def side_file(self) -> IO[bytes]:
        """A nameless file beside the zip, on the same disk."""
        return tempfile.TemporaryFile(dir=self._folder)

    def finish(self) -> None:
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Let go of a zip that will not be finished; its file is the caller's to remove."""
        with contextlib.suppress(OSError, ValueError):  # it may well be the disk that ends it
            self._zip.close()
        self._zip.fp = None  # or it would try again when collected
        self._file.close()

    def _begin(self, name: str, how: int = zipfile.ZIP_DEFLATED) -> IO[bytes]:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = how
        info.external_attr = 0o644 << 16
        return self._zip.open(info, "w", force_zip64=True)


class Bundler:
    """Makes bundles of sealed sessions."""

    def __init__(
        self,
        db: Database,
        trail: Trail,
        clock: Clock,
        keys: SigningKeys,
        archive_root: Path,
        disclosed: Disclosed,
        limits: bundle.Limits | None = None,
    ) -> None:
        self._db = db
        self._trail = trail
        self._clock = clock
        self._keys = keys
        self._archive = archive_root
        self._disclosed = disclosed
        self._limits = limits or bundle.Limits()

    async def make(
        self, evidence_id: str, session: Session, out: Path, alive: Callable[[], Awaitable[None]], attempt: int
    ) -> Made:
        """The bundle of `session` at `out`. `alive` is called now and then, so that nobody else takes the work over.

        Each `attempt` (from 1) has a temporary file of its own, and takes away the earlier ones': one that was taken over but
        still runs can rename neither this one's half-made file nor, later, its own over the finished bundle.
        Raises NoSpace, OSError, TooLarge, LookupError when the session has no seal.
        """
        async with self._db.read() as tx:
            seal = await register.seal_of(tx, session.id)
        if seal is None:
            raise LookupError(f"{session.id} is not sealed")
        if seal.entries > self._limits.entries:  # hours of work before anybody noticed
            raise TooLarge(f"{session.id} has {seal.entries:,} entries, a bundle holds at most {self._limits.entries:,}")
        summary = Summary(
            session=session.id,
            title=session.title,
            kind=session.kind,
            started_at=_when(session.started_at),
            ended_at=_when(session.ended_at),
            sealed_at=to_text(seal.at),
            root=seal.root,
            key=seal.key_id,
            exported_at=to_text(self._clock.now()),
        )
        await asyncio.to_thread(out.parent.mkdir, parents=True, exist_ok=True)
        for earlier in range(1, attempt):
            await asyncio.to_thread(_part(out, earlier).unlink, missing_ok=True)
        part = _part(out, attempt)
        writer = await asyncio.to_thread(_Writer, part)
        try:
            await asyncio.to_thread(writer.put, bundle.SEAL, seal.checkpoint.encode())
            await self._put_register(writer, seal.number)
            fragments = await self._put_entries(writer, session.id, summary, alive)
            await self._put_lines(writer, bundle.TEXTS, self._texts(session.id, summary.entries))
            await self._put_lines(writer, bundle.DISCLOSURES, self._disclosures(session.id))
            await self._put_lines(writer, bundle.AFTER, self._after(session.id, summary))
            await self._copy_fragments(writer, fragments, out.parent, summary, alive)
            await asyncio.to_thread(writer.put, bundle.INDEX, render(summary).encode())
            return await asyncio.to_thread(self._finish, writer, evidence_id, session.id, summary.exported_at, part, out)
        except BaseException:
            writer.abandon()
            part.unlink(missing_ok=True)
            raise

    async def _put_register(self, writer: _Writer, number: int) -> None:
        await self._put_lines(writer, bundle.REGISTER, self._seals(number))
        for key in await asyncio.to_thread(self._keys.public):
            await asyncio.to_thread(writer.put, f"{bundle.KEYS}{key.id.hex()}.pub", f"{key}\n".encode())

    async def _seals(self, number: int) -> AsyncIterator[bytes]:
        for after in range(0, number, register.PAGE):
            async with self._db.read() as tx:
                page = await register.read(tx, after, min(register.PAGE, number - after))
            for seal in page:  # if one is missing, the verifier will say so
                yield canonical({"seal": seal.checkpoint})

    async def _put_entries(
        self, writer: _Writer, session_id: str, summary: Summary, alive: Callable[[], Awaitable[None]]
    ) -> list[FragmentRef]:
        record = Record(Findings())
        hashes = await asyncio.to_thread(writer.side_file)

        async def lines() -> AsyncIterator[bytes]:
            after = 0
            while page := await self._page(session_id, after):
                for body, stored in page:
                    entry = read_entry(body, stored)
                    after = entry.seq
                    summary.add(entry)
                    record.add(entry)
                    yield body.encode()
                await asyncio.to_thread(hashes.write, "".join(f"{stored}\n" for _body, stored in page).encode())
                await alive()

        try:
            await self._put_lines(writer, bundle.ENTRIES, lines())
            await asyncio.to_thread(writer.spool, bundle.HASHES, hashes)
        finally:
            await asyncio.to_thread(hashes.close)
        if record.is_full:
            raise TooLarge(f"{session_id} has more than {MOST_KEPT:,} fragments, gaps and orders")
        return record.fragments

    async def _page(self, session_id: str, after: int) -> list[tuple[str, str]]:
        async with self._db.read() as tx:
            return await self._trail.bodies(tx, session_id, after)

    async def _texts(self, session_id: str, last: int) -> AsyncIterator[bytes]:
        for first in range(1, last + 1, PAGE):
            async with self._db.read() as tx:
                opened = await self._trail.openings(tx, session_id, first, first + PAGE - 1)
            for (seq, name), (salt, text) in sorted(opened.items()):
                yield canonical({"seq": seq, "field": name, "salt": salt.hex(), "text": text})

    async def _disclosures(self, session_id: str) -> AsyncIterator[bytes]:
        for item in await self._disclosed(session_id):
            yield canonical({name: item[name] for name in ("product", "version", "sha256", "text")})

    async def _after(self, session_id: str, summary: Summary) -> AsyncIterator[bytes]:
        after = 0
        while page := await self._page(after_trail(session_id), after):
            for body, stored in page:
                entry = read_entry(body, stored)
                after = entry.seq
                summary.add_late(entry)
                yield body.encode()

    async def _put_lines(self, writer: _Writer, name: str, lines: AsyncIterator[bytes]) -> None:
        """Through a side file: a zip takes one member at a time, and a thread none of the loop's iterators."""
        spool = await asyncio.to_thread(writer.side_file)
        count, longest = 0, 0
        try:
            waiting: list[bytes] = []
            async for line in lines:
                count, longest = count + 1, max(longest, len(line))
                if count > self._limits.lines or longest > self._limits.line_bytes:
                    raise TooLarge(f"{name} has {count:,} lines, the longest of {longest:,} bytes")
                waiting.append(line + b"\n")
                if len(waiting) >= PAGE:
                    await asyncio.to_thread(spool.write, b"".join(waiting))
                    waiting = []
            await asyncio.to_thread(spool.write, b"".join(waiting))
            await asyncio.to_thread(writer.spool, name, spool)
        finally:
            await asyncio.to_thread(spool.close)

    async def _copy_fragments(
        self,
        writer: _Writer,
        fragments: Sequence[FragmentRef],
        folder: Path,
        summary: Summary,
        alive: Callable[[], Awaitable[None]],
    ) -> None:
        need = sum(ref.bytes for ref in fragments) + _SPARE_BYTES
        usage = await asyncio.to_thread(shutil.disk_usage, folder)
        if usage.free < need:
            raise NoSpace(f"{need:,} bytes are needed, {usage.free:,} are free")
        for ref in fragments:
            name = bundle.FRAGMENTS + ref.path
            source = self._archive / ref.path
            if not bundle.is_safe(name) or not await asyncio.to_thread(writer.copy, name, source):
                summary.miss(ref.where)
            await alive()

    def _finish(self, writer: _Writer, evidence_id: str, session_id: str, exported_at: str, part: Path, out: Path) -> Made:
        members = sorted(writer.listed, key=lambda item: str(item["path"]))
        head = {"format": bundle.FORMAT, "id": evidence_id, "session": session_id, "exported_at": exported_at}
        manifest = canonical({**head, "members": members})
        writer.put(bundle.MANIFEST, manifest, listed=False)
        note = sign_note(manifest_claim(sha256_hex(manifest)), self._keys.signer())
        writer.put(bundle.MANIFEST_NOTE, note.encode(), listed=False)
        writer.finish()
        self._check(part)
        with part.open("rb") as file:
            digest, size = sha256(), 0
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        os.replace(part, out)
        folder = os.open(out.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return Made(size, digest.hexdigest())

    def _check(self, part: Path) -> None:
        try:
            with bundle.BundleFile(part, self._limits):
                return
        except bundle.UnsafeZip as error:
            raise TooLarge(str(error)) from error


def _part(out: Path, attempt: int) -> Path:
    return out.with_suffix(f".{attempt}.part")


def _when(moment: Any) -> str:
    return to_text(moment) if moment is not None else "–"
