"""A tick's comments, framed once and written to everybody in a room; who is behind gets none of them.

Comments are the one thing here that may be left out (invariant 10). States, pins and orders go through `Manager.emit`
(`rooms/sockets.py`), which leaves nothing out.
"""

from __future__ import annotations

from typing import Final

import msgspec
import socketio

from rooms.frames import Message
from rooms.sockets import Manager
from rooms.wire import Comments, ReactionSums

ROOM: Final = "/room"
# Socket.IO packets (protocol 5): an event without an acknowledgement.
PREFIX: Final = f'2{ROOM},["comments",'
_REACTIONS: Final = f'2{ROOM},["reactions",'
_ENCODER: Final = msgspec.json.Encoder()


class Batches:
    """Writes batches to rooms of this process's Socket.IO server."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self._manager: Manager = sio.manager

    @staticmethod
    def text(batch: Comments) -> str:
        """The packet."""
        return f"{PREFIX}{_ENCODER.encode(batch).decode()}]"

    @staticmethod
    def reactions(sums: ReactionSums) -> str:
        """The same for taps, which may be left out as well."""
        return f"{_REACTIONS}{_ENCODER.encode(sums).decode()}]"

    def send(self, room: str, text: str) -> int:
        """To everybody in the room who can take it; answers how many could not."""
        return self._manager.crowd(ROOM, room).offer(Message(text))
