"""The offline verifier: needs no database, no network and no trust in whoever made the bundle.

One change in one place is named by its place: "entry 17: hash differs", "entries 17 and 18: they are swapped".

No byte of any member may change unseen, those of the index page included. What may, because nothing signs it, is the zip
around them: the times, attributes, order and compression of its members, its comment, bytes before, between and after them. And
to the manifest's note lines may be added with signatures by keys that are not known here, as C2SP's signed notes allow.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from compliance.bundle import (
    AFTER,
    DISCLOSURES,
    ENTRIES,
    FORMAT,
    FRAGMENTS,
    HASHES,
    KEYS,
    MANIFEST,
    MANIFEST_NOTE,
    REGISTER,
    REQUIRED,
    SEAL,
    TEXTS,
    ZIP_ERRORS,
    BundleFile,
    Limits,
    UnsafeZip,
)
from compliance.examination import Examination, read_object
from compliance.findings import MOST_FINDINGS, Finding, Report
from compliance.openings import Opening, read_opening
from compliance.provers import Provers
from compliance.record import text_of, whole
from compliance.seals import KeyRing, RegisterChain
from compliance.sequence import is_hash
from compliance.stretch import LENGTH, Proven, Stretch
from compliance.text_lines import TextLines
from core.canonical import canonical, sha256_hex
from recording.chain import Chain
from recording.note import BadNote, Unverified, VerifierKey, read_key

__all__ = ["Finding", "Report", "read_keys", "verify_bundle"]

# ZIP_ERRORS covers ValueError, which json, msgspec and base64 errors are.
_CONTENT_ERRORS: Final = (*ZIP_ERRORS, KeyError, TypeError, RecursionError, BadNote, Unverified)

# What is more wrong than this is not described better by a longer list, and may have been made to take for ever.
_MOST_AFTER: Final = 100
_MOST_AT_ONCE: Final = 8 << 20  # bytes of entries
_MOST_ADDED: Final = MOST_FINDINGS
_HASHES: Final = re.compile(rb"(?:[0-9a-f]{64}\n)*")


def read_keys(raw: bytes) -> list[VerifierKey]:
    """The public keys of a key file: one `name+id+base64` a line, remarks after #. Raises BadNote (a ValueError)."""
    try:
        lines = [line for line in raw.decode().splitlines() if line.strip() and not line.startswith("#")]
    except UnicodeDecodeError as error:
        raise BadNote("a key file is text") from error
    if not lines:
        raise BadNote("there is no key in it")
    return [read_key(line) for line in lines]


def verify_bundle(path: Path | str, key: bytes | None = None, limits: Limits | None = None) -> Report:
    """Verify an evidence bundle with the public keys in `key`, had from elsewhere: one a line, several where keys have changed.

    With a key, the seal and the manifest count only if one of the keys given signed them. The seal holds the register's earlier
    seals by their hashes, so that for their signatures the bundle's own keys do. Without a key those do for all, which shows
    that it is consistent and nothing about who made it: the report is not `trusted`.
    Raises OSError when the file can't be opened and BadNote (a ValueError) when `key` is no key; everything else, whatever the
    file holds, is in the report.
    """
    given = read_keys(key) if key is not None else []
    try:
        with BundleFile(Path(path), limits) as bundle:
            return _Verification(bundle, given).run()
    except UnsafeZip as error:
        return Report("", (Finding("zip_unsafe", Path(path).name, {"detail": str(error)}),), 0, 0, 0, "", None, False)


class _Verification:
    """One run over one bundle: each step reads one member and can fail without stopping the others."""

    def __init__(self, bundle: BundleFile, given: list[VerifierKey]) -> None:
        self._bundle = bundle
        self._given = given
        self._own: list[VerifierKey] = []
        self._counting = self._all = KeyRing()
        self._listed: dict[str, Any] = {}  # what the manifest says of each member: its size and SHA-256
        self._exam = Examination()
        self._texts = TextLines(self._runs(TEXTS))

    def run(self) -> Report:
        for name in REQUIRED:
            if name not in self._bundle.members:
                self._exam.findings.add("member_missing", name)
        for name in sorted(self._bundle.members):
            if name.startswith(KEYS):
                self._step(name, self._key)
        self._counting = KeyRing(self._given or self._own)
        self._all = KeyRing([*self._given, *self._own])
        session = self._step(MANIFEST, self._manifest) or ""
        self._step(MANIFEST_NOTE, self._manifest_note)
        self._step(SEAL, self._seal)
        self._step(HASHES, self._hashes)
        self._step(ENTRIES, self._entries)
        self._take_texts(None, self._texts)
        self._guarded(ENTRIES, self._exam.end_entries)
        self._step(AFTER, self._after)
        for where, item in self._objects(DISCLOSURES):
            self._guarded(where, partial(self._exam.take_disclosure, item))
        self._fragments()
        self._step(REGISTER, self._register)
        self._members()
        self._guarded(ENTRIES, self._exam.close)
        return self._exam.report(str(session))

    def _step(self, name: str, step: Callable[[str], Any]) -> Any:
        return self._guarded(name, partial(step, name)) if name in self._bundle.members else None

    def _guarded(self, where: str, work: Callable[[], Any]) -> Any:
        """Whatever the bundle's content makes fail is a finding, and the next step goes on."""
        try:
            return work()
        except _CONTENT_ERRORS as error:
            self._unreadable(where, error)
            return None

    def _unreadable(self, where: str, error: BaseException) -> None:
        self._exam.findings.add("member_unreadable", where, detail=str(error) or type(error).__name__)

    def _key(self, name: str) -> None:
        [key] = read_keys(self._bundle.content(name))
        if name != f"{KEYS}{key.id.hex()}.pub":
            raise ValueError(f"it holds the key {key.label}")
        self._own.append(key)

    def _manifest(self, name: str) -> str:
        raw = self._bundle.content(name)
        value = json.loads(raw)
        if canonical(value) != raw or value["format"] != FORMAT:
            raise ValueError("not a canonical manifest of this format")
        listed = {item["path"]: (item["bytes"], item["sha256"]) for item in value["members"]}
        for path in sorted(self._bundle.members):
            if path.startswith(FRAGMENTS) or path in (MANIFEST, MANIFEST_NOTE):
                continue
            if path not in listed:
                self._exam.findings.add("member_unknown", path)
        for path in sorted(listed.keys() - self._bundle.members.keys() - set(REQUIRED)):
            self._exam.findings.add("member_missing", path)
        self._listed = listed
        return str(value["session"])

    def _members(self) -> None:
        """Each against what the manifest says of it; last, because most have been read by then."""
        for path in sorted(self._listed.keys() & self._bundle.members.keys()):
            if path.startswith(FRAGMENTS) or path in (MANIFEST, MANIFEST_NOTE):
                continue
            if (digest := self._step(path, self._bundle.digest)) is not None and digest != self._listed[path]:
                self._exam.findings.add("member_changed", path)

    def _manifest_note(self, name: str) -> None:
        note = self._bundle.content(name).decode()
        try:
            text = self._opened(note, name)
        except (BadNote, Unverified) as error:
            self._exam.findings.add("manifest_signature", name, detail=str(error))
            return
        if MANIFEST in self._bundle.members and text != manifest_claim(self._bundle.digest(MANIFEST)[1]):
            self._exam.findings.add("manifest_other", MANIFEST)

    def _opened(self, note: str, name: str) -> str:
        """The text of a note. Raises BadNote, Unverified when nobody at all signed it."""
        try:
            return self._counting.open(note)[0]
        except Unverified:
            text, signed_by = self._all.open(note)  # not with a key that counts; but then whose is it?
            signers = ", ".join(key.label for key in signed_by)
            self._exam.findings.add("manifest_key", name, signers=signers)
            return text

    def _seal(self, name: str) -> None:
        self._exam.take_seal(self._bundle.content(name).decode(), self._counting, trusted=bool(self._given))

    def _hashes(self, name: str) -> None:
        most = self._most_entries(0)
        first = 1
        for lines in _batches(self._bundle.runs(name)):
            if first + len(lines) - 1 <= most and _HASHES.fullmatch(joined := _joined(lines)) is not None:
                self._exam.take_sealed_hashes(bytes.fromhex(joined.decode()))
            else:
                self._take_hashes(first, lines, most)
            first += len(lines)

    def _take_hashes(self, first: int, lines: list[bytes], most: int) -> None:
        for number, line in enumerate(lines, first):
            if number > most:
                raise ValueError(f"more than {most} hashes")
            digest = line.decode("ascii", "replace")
            if not is_hash(digest):
                raise ValueError(f"line {number} is no hash")
            self._exam.take_sealed_hash(digest)

    def _entries(self, name: str) -> None:
        claim, most, first = self._exam.claim, self._most_entries(_MOST_ADDED), 1
        with Provers(claim.entries if claim is not None else 0) as provers:
            asked: deque[_Asked] = deque()
            try:
                for lines in _batches(self._bundle.runs(name)):
                    last = first + len(lines) - 1
                    texts = self._texts.up_to(last) if claim is not None and last <= most else None
                    if claim is None or texts is None:
                        self._settle(provers, asked, 0)
                        self._take_one_by_one(first, lines, self._texts, most)
                    else:
                        future = provers.submit(Stretch(first, claim.session, _joined(lines), _joined(texts)))
                        asked.append(_Asked(first, lines, TextLines(iter([texts]), self._texts.number), future))
                        self._texts.take(len(texts))
                        self._settle(provers, asked, provers.ahead)
                    first = last + 1
            except _CONTENT_ERRORS:
                self._settle(provers, asked, 0)
                raise
            self._settle(provers, asked, 0)

    def _settle(self, provers: Provers, asked: deque[_Asked], most: int) -> None:
        """Take the answers that are due, in order, until no more than `most` are to come."""
        while len(asked) > most:
            one = asked.popleft()
            proven = provers.result(one.answer)
            if proven is None or not self._exam.take_stretch(proven, one.first):
                self._take_one_by_one(one.first, one.lines, one.texts)
                self._take_texts(None, one.texts)

    def _take_one_by_one(self, first: int, lines: list[bytes], texts: TextLines, most: int | None = None) -> None:
        for number, line in enumerate(lines, first):
            if most is not None and number > most:
                raise ValueError(f"more than {most} entries")
            self._take_texts(number, texts)
            self._exam.take_entry(line)

    def _most_entries(self, more: int) -> int:
        """As many as the seal counts, and some more that can be named; the seal itself may claim anything."""
        most = self._bundle.limits.entries
        return most if self._exam.claim is None else min(most, self._exam.claim.entries + more)

    def _take_texts(self, number: int | None, texts: TextLines) -> None:
        """The texts up to this entry's, so that neither they nor their commitments have to be kept; None: all that are left."""
        while (line := texts.peek()) is not None:
            where = f"{TEXTS} line {texts.number}"
            item = read_opening(line) or self._guarded(where, partial(read_object, line)) or {}
            seq = item.seq if isinstance(item, Opening) else item.get("seq")
            if number is not None and isinstance(seq, int) and seq > number:
                return
            if item:
                self._guarded(where, partial(self._take_text, item))
            texts.take()

    def _take_text(self, item: Opening | dict[str, Any]) -> None:
        if isinstance(item, Opening):
            self._exam.take_text(item.seq, text_of(item.field), bytes.fromhex(item.salt), item.text)
            return
        salt, text = item["salt"], item["text"]
        if not isinstance(salt, str) or not isinstance(text, str):
            raise TypeError("not a salt and a text")
        self._exam.take_text(whole(item["seq"]), text_of(item["field"]), bytes.fromhex(salt), text)

    def _objects(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The objects of a member and where each stands; one broken line doesn't hide the others."""
        for number, line in self._lines(name):
            where = f"{name} line {number}"
            item = self._guarded(where, partial(read_object, line))
            if item is not None:
                yield where, item

    def _lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """The numbered lines of a member, if it is there, as far as it can be read."""
        return enumerate((line for run in self._runs(name) for line in run), 1)

    def _runs(self, name: str) -> Iterator[list[bytes]]:
        if name not in self._bundle.members:
            return
        try:
            yield from self._bundle.runs(name)
        except _CONTENT_ERRORS as error:
            self._unreadable(name, error)

    def _fragments(self) -> None:
        digests: dict[str, tuple[int | None, str | None] | None] = {}  # a path that several entries name is read once
        for ref in self._exam.record.fragments:
            path = FRAGMENTS + ref.path
            if path not in digests:
                is_there = path in self._bundle.members
                digests[path] = self._guarded(ref.where, partial(self._bundle.digest, path)) if is_there else (None, None)
            digest = digests[path]
            if digest is not None:
                self._exam.take_fragment(ref, *digest)
        for path in sorted(self._bundle.members):
            if path.startswith(FRAGMENTS) and path not in digests:
                self._exam.findings.add("fragment_unknown", path)

    def _register(self, name: str) -> None:
        register = RegisterChain(self._all)
        most = self._bundle.limits.lines if self._exam.claim is None else self._exam.claim.number
        for where, item in self._objects(name):
            self._guarded(where, partial(_add_seal, register, item))
            if register.is_beyond_help or register.seals > most:
                break
        self._exam.take_register(register)

    def _after(self, name: str) -> None:
        claim = self._exam.claim
        if claim is None:
            return
        chain = Chain(f"{claim.session}/after")
        for line in self._bundle.lines(name):
            entry = chain.add(line, sha256_hex(line))
            if entry is not None:
                self._exam.take_late(entry)
            if len(chain.findings) > _MOST_AFTER:
                break
        for finding in chain.findings:
            self._exam.findings.add("after_chain", AFTER, detail=finding)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A stretch that is being proven, and its lines in case it can't be."""

    first: int
    lines: list[bytes]
    texts: TextLines
    answer: Future[Proven | None]


def _batches(runs: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """Lines in stretches, of a few megabytes at most; what could be read before an error comes before it."""
    waiting: list[bytes] = []
    try:
        for run in runs:
            waiting += run
            while len(waiting) >= LENGTH:
                yield waiting[:LENGTH]
                del waiting[:LENGTH]
            if len(waiting) > 1 and sum(map(len, waiting)) > _MOST_AT_ONCE:
                yield waiting
                waiting = []
    except _CONTENT_ERRORS:
        yield waiting
        raise
    yield waiting


def _joined(lines: list[bytes]) -> bytes:
    return b"\n".join([*lines, b""])


def _add_seal(register: RegisterChain, item: dict[str, Any]) -> None:
    note = item["seal"]
    if not isinstance(note, str):
        raise TypeError("not a seal")
    register.add(note)


def manifest_claim(digest: str) -> str:
    """The text that is signed over a manifest with this SHA-256."""
    return f"{FORMAT}\n{digest}\n"
