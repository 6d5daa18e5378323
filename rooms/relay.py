"""What web processes tell each other besides Socket.IO's own events: comments, reactions, who watches, who is at the desk.

A batch goes out once per room, as the finished text of the Socket.IO message: the others frame it once and write it; nobody
reads its JSON. One channel; each kind is a struct, and what is none of them harms nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import structlog
from msgspec import Meta, Struct

from core.clock import from_text, to_text
from rooms.batches import PREFIX
from rooms.line import POISON, Line
from rooms.wire import ReactionKind

log = structlog.get_logger()

CHANNEL: Final = "tellercast:rooms"
# More than all hands of a session make in a second.
TAPS_MOST: Final = 10_000_000


class Batch(Struct, tag="batch", array_like=True, frozen=True):
    """A tick's comments of one session; `own` are texts for all sockets of one person each."""

    host: str
    session: str
    text: str
    own: list[tuple[str, str]]


class Viewers(Struct, tag="viewers", array_like=True, frozen=True):
    """How many watch each session in one process."""

    host: str
    counts: dict[str, int]


class AtDesk(Struct, tag="desk", array_like=True, frozen=True):
    """Who is at the desk in one process: all connected, the names of advisers, and which of them take calls."""

    host: str
    connected: list[str]
    advisers: dict[str, str]
    available: list[str]


class Back(Struct, tag="back", array_like=True, frozen=True):
    """A process is back that could neither hear nor be heard since then."""

    host: str
    since: str


class MediaRun(Struct, tag="media", array_like=True, frozen=True):
    """The latest run of the media process that one process knows of, and when it heard of its start."""

    host: str
    boot: str
    at: str


class Taps(Struct, tag="taps", array_like=True, frozen=True):
    """A second's reactions of one process's viewers, by session."""

    host: str
    counts: dict[str, dict[ReactionKind, Annotated[int, Meta(ge=1, le=TAPS_MOST)]]]


Said = Batch | Viewers | AtDesk | Back | MediaRun | Taps
Heard = Callable[[Any], None]


class Relay:
    """Says to the other processes and hands on what they say, by kind."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Said)
        self._heard: dict[type[Said], Heard] = {}
        line.on(CHANNEL, self._hear)

    @property
    def me(self) -> str:
        """This process's name among the others."""
        return self._line.me

    @property
    def up(self) -> bool:
        """Whether the others hear what is said now."""
        return self._line.up

    def on(self, kind: type[Said], heard: Heard) -> None:
        """Called with what another process has said, never with our own."""
        self._heard[kind] = heard

    def publish(self, session_id: str, text: str, own: Sequence[tuple[str, str]] = ()) -> bool:
        """A tick's comments, to the other processes; here the caller has written them. Returns at once.

        `text` is the finished Socket.IO message, empty where all of the tick is somebody's `own`.
        """
        return self.say(Batch(self.me, session_id, text, list(own)))

    def back(self, since: datetime) -> bool:
        """This process is back, and what it said since then was not heard."""
        return self.say(Back(self.me, to_text(since)))

    def say(self, said: Said) -> bool:
        """Whether it is on its way."""
        return self._line.say(CHANNEL, self._encoder.encode(said))

    async def _hear(self, payload: bytes) -> None:
        try:
            said: Said = self._decoder.decode(payload)
            _check(said)
        except (msgspec.DecodeError, ValueError, UnicodeDecodeError) as error:
            POISON.inc()
            log.warning("not understood, from another process", error=type(error).__name__)
            return
        heard = self._heard.get(type(said))
        if said.host != self.me and heard is not None:
            heard(said)


def _check(said: Said) -> None:
    """Raises ValueError for what no process of ours says."""
    if isinstance(said, Batch):
        texts = [text for _person, text in said.own]
        if not all(text.startswith(PREFIX) for text in ([said.text] if said.text else []) + texts):
            raise ValueError("no batch of comments")
    elif isinstance(said, Viewers):
        if any(count < 0 for count in said.counts.values()):
            raise ValueError("less than nobody")
    elif isinstance(said, Back):
        from_text(said.since)
    elif isinstance(said, MediaRun):
        from_text(said.at)
