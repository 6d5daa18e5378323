"""The SDP of the light ends: H.264 and Opus on one transport, as short as a server takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.pictures import PROFILE

AUDIO_TYPE, VIDEO_TYPE = 111, 96
_MEDIA = re.compile(r"^m=(\w+) \d+ (\S+) (\d+)", re.MULTILINE)
_MID = re.compile(r"^a=mid:(\S+)", re.MULTILINE)


def offer(transport: Sequence[str], direction: str) -> str:
    """Of a publisher ("sendonly") or a viewer ("recvonly"); `transport` are the lines each m-line has of it."""
    lines = [*_head(("0", "1")), f"m=audio 9 UDP/TLS/RTP/SAVPF {AUDIO_TYPE}", "a=mid:0", f"a={direction}", *transport]
    lines += [f"a=rtpmap:{AUDIO_TYPE} opus/48000/2", f"a=fmtp:{AUDIO_TYPE} minptime=10;useinbandfec=1"]
    lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {VIDEO_TYPE}", "a=mid:1", f"a={direction}", *transport]
    lines += [f"a=rtpmap:{VIDEO_TYPE} H264/90000", *_video_settings(VIDEO_TYPE)]
    return _text(lines)


def answer(offered: str, transport: Sequence[str]) -> str:
    """A viewer's answer to a server that makes the offer: the first format of each m-line, as it stands."""
    sections = [f"m={part}" for part in re.split(r"^m=", offered, flags=re.MULTILINE)[1:]]
    mids = [found[1] for section in sections if (found := _MID.search(section))]
    lines = _head(mids)
    for section, mid in zip(sections, mids, strict=True):
        media = _MEDIA.match(section)
        if media is None:
            raise ValueError("an m-line can't be read")
        kind, protocol, number = media.groups()
        lines += [f"m={kind} 9 {protocol} {number}", f"a=mid:{mid}", "a=recvonly", *transport]
        if kind == "audio":
            lines.append(f"a=rtpmap:{number} opus/48000/2")
        else:
            lines += [f"a=rtpmap:{number} H264/90000", *_video_settings(int(number))]
    return _text(lines)


def _video_settings(number: int) -> list[str]:
    return [
        *(f"a=rtcp-fb:{number} {feedback}" for feedback in ("nack", "nack pli", "ccm fir", "goog-remb")),
        f"a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={PROFILE}",
    ]


def _head(mids: Sequence[str]) -> list[str]:
    return ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE " + " ".join(mids)]


def _text(lines: Sequence[str]) -> str:
    return "\r\n".join(lines) + "\r\n"
