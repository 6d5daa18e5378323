"""Reading an SDP offer (RFC 8866, RFC 8829): what a client can do. Pure; hostile input ends in Refused(BAD_OFFER)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.errors import Refused
from stream.errors import BAD_OFFER

# Chromium's offer has 8 kB; inside JSON this stays below the API's limit of 64 KiB.
MAX_OFFER_BYTES = 32 * 1024
_MAX_MEDIA = 16
# Browsers send four settings a format; a line of thousands would hold the event loop up.
_MAX_SETTINGS = 16
# Chromium offers eleven extensions and two sources a line.
_MAX_EXTENSIONS = 32
_MAX_SOURCES = 8
_MEDIA_LINE = re.compile(r"^m=(\S{1,32}) (\d{1,5})(?:/\d+)? (\S{1,64}) (\S.*)$", re.ASCII)
_RTPMAP = re.compile(r"^(\d{1,3}) ([^/\s]{1,64})/(\d{1,9})(?:/(\d{1,3}))?$", re.ASCII)
_PAYLOAD_TYPE = re.compile(r"^[0-9]{1,3}$")
_EXTMAP = re.compile(r"^(\d{1,3})(?:/(?:sendrecv|sendonly|recvonly|inactive))? (\S{1,256})", re.ASCII)
_SSRC = re.compile(r"^(\d{1,10})(?: |$)", re.ASCII)
_FID = re.compile(r"^FID (\d{1,10}) (\d{1,10})$", re.ASCII)
_TOKEN = re.compile(r"^[\x21-\x7e]{1,64}$")
_ICE = re.compile(r"^[A-Za-z0-9+/\-_=]{4,256}$")
# Attributes that are one checked value: where each goes and what it looks like.
_CHECKED = {"mid": ("mid", _TOKEN), "setup": ("setup", _TOKEN), "ice-ufrag": ("ufrag", _ICE), "ice-pwd": ("password", _ICE)}
_DIGESTS = {"sha-256", "sha-384", "sha-512"}
_HEX_PAIRS = re.compile(r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19,63}$")
# RFC 5761 section 4: payload types that would look like RTCP's 192 to 223.
_LOOKS_LIKE_RTCP = range(64, 96)
# RFC 8285 section 4.2: what an extension's one-byte header can name.
_EXTENSION_IDS = range(1, 15)


@dataclass(slots=True)
class Format:
    """One payload type. `name` and the keys of `fmtp` are lower case."""

    payload_type: int
    name: str = ""
    clock_rate: int = 0
    fmtp: dict[str, str] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)


@dataclass(slots=True)
class OfferedMedia:
    """One m-line, in the order of the offer."""

    kind: str
    port: int
    protocol: str
    raw_formats: str
    mid: str = ""
    direction: str = "sendrecv"
    bundle_only: bool = False
    rtcp_mux: bool = False
    ufrag: str = ""
    password: str = ""
    setup: str = ""
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    formats: dict[int, Format] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)
    """What is offered for all formats at once."""
    extensions: dict[str, int] = field(default_factory=dict)
    """Header extensions (RFC 8285) by their URI; only those that fit a one-byte header."""
    ssrcs: list[int] = field(default_factory=list)
    """The sources declared (RFC 5576), in their order."""
    repeats: dict[int, int] = field(default_factory=dict)
    """By source, the one that repeats it (RFC 4588 section 8.3, `ssrc-group:FID`)."""

    @property
    def rejected(self) -> bool:
        """RFC 8843: port 0 is a refusal unless the line says bundle-only."""
        return self.port == 0 and not self.bundle_only


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole offer. Transport values are those of the first m-line in use (all are bundled with it)."""

    media: tuple[OfferedMedia, ...]
    bundle: tuple[str, ...]
    ufrag: str
    setup: str
    fingerprints: tuple[tuple[str, str], ...]


def bad(detail: str) -> Refused:
    """The refusal of an offer that can't be read."""
    return Refused(BAD_OFFER, detail=detail)


def parse_offer(text: str) -> Offer:
    """Raises Refused(BAD_OFFER) with what is wrong."""
    if len(text) > MAX_OFFER_BYTES:
        raise bad("too long")
    lines = [line.strip() for line in text.splitlines()]
    if not lines or lines[0] != "v=0":
        raise bad("it is no SDP")
    general = OfferedMedia("", 0, "", "")
    media: list[OfferedMedia] = []
    bundle: tuple[str, ...] = ()
    lite = False
    for line in lines:
        if line.startswith("m="):
            media.append(_media_line(line, len(media)))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            if name == "group" and value.startswith("BUNDLE"):
                bundle = tuple(value.split()[1:])
            elif name == "ice-lite":
                lite = True
            else:
                _attribute(media[-1] if media else general, name, value)
    if lite:
        raise bad("both ends would be ICE-lite")
    return _checked(general, media, bundle)


def _media_line(line: str, count: int) -> OfferedMedia:
    found = _MEDIA_LINE.match(line)
    if found is None:
        raise bad("an m-line can't be read")
    if count >= _MAX_MEDIA:
        raise bad(f"more than {_MAX_MEDIA} m-lines")
    kind, port, protocol, formats = found.groups()
    media = OfferedMedia(kind, int(port), protocol, formats, mid=str(count))
    if kind in ("audio", "video"):
        for entry in formats.split():
            if not _PAYLOAD_TYPE.match(entry) or int(entry) > 127:  # noqa: PLR2004 - seven bits
                raise bad("a payload type is no number below 128")
            media.formats[int(entry)] = Format(int(entry))
    return media


def _attribute(media: OfferedMedia, name: str, value: str) -> None:
    if name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        media.direction = name
    elif name in ("rtpmap", "fmtp", "rtcp-fb"):
        _format_attribute(media, name, value)
    elif name in _CHECKED:
        field_name, pattern = _CHECKED[name]
        if not pattern.match(value):
            raise bad(f"{name} can't be read")
        setattr(media, field_name, value)
    elif name in ("ssrc", "ssrc-group", "extmap"):
        _source_attribute(media, name, value)
    elif name == "rtcp-mux":
        media.rtcp_mux = True
    elif name == "bundle-only":
        media.bundle_only = True
    elif name == "fingerprint":
        algorithm, _, digest = value.partition(" ")
        if algorithm.lower() in _DIGESTS and _HEX_PAIRS.match(digest):
            media.fingerprints.append((algorithm.lower(), digest))


def _source_attribute(media: OfferedMedia, name: str, value: str) -> None:
    """What can't be read is passed over: a source unknown here is still known by its payload type."""
    if name == "extmap":
        found = _EXTMAP.match(value)
        if found and int(found[1]) in _EXTENSION_IDS and len(media.extensions) < _MAX_EXTENSIONS:
            media.extensions[found[2]] = int(found[1])
    elif name == "ssrc-group":
        pair = _FID.match(value)
        if pair and len(media.repeats) < _MAX_SOURCES:
            media.repeats[int(pair[1])] = int(pair[2])
    else:
        one = _SSRC.match(value)
        if one and int(one[1]) not in media.ssrcs and len(media.ssrcs) < _MAX_SOURCES:
            media.ssrcs.append(int(one[1]))


def _format_attribute(media: OfferedMedia, name: str, value: str) -> None:
    if name == "rtpmap":
        found = _RTPMAP.match(value)
        known = media.formats.get(int(found[1])) if found else None
        if found and known:
            known.name, known.clock_rate = found[2].lower(), int(found[3])
        return
    which, _, rest = value.partition(" ")
    if name == "rtcp-fb" and which == "*":  # RFC 4585 section 4.2; fmtp has no such thing
        media.feedback.add(rest.strip())
        return
    known = media.formats.get(int(which)) if _PAYLOAD_TYPE.match(which) else None
    if known is None:
        return
    if name == "rtcp-fb":
        known.feedback.add(rest.strip())
        return
    for part in rest.split(";", _MAX_SETTINGS)[:_MAX_SETTINGS]:
        key, _, setting = part.strip().partition("=")
        if key:
            known.fmtp[key.lower()] = setting.strip()


def _checked(general: OfferedMedia, media: list[OfferedMedia], bundle: tuple[str, ...]) -> Offer:
    if len({m.mid for m in media}) != len(media):
        raise bad("two m-lines share a mid")
    used = [m for m in media if not m.rejected and m.kind in ("audio", "video")]
    if not used:
        raise bad("it has no audio and no video")
    first = next((m for m in used if m.mid in bundle), used[0])
    ufrag = first.ufrag or general.ufrag
    fingerprints = tuple(first.fingerprints or general.fingerprints)
    setup = first.setup or general.setup or "active"
    if not ufrag or not (first.password or general.password):
        raise bad("ice-ufrag or ice-pwd is missing")
    if not fingerprints:
        raise bad("a DTLS fingerprint by SHA-256 or better is missing")
    if setup not in ("actpass", "active", "passive"):
        raise bad("setup is neither actpass nor active nor passive")
    for m in media:
        m.formats = {n: f for n, f in m.formats.items() if n not in _LOOKS_LIKE_RTCP}
    return Offer(tuple(media), bundle, ufrag, setup, fingerprints)
