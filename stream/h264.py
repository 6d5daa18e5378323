"""What an H.264 RTP payload (RFC 6184, packetization-mode 1) begins. Pure."""

from __future__ import annotations

IDR = 5
SPS = 7
PPS = 8
_STAP_A = 24
_FU_A = 28
_FU_START = 0x80


def nal_types(payload: bytes) -> tuple[int, ...]:
    """The types of the NAL units that begin in this payload; a later piece of a fragmented unit begins none."""
    if not payload:
        return ()
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        return _aggregated(payload)
    if kind == _FU_A:
        if len(payload) < 2 or not payload[1] & _FU_START:  # noqa: PLR2004 - indicator and header
            return ()
        return (payload[1] & 0x1F,)
    return (kind,) if 0 < kind < _STAP_A else ()


def _aggregated(payload: bytes) -> tuple[int, ...]:
    found: list[int] = []
    at = 1
    while at + 2 < len(payload):
        size = (payload[at] << 8) | payload[at + 1]
        at += 2
        if size == 0 or at + size > len(payload):
            break
        found.append(payload[at] & 0x1F)
        at += size
    return tuple(found)


def is_keyframe(payload: bytes) -> bool:
    """Whether a keyframe begins here: an IDR slice, or the parameter sets that encoders send right before one."""
    types = nal_types(payload)
    return IDR in types or SPS in types
