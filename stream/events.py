"""What the media plane itself reports on the feed. The recorder adds its own kinds beside these."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Base: `kind` on the wire, the other fields as data."""

    kind: ClassVar[str]

    def data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MediaStarted(Event):
    """The media process began; `boot` differs each time, so earlier resources are gone."""

    kind: ClassVar[str] = "media_started"
    boot: str


@dataclass(frozen=True, slots=True)
class PublisherJoined(Event):
    """A publisher is connected; `media_ms` counts from the session's start."""

    kind: ClassVar[str] = "publisher_joined"
    session: str
    stream: str
    epoch: int
    media_ms: int


@dataclass(frozen=True, slots=True)
class PublisherLeft(Event):
    """A publisher said so, was replaced or its session was closed (`reason`: left, replaced, session_closed)."""

    kind: ClassVar[str] = "publisher_left"
    session: str
    stream: str
    epoch: int
    media_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class PublisherLost(Event):
    """A publisher vanished (`reason`: lost, failed, media_stopped)."""

    kind: ClassVar[str] = "publisher_lost"
    session: str
    stream: str
    epoch: int
    media_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordingFailed(Event):
    """The recorder's sink raised and was dropped: this publisher is no longer recorded."""

    kind: ClassVar[str] = "recording_failed"
    session: str
    stream: str
    epoch: int
    media_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class SessionClosed(Event):
    """Everything of the session is stopped and its last fragments are announced."""

    kind: ClassVar[str] = "session_closed"
    session: str
