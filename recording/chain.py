"""What an entry is, as bytes: pure, so that the offline verifier and the database agree on it to the last byte.

An entry's body is canonical JSON (RFC 8785) of {session, seq, at, media_ms, kind, actor, data, prev}; its hash is SHA-256
over that. `prev` is the hash of the entry before, 64 zeros for the first. Personal text never stands in a body: `data`
holds {"sha256": …} over 32 random bytes of salt and the text, and both can be forgotten without breaking the chain.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from core.canonical import Plain, Whole, canonical, has_no_great_character, is_written_so, sha256_hex
from core.clock import from_text, to_text

GENESIS = "0" * 64
SALT_BYTES = 32

_FIELDS = frozenset({"session", "seq", "at", "media_ms", "kind", "actor", "data", "prev"})
# What `to_text` writes, from the year 1000 on; that it is a day of the calendar, `datetime` says.
AT: Final = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be appended; the trail adds session, number, time and chain.

    `private` is personal text by field name: only its salted commitment goes into `data`. `media_ms` is the media time the
    entry speaks of, where that isn't the moment of writing (a fragment's end, a gap's beginning).
    """

    kind: str
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict)
    media_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a trail. `at` is UTC to the microsecond, `media_ms` None before the session's start and after its seal."""

    session: str
    seq: int
    at: datetime
    media_ms: int | None
    kind: str
    actor: str
    data: Mapping[str, Any]
    prev: str
    hash: str

    @property
    def body(self) -> bytes:
        """The bytes `hash` is over."""
        return entry_body(self.session, self.seq, self.at, self.media_ms, self.kind, self.actor, self.data, self.prev)


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An entry as its body says it, in the order of its canonical bytes."""

    actor: str
    at: str
    data: dict[str, Plain]
    kind: str
    media_ms: Whole | None
    prev: str
    seq: Whole
    session: str


_BODIES: Final = msgspec.json.Decoder(Body)


def entry_body(
    session: str, seq: int, at: datetime, media_ms: int | None, kind: str, actor: str, data: Mapping[str, Any], prev: str
) -> bytes:
    """The canonical JSON of an entry."""
    return canonical(
        {
            "session": session,
            "seq": seq,
            "at": to_text(at),
            "media_ms": media_ms,
            "kind": kind,
            "actor": actor,
            "data": dict(data),
            "prev": prev,
        }
    )


def next_entry(
    session: str, seq: int, at: datetime, media_ms: int | None, kind: str, actor: str, data: Mapping[str, Any], prev: str
) -> tuple[Entry, bytes]:
    """The entry that follows `prev`, and its body."""
    body = entry_body(session, seq, at, media_ms, kind, actor, data, prev)
    return Entry(session, seq, at, media_ms, kind, actor, data, prev, sha256_hex(body)), body


def read_body(raw: bytes) -> Body | None:
    """What stands in a body that is proven canonical; None where it isn't proven, which `read_entry` and `Entry.body` decide.

    Of the bodies a trail writes hardly one needs them: those with a character above U+FFFF, and nothing else so far.
    """
    try:
        body = _BODIES.decode(raw)
        datetime.fromisoformat(body.at)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return body if is_written_so(raw, body) and has_no_great_character(raw) and AT.fullmatch(body.at) is not None else None


def read_entry(body: str | bytes, stored_hash: str) -> Entry:
    """An entry from its stored body. Raises ValueError when the body isn't one; the hash is taken as stored, not believed."""
    value = json.loads(body)
    if not isinstance(value, dict) or value.keys() != _FIELDS or not isinstance(value["data"], dict):
        raise ValueError("not the body of an entry")
    return Entry(
        session=str(value["session"]),
        seq=int(value["seq"]),
        at=from_text(value["at"]),
        media_ms=value["media_ms"],
        kind=str(value["kind"]),
        actor=str(value["actor"]),
        data=value["data"],
        prev=str(value["prev"]),
        hash=stored_hash,
    )


def commitment(salt: bytes, text: str) -> str:
    """What stands in the trail for a personal text: SHA-256 hex over the salt and the UTF-8 text."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


class Chain:
    """Checks a trail entry by entry, in constant memory: feed every body and stored hash in order, then read `findings`."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.seq = 0
        self.hash = GENESIS
        self.findings: list[str] = []

    def add(self, body: str | bytes, stored_hash: str) -> Entry | None:
        """The next entry as stored, None when it can't be read; whatever is wrong with it becomes a finding."""
        raw = body.encode() if isinstance(body, str) else body
        expected = self.seq + 1
        self.seq = expected
        real = sha256_hex(raw)
        if real != stored_hash:
            self.findings.append(f"entry {expected}: its hash is not the hash of its body")
        try:
            entry = read_entry(raw, stored_hash)
            if read_body(raw) is None and entry.body != raw:
                self.findings.append(f"entry {expected}: the body is not canonical")
        except (ValueError, TypeError, KeyError) as error:
            self.findings.append(f"entry {expected}: unreadable ({error})")
            self.hash = real
            return None
        if entry.session != self.session:
            self.findings.append(f"entry {expected}: belongs to {entry.session}")
        if entry.seq != expected:
            self.findings.append(f"entry {expected}: numbered {entry.seq}")
            self.seq = entry.seq
        if entry.prev != self.hash:
            self.findings.append(f"entry {expected}: does not follow the one before it")
        self.hash = real
        return entry


def check_chain(session: str, stored: Iterable[tuple[str | bytes, str]]) -> list[str]:
    """The findings over (body, hash) pairs in order; empty for an untouched trail."""
    chain = Chain(session)
    for body, stored_hash in stored:
        chain.add(body, stored_hash)
    return chain.findings
