"""Frames of a WebSocket as a server sends them: whole, unmasked, not compressed (RFC 6455, 5.2)."""

from __future__ import annotations

import struct
from typing import Final

from engineio import packet as eio

_TEXT, _CLOSE, _PONG, _NORMAL = 0x81, 0x88, 0x8A, 1000
GOODBYE: Final = struct.pack("!BBH", _CLOSE, 2, _NORMAL)


class Message(eio.Packet):  # type: ignore[misc]  # python-engineio ships without type hints
    """A text for any number of clients; its frame is made when the first of them needs it."""

    def __init__(self, text: str) -> None:
        super().__init__(eio.MESSAGE, text)
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        if self._frame is None:
            self._frame = frame(self.encode())
        return self._frame


def frame(text: str) -> bytes:
    """One text frame."""
    body = text.encode()
    size = len(body)
    if size < 126:  # noqa: PLR2004 - RFC 6455: the length itself, or 126 or 127 and the length in 2 or 8 bytes
        return bytes((_TEXT, size)) + body
    if size < 1 << 16:
        return struct.pack("!BBH", _TEXT, 126, size) + body
    return struct.pack("!BBQ", _TEXT, 127, size) + body


def pong(data: bytes) -> bytes:
    """The answer to a ping with this data (at most 125 bytes, as in any control frame)."""
    return bytes((_PONG, len(data))) + data
