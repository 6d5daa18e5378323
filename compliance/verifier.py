"""The offline verifier: needs no database, no network and no trust in whoever made the bundle.

One change in one place is named by its place: "entry 17: hash differs", "entries 17 and 18: they are swapped".
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from compliance.findings import Finding, Report
from core.canonical import canonical, sha256_hex
from recording.chain import Chain
from recording.note import BadNote, Unverified, VerifierKey, open_note, read_key

__all__ = ["Finding", "Report", "read_keys", "verify_bundle"]

# ZIP_ERRORS covers ValueError, which json, msgspec and base64 errors are.
_CONTENT_ERRORS: Final = (*ZIP_ERRORS, KeyError, TypeError, RecursionError, BadNote, Unverified)


def read_keys(raw: bytes) -> list[VerifierKey]:
    """The public keys of a key file: one `name+id+base64` a line. Raises BadNote (a ValueError)."""
    try:
        lines = [line for line in raw.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise BadNote("a key file is text") from error
    if not lines:
        raise BadNote("there is no key in it")
    return [read_key(line) for line in lines]


def verify_bundle(path: Path | str, key: bytes | None = None, limits: Limits | None = None) -> Report:
    """Verify an evidence bundle with a public key had from elsewhere; without one the bundle's own are used, and said so.

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
        self._exam = Examination()

    def run(self) -> Report:
        for name in REQUIRED:
            if name not in self._bundle.members:
                self._exam.findings.add("member_missing", name)
        for name in sorted(self._bundle.members):
            if name.startswith(KEYS):
                self._step(name, self._key)
        session = self._step(MANIFEST, self._manifest) or ""
        self._step(MANIFEST_NOTE, self._manifest_note)
        self._step(SEAL, self._seal)
        self._step(HASHES, self._hashes)
        self._step(ENTRIES, self._entries)
        self._exam.end_entries()
        self._step(TEXTS, self._texts)
        self._step(DISCLOSURES, self._disclosures)
        self._fragments()
        self._step(REGISTER, self._register)
        self._step(AFTER, self._after)
        return self._exam.report(str(session))

    def _step(self, name: str, step: Callable[[str], Any]) -> Any:
        if name not in self._bundle.members:
            return None
        try:
            return step(name)
        except _CONTENT_ERRORS as error:
            self._exam.findings.add("member_unreadable", name, detail=str(error) or type(error).__name__)
            return None

    def _key(self, name: str) -> None:
        [key] = read_keys(self._bundle.content(name))
        if name != f"{KEYS}{key.id.hex()}.pub":
            raise ValueError(f"it holds the key {key.label}")
        self._own.append(key)

    @property
    def _all_keys(self) -> list[VerifierKey]:
        return [*self._given, *(key for key in self._own if key not in self._given)]

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
            elif (digest := self._step(path, self._bundle.digest)) is not None and digest != listed[path]:
                self._exam.findings.add("member_changed", path)
        for path in sorted(listed.keys() - self._bundle.members.keys() - set(REQUIRED)):
            self._exam.findings.add("member_missing", path)
        return str(value["session"])

    def _manifest_note(self, name: str) -> None:
        try:
            text, signed_by = open_note(self._bundle.content(name).decode(), self._all_keys)
        except (BadNote, Unverified) as error:
            self._exam.findings.add("manifest_signature", name, detail=str(error))
            return
        if MANIFEST in self._bundle.members and text != manifest_claim(self._bundle.digest(MANIFEST)[1]):
            self._exam.findings.add("manifest_other", MANIFEST)
        elif self._given and not any(key in self._given for key in signed_by):
            self._exam.findings.add("note_manifest_key", name)

    def _seal(self, name: str) -> None:
        note = self._bundle.content(name).decode()
        self._exam.take_seal(note, self._given or self._own, trusted=bool(self._given))

    def _hashes(self, name: str) -> None:
        for number, line in enumerate(self._bundle.lines(name)):
            if number >= self._bundle.limits.entries:
                raise ValueError(f"more than {self._bundle.limits.entries} hashes")
            self._exam.take_sealed_hash(line.decode("ascii"))

    def _entries(self, name: str) -> None:
        for line in self._bundle.lines(name):
            if self._exam.entries >= self._bundle.limits.entries:
                raise ValueError(f"more than {self._bundle.limits.entries} entries")
            self._exam.take_entry(line)

    def _texts(self, name: str) -> None:
        def take(item: dict[str, Any]) -> None:
            self._exam.take_text(item["seq"], item["field"], bytes.fromhex(item["salt"]), item["text"])

        self._objects(name, take)

    def _disclosures(self, name: str) -> None:
        self._objects(name, self._exam.take_disclosure)

    def _objects(self, name: str, take: Callable[[dict[str, Any]], None]) -> None:
        """Each line on its own, so that one broken line doesn't hide the others."""
        for number, line in enumerate(self._bundle.lines(name), 1):
            try:
                take(read_object(line))
            except _CONTENT_ERRORS as error:
                where = f"{name} line {number}"
                self._exam.findings.add("member_unreadable", where, detail=str(error) or type(error).__name__)

    def _fragments(self) -> None:
        named = set()
        for ref in self._exam.record.fragments:
            path = FRAGMENTS + ref.path
            named.add(path)
            found: tuple[int | None, str | None] = (None, None)
            if path in self._bundle.members:
                try:
                    found = self._bundle.digest(path)
                except ZIP_ERRORS as error:
                    self._exam.findings.add("member_unreadable", ref.where, detail=str(error))
                    continue
            self._exam.take_fragment(ref, *found)
        for path in sorted(self._bundle.members):
            if path.startswith(FRAGMENTS) and path not in named:
                self._exam.findings.add("fragment_unknown", path)

    def _register(self, name: str) -> None:
        value = read_object(self._bundle.content(name))
        notes = value["seals"]
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise ValueError("not a list of seals")
        self._exam.take_register(notes, self._all_keys)

    def _after(self, name: str) -> None:
        claim = self._exam.claim
        if claim is None:
            return
        chain = Chain(f"{claim.session}/after")
        for line in self._bundle.lines(name):
            chain.add(line, sha256_hex(line))
            if len(chain.findings) > _MOST_AFTER:
                break
        for finding in chain.findings:
            self._exam.findings.add("after_chain", AFTER, detail=finding)


_MOST_AFTER: Final = 100


def manifest_claim(digest: str) -> str:
    """The text that is signed over a manifest with this SHA-256."""
    return f"{FORMAT}\n{digest}\n"
