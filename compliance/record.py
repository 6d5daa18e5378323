"""What a trail says about media, orders, prices, disclosures and personal texts, and whether it holds together. Pure.

Fed with entries in order and with texts near their entries; `check` then finds holes nobody explained, orders nobody recorded
and prices that differ. What the entries say is foreign: every value is looked at before it is kept, and few are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from compliance.findings import Findings
from compliance.openings import Openings
from compliance.sequence import is_hash
from core.canonical import canonical_value
from recording import kinds
from recording.chain import Body, Entry, commitment
from recording.coverage import merge, shown, uncovered

# A hole in a required stream may be this long without an entry: what lies between two cuts, and clocks that differ a little.
TOLERANCE_MS: Final = 500
# So many fragments, gaps, orders and confirmed disclosures are held in memory, some 500 bytes each; a day's show has far fewer.
MOST_KEPT: Final = 1_000_000
_MOST_STREAMS: Final = 100
MOST_TEXT: Final = 300  # characters of a name, a path or a price


@dataclass(frozen=True, slots=True)
class FragmentRef:
    """A piece of the recording as its entry names it; `path` is relative to the archive's root."""

    seq: int
    stream: str
    epoch: int
    index: int
    start_ms: int
    end_ms: int
    bytes: int
    sha256: str
    path: str

    @property
    def where(self) -> str:
        return f"fragment {self.stream}/{self.epoch}/{self.index} ({self.path})"


@dataclass(frozen=True, slots=True)
class _Gap:
    stream: str
    start: int
    end: int
    reason: str
    seq: int
    track: str  # empty when nothing of the stream was recorded


@dataclass(frozen=True, slots=True)
class _Order:
    seq: int
    id: str
    media_ms: int | None
    product: str
    price: str | None
    streams: tuple[str, ...]  # those that were required when it was placed
    late: bool = False  # placed in a replay, on record after the seal

    @property
    def where(self) -> str:
        return f"entry {self.seq}{' after the seal' if self.late else ''}, order {self.id}"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A disclosure that a customer confirmed, by product, version and the hash of its texts."""

    product: str
    version: int
    sha256: str


class Record:
    """Collects what the entries say. Never raises on what they contain: what can't be read is a finding."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.started = False
        self.required: tuple[str, ...] = ()
        self.end_ms: int | None = None
        self.fragments: list[FragmentRef] = []
        self.disclosures: dict[Disclosure, int] = {}
        self.orders: list[_Order] = []
        self._gaps: list[_Gap] = []
        self._excused: set[str] = set()
        self._openings = Openings(findings)
        self._streams: set[str] = set()
        self.is_full = False

    def add(self, entry: Body | Entry) -> None:
        """The next entry."""
        for name, value in entry.data.items():
            if (digest := committed(value)) is not None and len(name) <= MOST_TEXT:
                self._openings.commit(entry.seq, name, digest)
        self.hear(entry)

    @property
    def awaits_entries(self) -> bool:
        """Whether there are texts whose entries have not come."""
        return self._openings.awaits_entries

    def commit(self, seq: int, field: str, digest: str) -> None:
        """An entry's commitment to a text."""
        self._openings.commit(seq, field, digest)

    def hear(self, entry: Body | Entry) -> None:
        """The next entry, whose commitments are known."""
        read = _READERS.get(entry.kind)
        try:
            moment(entry.media_ms)
            if read is not None and self._has_room():
                read(self, entry)
        except (KeyError, TypeError, ValueError) as error:
            code = "fragment_entry" if entry.kind == kinds.FRAGMENT else "entry_unreadable"
            self._findings.add(code, f"entry {entry.seq}", detail=repr(error))

    def hear_late(self, entry: Entry) -> None:
        """An entry of the trail after the seal: what was confirmed and bought while the session was seen again.

        What it says of the streams that had to show its moment is not believed: the session's own say that.
        """
        try:
            if entry.kind == kinds.DISCLOSURE_CONFIRMED and self._has_room():
                self._disclosure(entry)
            elif entry.kind == kinds.ORDER_PLACED and self._has_room():
                whole(entry.data["replay"]["media_ms"])
                order = self._read_order(entry)
                if order.media_ms != entry.data["replay"]["media_ms"]:
                    raise ValueError("two media times")
                self.orders.append(replace(order, streams=self.required, late=True))
        except (KeyError, TypeError, ValueError) as error:
            self._findings.add("entry_unreadable", f"entry {entry.seq} after the seal", detail=repr(error))

    def _has_room(self) -> bool:
        if self.is_full:
            return False
        kept = len(self.fragments) + len(self._gaps) + len(self.orders) + len(self._excused) + len(self.disclosures)
        if kept >= MOST_KEPT:
            self.is_full = True
            self._findings.add("record_full", "record", most=MOST_KEPT)
        return not self.is_full

    def open_text(self, seq: int, field: str, salt: bytes, text: str) -> None:
        """A personal text, to be held against its commitment. Raises ValueError for one that is no Unicode."""
        self._openings.open(seq, field, commitment(salt, text))

    def check(self) -> None:
        """Everything that can be said once all entries and texts are in."""
        if not self.started:
            self._findings.add("note_not_started", "session")
        self._check_streams()
        self._check_orders()
        self._check_prices()
        self._openings.close()

    def _check_streams(self) -> None:
        end = self.end_ms or 0
        for stream in self.required:
            pieces = [(item.start_ms, item.end_ms) for item in self.fragments if item.stream == stream]
            for gap in (gap for gap in self._gaps if gap.stream == stream):
                if not gap.track:
                    pieces.append((gap.start, gap.end))
                where = f"stream {stream}{gap.track and f' ({gap.track})'}, entry {gap.seq}"
                self._findings.add("note_gap", where, start=gap.start, end=gap.end, reason=gap.reason)
            for start, stop in holes(pieces, end):
                self._findings.add("gap_unexplained", f"stream {stream}", start=start, end=stop)

    def _check_orders(self) -> None:
        for stream in sorted({stream for order in self.orders for stream in order.streams}):
            pieces = [(item.start_ms, item.end_ms) for item in self.fragments if item.stream == stream]
            gaps = [(gap.start, gap.end) for gap in self._gaps if gap.stream == stream and gap.track]
            orders = [order for order in self.orders if stream in order.streams]
            missing = set(uncovered((order.media_ms for order in orders if order.media_ms is not None), shown(pieces, gaps)))
            for order in orders:
                if order.media_ms is not None and order.media_ms not in missing:
                    continue
                if order.id in self._excused and not order.late:
                    self._findings.add("note_order_uncovered", order.where)
                else:
                    self._findings.add("order_uncovered", order.where, ms=order.media_ms, stream=stream)

    def _check_prices(self) -> None:
        for order in self.orders:
            if order.price is None:
                self._findings.add("note_price", order.where)

    def _started(self, entry: Body | Entry) -> None:
        self.started = True
        self.required = self._names(entry.data.get("required", ()))

    def _ended(self, entry: Body | Entry) -> None:
        self.end_ms = entry.media_ms

    def _fragment(self, entry: Body | Entry) -> None:
        data = entry.data
        numbers = {name: whole(data[name]) for name in ("epoch", "index", "start_ms", "end_ms", "bytes")}
        texts = {name: text_of(data[name]) for name in ("stream", "sha256", "path")}
        self.fragments.append(FragmentRef(seq=entry.seq, **numbers, **texts))  # type: ignore[arg-type]

    def _gap(self, entry: Body | Entry) -> None:
        data = entry.data
        span = whole(data["from_ms"]), whole(data["to_ms"])
        track = text_of(data.get("track", ""))
        self._gaps.append(_Gap(text_of(data["stream"]), *span, text_of(data.get("reason") or ""), entry.seq, track))

    def _order(self, entry: Body | Entry) -> None:
        self.orders.append(self._read_order(entry))

    def _read_order(self, entry: Body | Entry) -> _Order:
        data = entry.data
        price = data.get("price")
        told = None if price is None else sys.intern(text_of(canonical_value(price).decode()))
        at = moment(data.get("media_ms", entry.media_ms))
        streams = self._names(data.get("streams") or self.required)
        return _Order(entry.seq, _name(data["order"]), at, sys.intern(_name(data["product"])), told, streams)

    def _names(self, names: Any) -> tuple[str, ...]:
        """Names of streams; a record that has very many of them is none of ours, and would take for ever to check."""
        named = tuple(sys.intern(text_of(name)) for name in names)
        if not self._streams.issuperset(named):
            if len(self._streams.union(named)) > _MOST_STREAMS:
                raise ValueError(f"more than {_MOST_STREAMS} streams")
            self._streams.update(named)
        return named

    def _uncovered(self, entry: Body | Entry) -> None:
        self._excused.add(_name(entry.data["order"]))

    def _disclosure(self, entry: Body | Entry) -> None:
        data = entry.data
        told = Disclosure(text_of(data["product"]), whole(data["version"]), text_of(data["disclosure_sha256"]))
        self.disclosures.setdefault(told, entry.seq)


_READERS = {
    kinds.SESSION_STARTED: Record._started,
    kinds.SESSION_ENDED: Record._ended,
    kinds.FRAGMENT: Record._fragment,
    kinds.GAP: Record._gap,
    kinds.ORDER_PLACED: Record._order,
    kinds.ORDER_UNCOVERED: Record._uncovered,
    kinds.DISCLOSURE_CONFIRMED: Record._disclosure,
}
READ_KINDS: Final = frozenset(_READERS)
"""The kinds of entries that say something to a record beside their commitments, and the fields of their data that do."""
READ_FIELDS: Final = frozenset(
    {
        "required",
        *("stream", "epoch", "index", "start_ms", "end_ms", "bytes", "sha256", "path"),
        *("from_ms", "to_ms", "track", "reason"),
        *("order", "product", "price", "media_ms", "streams"),
        *("version", "disclosure_sha256"),
    }
)


def holes(pieces: list[tuple[int, int]], end: int, tolerance: int = TOLERANCE_MS) -> list[tuple[int, int]]:
    """What of [0, end] no piece covers, leaving out holes of up to `tolerance` ms."""
    found: list[tuple[int, int]] = []
    reached = 0
    for start, stop in [*merge(pieces, 0), (end, end)]:
        if min(start, end) - reached > tolerance:
            found.append((reached, min(start, end)))
        reached = max(reached, stop)
    return found


def committed(value: Any) -> str | None:
    """The digest when `value` is a commitment to a personal text."""
    digest = value.get("sha256") if isinstance(value, dict) and len(value) == 1 else None
    return digest if isinstance(digest, str) and is_hash(digest) else None


def moment(media_ms: Any) -> int | None:
    """A media time in ms, None where there is none. Raises TypeError."""
    return None if media_ms is None else whole(media_ms)


def whole(value: Any) -> int:
    """A whole number. Raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"not a whole number: {value!r}")
    return value


def text_of(value: Any) -> str:
    """A short text, as names are. Raises TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    if len(value) > MOST_TEXT:
        raise ValueError(f"longer than {MOST_TEXT} characters: {value[:MOST_TEXT]!r}")
    return value


def _name(value: Any) -> str:
    """An id, as it stands or inside the thing it names."""
    return text_of(value["id"] if isinstance(value, Mapping) else value)
