"""The examination of one session's record, wherever it comes from: a bundle's files or the database and the archive. Pure.

Feed it in this order: `take_seal`; `take_sealed_hash` for each sealed hash at hand, `take_entry` for each body and `take_text`
for its texts, hash before entry, text not long before or after its own; `end_entries`; the trail after the seal by `take_late`;
then disclosures, fragments, register; `close`, and `report`. It holds a packed hash per entry (two where it differs from the
sealed one), one reference per fragment, gap and order, and nothing else grows with the session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import rfc8785

from compliance import fairness_late
from compliance.fairness import Ledger
from compliance.findings import Findings, Report
from compliance.record import Disclosure, FragmentRef, Record, text_of, whole
from compliance.seals import KeyRing, RegisterChain
from compliance.sequence import EntryHashes
from compliance.stretch import CLOCKS_APART, Proven
from core.canonical import canonical, sha256_hex
from core.clock import from_text, to_text
from recording.chain import GENESIS, Body, Entry, read_body, read_entry
from recording.claim import Claim, claim_hash, read_claim
from recording.note import BadNote, Unverified, split_note

# What reading an entry's body may raise on hostile bytes.
_UNREADABLE: Final = (ValueError, TypeError, KeyError, RecursionError, OverflowError, rfc8785.CanonicalizationError)


class Examination:
    """One record under examination; every method turns what is wrong into findings and never raises on content."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.record = Record(self.findings)
        self._ledger = Ledger()
        self.claim: Claim | None = None
        self.trusted = False
        self._seal_hash: str | None = None
        self._hashes = EntryHashes()
        self._chain = Findings()
        self._last: tuple[datetime, str] | None = None  # time and hash of the entry before, None when it couldn't be read
        self._paths: set[str] = set()
        self._disclosed: set[Disclosure] = set()

    @property
    def entries(self) -> int:
        return self._hashes.found

    def take_seal(self, note: str, keys: KeyRing, *, trusted: bool) -> None:
        """The session's signed seal, and the keys whose signature counts."""
        self.trusted = trusted
        if not trusted:
            self.findings.add("note_key", "seal.txt")
        try:
            text, _signatures = split_note(note)
            self.claim = read_claim(text)
            self._seal_hash = claim_hash(text)
        except (BadNote, ValueError) as error:
            self.findings.add("seal_unreadable", "seal.txt", detail=str(error))
            return
        try:
            _text, signed_by = keys.open(note)
            name = text.partition("/")[0]
            if all(key.name != name for key in signed_by):
                self.findings.add("seal_signature", "seal.txt", detail=f"{name} did not sign it")
        except (BadNote, Unverified) as error:
            self.findings.add("seal_signature", "seal.txt", detail=str(error))

    def take_sealed_hash(self, digest: str) -> None:
        """The next entry's hash as it was stored when the session was sealed."""
        self._hashes.add_sealed(digest)

    def take_sealed_hashes(self, packed: bytes) -> None:
        """The same for several, 32 bytes each."""
        self._hashes.add_sealed_run(packed)

    def take_stretch(self, proven: Proven, first: int) -> bool:
        """The next entries and their texts at once, from number `first` on. False, and nothing is done, where they must be
        looked at one by one: because they are not what was sealed, or not where they belong.
        """
        is_due = first == 1 if self._last is None else self._last[0] - from_text(proven.first_at) <= CLOCKS_APART
        if not is_due or self.record.awaits_entries:
            return False
        if not self._hashes.add_run(proven.hashes, first, proven.prev, proven.root):
            return False
        self._last = from_text(proven.last_at), self._hashes.last
        for entry in proven.told:
            self.record.hear(entry)
            self._ledger.hear(entry)
        for commitment in proven.unopened:
            self.record.commit(*commitment)
        return True

    def take_entry(self, body: bytes) -> None:
        """The next entry as it stands."""
        place = self._hashes.found + 1
        digest = sha256_hex(body)
        entry: Body | Entry | None = read_body(body)
        if entry is None and (entry := self._read_slowly(place, body, digest)) is None:
            self._hashes.add(digest, None, "")
            self._last = None
            return
        self._hashes.add(digest, entry.seq, entry.prev)
        self._check_link(place, entry, digest)
        self.record.add(entry)
        self._ledger.add(entry)

    def _read_slowly(self, place: int, body: bytes, digest: str) -> Entry | None:
        try:
            entry = read_entry(body, digest)
            if entry.body != body:
                self.findings.add("entry_not_canonical", f"entry {place}")
        except _UNREADABLE as error:
            self.findings.add("entry_unreadable", f"entry {place}", detail=str(error))
            return None
        return entry

    def _check_link(self, place: int, entry: Body | Entry, digest: str) -> None:
        if entry.seq != place:
            self._chain.add("entry_seq", f"entry {place}", found=entry.seq)
        if self.claim is not None and entry.session != self.claim.session:
            self._chain.add("entry_session", f"entry {place}", other=entry.session)
        if place == 1 and entry.prev != GENESIS:
            self._chain.add("entry_prev", f"entry {place}")
        at = entry.at if isinstance(entry, Entry) else from_text(entry.at)
        if self._last is not None:
            last_at, last_digest = self._last
            if entry.prev != last_digest:
                self._chain.add("entry_prev", f"entry {place}")
            if last_at - at > CLOCKS_APART:
                self._chain.add("entry_time", f"entry {place}")
        self._last = at, digest

    def end_entries(self) -> None:
        """All entries are in: compare them with the seal and with each other."""
        claim, hashes, root = self.claim, self._hashes, self._hashes.root
        whole = claim is not None and root == claim.root
        if claim is not None:
            if claim.entries != hashes.found:
                self.findings.add("seal_entries", "seal.txt", sealed=claim.entries, found=hashes.found)
            if claim.fragments != len(self.record.fragments):
                self.findings.add("seal_fragments", "seal.txt", sealed=claim.fragments, found=len(self.record.fragments))
            if not whole:
                self.findings.add("seal_root", "seal.txt")
        sealed_root = hashes.sealed_root()
        believed = claim is not None and sealed_root == claim.root
        if hashes.sealed and claim is not None and not believed and sealed_root != root:
            self.findings.add("hashes_root", "hashes.txt")
        if whole:
            # Nothing but what was sealed; a fault of the chain was sealed with it.
            self.findings.extend(self._chain)
            return
        by_the_seal = believed or (claim is None and hashes.sealed)
        faults = hashes.against_the_seal() if by_the_seal else hashes.against_the_chain()
        for fault in faults:
            numbers = [str(number) for number in fault.numbers]
            between = " to " if fault.code == "entries_differ" else " and "
            where = f"entry {numbers[0]}" if len(numbers) == 1 else f"entries {between.join(numbers)}"
            self.findings.add(fault.code, where, place=fault.place)
        if not faults:
            self.findings.extend(self._chain)

    def take_text(self, seq: int, field: str, salt: bytes, text: str) -> None:
        """A personal text with its salt."""
        self.record.open_text(seq, field, salt, text)

    def take_disclosure(self, item: Mapping[str, Any]) -> None:
        """The texts {"en", "zh"} behind a confirmed disclosure {product, version, sha256, text}."""
        told = Disclosure(text_of(item["product"]), whole(item["version"]), text_of(item["sha256"]))
        where = f"disclosure {told.product} version {told.version}"
        if sha256_hex(canonical(item["text"])) != told.sha256:
            self.findings.add("disclosure_text", where)
        if told in self.record.disclosures:
            self._disclosed.add(told)
        else:
            self.findings.add("disclosure_unknown", where)

    def take_late(self, entry: Entry) -> None:
        """An entry of the trail after the seal, of which only what was confirmed and bought in a replay says anything here."""
        self.record.hear_late(entry)
        for code, params in fairness_late.faults(self._ledger.offers, self._ledger.ended, entry):
            self.findings.add(code, f"entry {entry.seq} after the seal", **params)

    def take_fragment(self, ref: FragmentRef, size: int | None, digest: str | None) -> None:
        """What stands at a fragment's path: its size in bytes and SHA-256, None when nothing does."""
        if ref.path in self._paths:
            self.findings.add("fragment_twice", ref.where)
        self._paths.add(ref.path)
        if size is None or digest is None:
            self.findings.add("fragment_missing", ref.where)
            return
        if size != ref.bytes:
            self.findings.add("fragment_size", ref.where, found=size, said=ref.bytes)
        if digest != ref.sha256:
            self.findings.add("fragment_hash", ref.where)

    def take_register(self, register: RegisterChain) -> None:
        """What became of the register's seals, from the first up to and including this session's."""
        for finding in register.findings:
            self.findings.add("register_chain", "register", detail=finding)
        if self.claim is None:
            return
        if register.seals != self.claim.number or register.last_hash != self._seal_hash:
            self.findings.add("register_seal", f"register, seal {self.claim.number}")

    def close(self, *, disclosures: bool = True) -> None:
        """Everything is in: what can be said only now. `disclosures` is whether their texts were due."""
        for disclosure in self.record.disclosures:
            if disclosures and disclosure not in self._disclosed:
                self.findings.add("note_disclosure", f"disclosure {disclosure.product} version {disclosure.version}")
        self.record.check()
        self._ledger.close().tell(self.findings)

    def report(self, session: str = "") -> Report:
        """The whole outcome. `session` names it when there is no seal to do so."""
        claim = self.claim
        return Report(
            session=claim.session if claim is not None else session,
            findings=self.findings.taken(),
            entries=self.entries,
            fragments=len(self.record.fragments),
            orders=len(self.record.orders),
            root=self._hashes.root.hex(),
            sealed_at=to_text(claim.at) if claim is not None else None,
            trusted=self.trusted,
        )


def read_object(raw: bytes) -> dict[str, Any]:
    """One JSON object of a .jsonl line. Raises ValueError."""
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
