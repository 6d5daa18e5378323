"""What travels between two media processes for one stream. Pure.

Down, from the home to an edge: binary messages of many packets each, and small JSON texts about the publisher. Up: wishes for
keyframes. A packet is a head of 21 bytes (network order) and its payload:

    flags 1 · run 4 · unwrapped sequence number 8 · timestamp 4 · age in ms 2 · length of the payload 2
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from stream.rtp import MediaPacket
from stream.sink import Kind

_HEAD = struct.Struct("!BLQLHH")
_VIDEO, _LOW, _KEYFRAME, _MARKER = 1, 2, 4, 8
_OLDEST_MS = 0xFFFF
# A message is closed when it has grown to this; one packet more is the longest there is.
FULL_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = FULL_BYTES + _HEAD.size + 0x10000


class PublisherTold(msgspec.Struct, frozen=True, tag="publisher"):
    """Who publishes from now on. `low`: whether there is a second, lower video."""

    epoch: int
    profile: str = ""
    low: bool = False


class PublisherGone(msgspec.Struct, frozen=True, tag="gone"):
    """Nobody publishes."""


class SessionOver(msgspec.Struct, frozen=True, tag="closed"):
    """The session is closed for good."""


class ClockTold(msgspec.Struct, frozen=True, tag="clock"):
    """The state of the publisher's `SenderClock`: all that is known, not what has changed."""

    offset: float | None
    tracks: dict[str, tuple[float, int, int]]


class KeyframeWish(msgspec.Struct, frozen=True, tag="keyframe"):
    """An edge wants a keyframe, of the lower video or of the better one."""

    low: bool = False


Told = PublisherTold | PublisherGone | SessionOver | ClockTold

_TOLD: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)
_WISH = msgspec.json.Decoder(KeyframeWish)

T = TypeVar("T")


def text(message: Told | KeyframeWish) -> str:
    """The message as it is sent."""
    return msgspec.json.encode(message).decode()


def read_told(said: str) -> Told:
    """What the home said. Raises ValueError."""
    return _read(_TOLD, said)


def read_wish(said: str) -> KeyframeWish:
    """What an edge wishes. Raises ValueError."""
    return _read(_WISH, said)


def _read(decoder: msgspec.json.Decoder[T], said: str) -> T:
    try:
        return decoder.decode(said)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no message of a relay: {error}") from error


def put(message: bytearray, packet: MediaPacket, age_s: float = 0.0) -> None:
    """Adds a packet that came `age_s` ago. Of ages beyond a minute no more is told than that."""
    flags = (
        (_VIDEO if packet.kind == "video" else 0)
        | (_LOW if packet.low else 0)
        | (_KEYFRAME if packet.keyframe else 0)
        | (_MARKER if packet.marker else 0)
    )
    age = min(_OLDEST_MS, max(0, round(age_s * 1000)))
    message += _HEAD.pack(flags, packet.run, packet.sequence, packet.timestamp, age, len(packet.payload))
    message += packet.payload


def messages(packets: Iterable[MediaPacket], now: float) -> Iterator[bytes]:
    """Packets that came some time ago, as messages that are not too long."""
    message = bytearray()
    for packet in packets:
        put(message, packet, now - packet.at)
        if len(message) >= FULL_BYTES:
            yield bytes(message)
            message = bytearray()
    if message:
        yield bytes(message)


def read_packets(message: bytes, now: float) -> list[MediaPacket]:
    """The packets of a message, with the receiver's own times of arrival. Raises ValueError."""
    found: list[MediaPacket] = []
    at, end = 0, len(message)
    while at < end:
        if end - at < _HEAD.size:
            raise ValueError("a head is cut off")
        flags, run, sequence, timestamp, age, length = _HEAD.unpack_from(message, at)
        at += _HEAD.size
        if flags > (_VIDEO | _LOW | _KEYFRAME | _MARKER) or (flags & (_LOW | _KEYFRAME) and not flags & _VIDEO):
            raise ValueError("flags that mean nothing")
        if end - at < length:
            raise ValueError("a payload is cut off")
        kind: Kind = "video" if flags & _VIDEO else "audio"
        payload = message[at : at + length]
        at += length
        found.append(
            MediaPacket(
                kind, run, sequence, timestamp, bool(flags & _MARKER), payload, bool(flags & _KEYFRAME), now - age / 1000,
                low=bool(flags & _LOW),
            )
        )  # fmt: skip
    return found
