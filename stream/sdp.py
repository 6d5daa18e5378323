"""Our SDP answers: H.264 and Opus, one transport, ICE-lite. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from core.errors import Refused
from stream.errors import UNSUPPORTED_MEDIA
from stream.ice import Credentials
from stream.offer import Format, Offer, OfferedMedia, bad, parse_offer
from stream.sink import Kind

# Constrained Baseline, then Baseline, both at level 3.1: what every browser decodes. Others are taken as offered.
_PROFILES = ("42e01f", "42001f")
_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
_BASE_PRIORITY = 2_130_706_431
# Chromium begins at 300 kb/s otherwise and takes ten seconds to show 720p; others ignore it.
_START_KBPS = 1500
_FRAGMENT_MAX = 16 * 1024
# The only clock rates of RFC 6184 8.1 and RFC 7587 7. The answer names them whatever was offered, so nothing else may pass.
_CLOCK_RATES = {"video": 90_000, "audio": 48_000}


@dataclass(frozen=True, slots=True)
class Track:
    """One negotiated track. `ssrc` is ours towards a subscriber and 0 for a publisher, whose own we learn from its packets."""

    kind: Kind
    mid: str
    payload_type: int
    clock_rate: int
    feedback: frozenset[str]
    profile: str = ""
    ssrc: int = 0

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
        lines = [
            f"m={track.kind} {local.port} {media.protocol} {number}",
            f"c=IN {_family(host)} {host}",
            f"a=mid:{track.mid}",
            "a=sendonly" if self.sending else "a=recvonly",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            f"a=ice-ufrag:{local.ice.ufrag}",
            f"a=ice-pwd:{local.ice.password}",
            f"a=fingerprint:sha-256 {local.fingerprint}",
            "a=setup:" + ("active" if self.dtls_role == "client" else "passive"),
            *_codec_lines(track, media.formats[number]),
        ]
        if self.sending:
            lines += [
                f"a=msid:{self.stream_name} {track.kind}",
                f"a=ssrc:{track.ssrc} cname:{self.stream_name}",
                f"a=ssrc:{track.ssrc} msid:{self.stream_name} {track.kind}",
            ]
        # In every bundled line: aiortc reads the last, FFmpeg the first, browsers any.
        return [*lines, *(f"a=candidate:{c}" for c in _candidates(local)), "a=end-of-candidates"]

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
    lines += [f"a=rtcp-fb:{number} {f}" for f in _FEEDBACK if f in track.feedback]
    if track.kind == "video":
        profile = offered.fmtp.get("profile-level-id", _PROFILES[0])
        hint = "" if track.ssrc else f";x-google-start-bitrate={_START_KBPS}"
        lines.append(f"a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}{hint}")
    else:
        lines.append(f"a=fmtp:{number} minptime=10;useinbandfec=1")
    return lines


def _candidates(local: LocalTransport) -> list[str]:
    return [
        f"{i} 1 udp {_BASE_PRIORITY - 256 * i} {address} {local.port} typ host"
        for i, address in enumerate(local.addresses, start=1)
    ]


def _family(host: str) -> str:
    return "IP6" if ":" in host else "IP4"


def negotiate_publish(text: str, stream_name: str) -> Negotiated:
    """Reads a publisher's offer. Refused: BAD_OFFER, or UNSUPPORTED_MEDIA when what it sends is not H.264 and Opus."""
    offer = parse_offer(text)
    tracks = _tracks(offer, ("sendonly", "sendrecv"), lambda _kind: 0, profile="")
    return Negotiated(offer, tracks, sending=False, dtls_role=_role(offer), stream_name=stream_name)


def negotiate_subscribe(text: str, stream_name: str, new_ssrc: Callable[[Kind], int], profile: str) -> Negotiated:
    """Reads a subscriber's offer; `profile` is the publisher's H.264 profile, taken when offered. Raises as above."""
    offer = parse_offer(text)
    tracks = _tracks(offer, ("recvonly", "sendrecv"), new_ssrc, profile=profile)
    return Negotiated(offer, tracks, sending=True, dtls_role=_role(offer), stream_name=stream_name)


def _role(offer: Offer) -> Literal["client", "server"]:
    # As DTLS server we choose the SRTP profile; only who insists on being the server itself (FFmpeg) makes us the client.
    return "client" if offer.setup == "passive" else "server"


def _tracks(offer: Offer, directions: tuple[str, ...], new_ssrc: Callable[[Kind], int], *, profile: str) -> tuple[Track, ...]:
    tracks: dict[str, Track] = {}
    for media in offer.media:
        if media.rejected or media.kind not in ("audio", "video") or media.kind in tracks or media.direction not in directions:
            continue
        if not media.rtcp_mux:
            raise bad("rtcp-mux is missing")
        chosen = _best(media, profile)
        if chosen is None:
            raise Refused(UNSUPPORTED_MEDIA, detail=f"{media.kind} without {'H.264' if media.kind == 'video' else 'Opus'}")
        kind = cast("Kind", media.kind)
        tracks[kind] = Track(
            kind=kind,
            mid=media.mid,
            payload_type=chosen.payload_type,
            clock_rate=chosen.clock_rate,
            feedback=frozenset((chosen.feedback | media.feedback) & set(_FEEDBACK)),
            profile=chosen.fmtp.get("profile-level-id", "").lower(),
            ssrc=new_ssrc(kind),
        )
    if not tracks:
        raise bad("no audio or video runs in the right direction")
    if len(tracks) > 1 and not all(t.mid in offer.bundle for t in tracks.values()):
        raise bad("audio and video are not bundled")
    if len({t.payload_type for t in tracks.values()}) != len(tracks):
        raise bad("audio and video share a payload type")
    return tuple(tracks.values())


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
