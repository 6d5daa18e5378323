"""Our SDP answers: H.264 and Opus, one transport, ICE-lite. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

from core.errors import Refused
from stream.errors import UNSUPPORTED_MEDIA
from stream.ice import Credentials
from stream.offer import Format, Offer, OfferedMedia, bad, parse_offer
from stream.sink import Kind

# Constrained Baseline, then Baseline, both at level 3.1: what every browser decodes. Others are taken as offered.
_PROFILES = ("42e01f", "42001f")
_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
_TRANSPORT_CC = "transport-cc"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
_BASE_PRIORITY = 2_130_706_431
# Chromium begins at 300 kb/s otherwise and takes ten seconds to show 720p; others ignore it.
_START_KBPS = 1500
_FRAGMENT_MAX = 16 * 1024
# The only clock rates of RFC 6184 8.1 and RFC 7587 7. The answer names them whatever was offered, so nothing else may pass.
_CLOCK_RATES = {"video": 90_000, "audio": 48_000}


# Our source for a kind of media; True: that of its repeats.
NewSsrc = Callable[[Kind, bool], int]


@dataclass(frozen=True, slots=True)
class Track:
    """One negotiated track. `ssrc` is ours towards a subscriber and 0 for a publisher, whose own we learn from its packets.

    `rtx` is the payload type of repeats (RFC 4588) if agreed, `rtx_ssrc` ours for them towards a subscriber. `low` is a
    publisher's second video, of lower quality. `declared` and `declared_rtx` are the sources a publisher's offer names, 0 if
    none; `transport_cc` and `mid_extension` the numbers of the header extensions agreed, 0 for none.
    """

    kind: Kind
    mid: str
    payload_type: int
    clock_rate: int
    feedback: frozenset[str]
    profile: str = ""
    ssrc: int = 0
    rtx: int | None = None
    rtx_ssrc: int = 0
    low: bool = False
    declared: int = 0
    declared_rtx: int = 0
    transport_cc: int = 0
    mid_extension: int = 0

    @property
    def codec(self) -> str:
        return "H264" if self.kind == "video" else "opus"


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of the one transport."""

    ice: Credentials
    fingerprint: str
    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both sides agreed on; `answer()` writes it down."""

    offer: Offer
    tracks: tuple[Track, ...]
    sending: bool
    dtls_role: Literal["client", "server"]
    stream_name: str
    max_bitrate: int = 0
    """What a publisher may send of one video, bits per second; 0 is not said."""

    def answer(self, local: LocalTransport, session_id: int, version: int = 1) -> str:
        """The SDP answer."""
        by_mid = {track.mid: track for track in self.tracks}
        host = local.addresses[0]
        lines = ["v=0", f"o=- {session_id} {version} IN {_family(host)} {host}", "s=-", "t=0 0", "a=ice-lite"]
        if self.offer.bundle:
            lines.append("a=group:BUNDLE " + " ".join(t.mid for t in self.tracks))
        lines.append("a=msid-semantic: WMS *")
        for media in self.offer.media:
            track = by_mid.get(media.mid)
            if track is None:
                lines += [
                    f"m={media.kind} 0 {media.protocol} {media.raw_formats}",
                    "c=IN IP4 0.0.0.0",
                    "a=inactive",
                    f"a=mid:{media.mid}",
                ]
                continue
            lines += self._media_lines(media, track, local)
        return "\r\n".join(lines) + "\r\n"

    def _media_lines(self, media: OfferedMedia, track: Track, local: LocalTransport) -> list[str]:
        number, host = track.payload_type, local.addresses[0]
        formats = str(number) if track.rtx is None else f"{number} {track.rtx}"
        capped = self.max_bitrate and track.kind == "video"
        lines = [
            f"m={track.kind} {local.port} {media.protocol} {formats}",
            f"c=IN {_family(host)} {host}",
            *([f"b=AS:{self.max_bitrate // 1000}"] if capped else []),
            f"a=mid:{track.mid}",
            "a=sendonly" if self.sending else "a=recvonly",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            f"a=ice-ufrag:{local.ice.ufrag}",
            f"a=ice-pwd:{local.ice.password}",
            f"a=fingerprint:sha-256 {local.fingerprint}",
            "a=setup:" + ("active" if self.dtls_role == "client" else "passive"),
            *_extension_lines(track),
            *_codec_lines(track, media.formats[number]),
        ]
        if self.sending:
            lines += self._source_lines(track)
        # In every bundled line: aiortc reads the last, FFmpeg the first, browsers any.
        return [*lines, *(f"a=candidate:{c}" for c in _candidates(local)), "a=end-of-candidates"]

    def _source_lines(self, track: Track) -> list[str]:
        repeated = track.rtx is not None
        sources = [track.ssrc, track.rtx_ssrc] if repeated else [track.ssrc]
        return [
            f"a=msid:{self.stream_name} {track.kind}",
            *([f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}"] if repeated else []),
            *(f"a=ssrc:{ssrc} cname:{self.stream_name}" for ssrc in sources),
            *(f"a=ssrc:{ssrc} msid:{self.stream_name} {track.kind}" for ssrc in sources),
        ]

    def restart_fragment(self, local: LocalTransport) -> str:
        """The answer to an ICE restart by PATCH (RFC 9725 section 4.3.3): the new credentials, as an SDP fragment."""
        track = self.tracks[0]
        media = next(m for m in self.offer.media if m.mid == track.mid)
        lines = ["a=ice-lite", f"a=ice-ufrag:{local.ice.ufrag}", f"a=ice-pwd:{local.ice.password}"]
        lines += [f"m={track.kind} 9 {media.protocol} 0", f"a=mid:{track.mid}"]
        lines += [f"a=candidate:{c}" for c in _candidates(local)]
        return "\r\n".join([*lines, "a=end-of-candidates"]) + "\r\n"


def _codec_lines(track: Track, offered: Format) -> list[str]:
    number = track.payload_type
    name = "H264/90000" if track.kind == "video" else "opus/48000/2"
    lines = [f"a=rtpmap:{number} {name}"]
    lines += [f"a=rtcp-fb:{number} {f}" for f in (*_FEEDBACK, _TRANSPORT_CC) if f in track.feedback]
    if track.kind == "video":
        profile = offered.fmtp.get("profile-level-id", _PROFILES[0])
        hint = "" if track.ssrc else f";x-google-start-bitrate={_START_KBPS}"
        lines.append(f"a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}{hint}")
    else:
        lines.append(f"a=fmtp:{number} minptime=10;useinbandfec=1")
    if track.rtx is not None:
        lines += [f"a=rtpmap:{track.rtx} rtx/{track.clock_rate}", f"a=fmtp:{track.rtx} apt={number}"]
    return lines


def _extension_lines(track: Track) -> list[str]:
    agreed = ((track.transport_cc, TRANSPORT_CC_URI), (track.mid_extension, MID_URI))
    return [f"a=extmap:{number} {uri}" for number, uri in agreed if number]


def _candidates(local: LocalTransport) -> list[str]:
    return [
        f"{i} 1 udp {_BASE_PRIORITY - 256 * i} {address} {local.port} typ host"
        for i, address in enumerate(local.addresses, start=1)
    ]


def _family(host: str) -> str:
    return "IP6" if ":" in host else "IP4"


def negotiate_publish(text: str, stream_name: str, max_bitrate: int = 0) -> Negotiated:
    """Reads a publisher's offer. Refused: BAD_OFFER, or UNSUPPORTED_MEDIA when what it sends is not H.264 and Opus.

    Of two videos the first is the better one; lines beyond are answered as inactive. `max_bitrate` (bits per second, 0 for no
    word about it) bounds each video.
    """
    offer = parse_offer(text)
    lines = [media for media in offer.media if _runs(media, ("sendonly", "sendrecv"))]
    tracks = _tracks(offer, lines, _no_ssrc, profile="")
    tracks = tuple(_sent(track, lines) for track in (*tracks, *_second_video(offer, lines, tracks)))
    return Negotiated(offer, tracks, False, _role(offer), stream_name, max_bitrate)


def negotiate_subscribe(text: str, stream_name: str, new_ssrc: NewSsrc, profile: str) -> Negotiated:
    """Reads a subscriber's offer; `profile` is the publisher's H.264 profile, taken when offered. Raises as above."""
    offer = parse_offer(text)
    lines = [media for media in offer.media if _runs(media, ("recvonly", "sendrecv"))]
    return Negotiated(offer, _tracks(offer, lines, new_ssrc, profile=profile), True, _role(offer), stream_name)


def _no_ssrc(_kind: Kind, _repeats: bool) -> int:
    return 0


def _role(offer: Offer) -> Literal["client", "server"]:
    # As DTLS server we choose the SRTP profile; only who insists on being the server itself (FFmpeg) makes us the client.
    return "client" if offer.setup == "passive" else "server"


def _runs(media: OfferedMedia, directions: tuple[str, ...]) -> bool:
    return not media.rejected and media.kind in ("audio", "video") and media.direction in directions


def _tracks(offer: Offer, lines: list[OfferedMedia], new_ssrc: NewSsrc, *, profile: str) -> tuple[Track, ...]:
    """The first line of each kind."""
    tracks: dict[str, Track] = {}
    for media in lines:
        if media.kind in tracks:
            continue
        if not media.rtcp_mux:
            raise bad("rtcp-mux is missing")
        chosen = _best(media, profile)
        if chosen is None:
            raise Refused(UNSUPPORTED_MEDIA, detail=f"{media.kind} without {'H.264' if media.kind == 'video' else 'Opus'}")
        tracks[media.kind] = _track(media, chosen, new_ssrc)
    if not tracks:
        raise bad("no audio or video runs in the right direction")
    if len(tracks) > 1 and not all(t.mid in offer.bundle for t in tracks.values()):
        raise bad("audio and video are not bundled")
    numbers = [n for t in tracks.values() for n in (t.payload_type, t.rtx) if n is not None]
    if len(set(numbers)) != len(numbers):
        raise bad("audio and video share a payload type")
    return tuple(tracks.values())


def _track(media: OfferedMedia, chosen: Format, new_ssrc: NewSsrc) -> Track:
    kind = cast("Kind", media.kind)
    feedback = frozenset((chosen.feedback | media.feedback) & set(_FEEDBACK))
    # Repeats come when they are asked for, and sound is not worth a second source.
    rtx = _rtx(media, chosen) if kind == "video" and "nack" in feedback else None
    return Track(
        kind=kind,
        mid=media.mid,
        payload_type=chosen.payload_type,
        clock_rate=chosen.clock_rate,
        feedback=feedback,
        profile=chosen.fmtp.get("profile-level-id", "").lower(),
        ssrc=new_ssrc(kind, False),
        rtx=rtx,
        rtx_ssrc=0 if rtx is None else new_ssrc(kind, True),
    )


def _rtx(media: OfferedMedia, chosen: Format) -> int | None:
    apt = str(chosen.payload_type)
    repeats = (f for f in media.formats.values() if f.name == "rtx" and f.clock_rate == chosen.clock_rate)
    return next((f.payload_type for f in repeats if f.fmtp.get("apt") == apt and f is not chosen), None)


def _second_video(offer: Offer, lines: list[OfferedMedia], tracks: tuple[Track, ...]) -> tuple[Track, ...]:
    """The lower video, if it is offered and fits beside the others; the first stands without it."""
    high = next((t for t in tracks if t.kind == "video"), None)
    videos = [media for media in lines if media.kind == "video"]
    if high is None or len(videos) < 2 or not {high.mid, videos[1].mid} <= set(offer.bundle):  # noqa: PLR2004 - two
        return ()
    media = videos[1]
    # The same profile, so that a viewer can be taken from one to the other.
    chosen = _best(media, high.profile) if media.rtcp_mux else None
    if chosen is None:
        return ()
    low = replace(_track(media, chosen, _no_ssrc), low=True)
    if {low.payload_type, low.rtx} & {t.payload_type for t in tracks if t.kind == "audio"}:
        return ()
    return (low,)


def _sent(track: Track, lines: list[OfferedMedia]) -> Track:
    """What only a publisher's track has: its sources, the header extensions it writes, and the feedback on its rate."""
    media = next(m for m in lines if m.mid == track.mid)
    ssrc = next((ssrc for ssrc in media.ssrcs if ssrc not in media.repeats.values()), 0)
    transport_cc = _extension(TRANSPORT_CC_URI, media, lines)
    formats = media.formats[track.payload_type]
    if _TRANSPORT_CC not in formats.feedback | media.feedback:
        transport_cc = 0
    # One estimate or the other: a sender that reports by packet needs no rate of ours.
    feedback = track.feedback - {"goog-remb"} | {_TRANSPORT_CC} if transport_cc else track.feedback
    return replace(
        track,
        feedback=feedback,
        declared=ssrc,
        declared_rtx=0 if track.rtx is None else media.repeats.get(ssrc, 0),
        transport_cc=transport_cc,
        mid_extension=_extension(MID_URI, media, lines),
    )


def _extension(uri: str, media: OfferedMedia, lines: list[OfferedMedia]) -> int:
    """RFC 8843 section 9.1: one number means one extension in all bundled lines, so the first to offer it is believed."""
    first = next((line.extensions[uri] for line in lines if uri in line.extensions), 0)
    return first if media.extensions.get(uri) == first else 0


def _best(media: OfferedMedia, profile: str) -> Format | None:
    formats = [f for f in media.formats.values() if f.clock_rate == _CLOCK_RATES[media.kind]]
    if media.kind == "audio":
        return next((f for f in formats if f.name == "opus"), None)
    fitting = [f for f in formats if f.name == "h264" and f.fmtp.get("packetization-mode", "0") == "1"]
    wanted = [p for p in (profile, *_PROFILES) if p]
    return min(fitting, key=lambda f: _rank(f, wanted), default=None)


def _rank(offered: Format, wanted: list[str]) -> int:
    profile = offered.fmtp.get("profile-level-id", "").lower()
    return wanted.index(profile) if profile in wanted else len(wanted)


def read_fragment(text: str) -> tuple[str, str]:
    """The (ufrag, password) of a trickle-ice-sdpfrag (RFC 8840), empty where absent. Raises Refused(BAD_OFFER)."""
    if len(text) > _FRAGMENT_MAX:
        raise bad("too long")
    found = {"ice-ufrag": "", "ice-pwd": ""}
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("a=").partition(":")
        if not line.strip() or line[1:2] != "=":
            if line.strip():
                raise bad("the fragment is no SDP")
            continue
        if name in found and not found[name]:
            found[name] = value
    return found["ice-ufrag"], found["ice-pwd"]
