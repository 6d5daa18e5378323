"""What a hub keeps of each peer, and the answers it gives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from stream.peer import Peer
from stream.publisher import Publisher
from stream.sink import StreamKey
from stream.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to an offer: the resource's id, our SDP and a strong entity tag (with its quotes)."""

    resource: str
    sdp: str
    etag: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """The answer to an ICE restart: an SDP fragment and the new entity tag."""

    sdpfrag: str
    etag: str


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream as the health page shows it; `epoch` is None while nobody publishes."""

    key: StreamKey
    epoch: int | None
    subscribers: int


@dataclass(slots=True, eq=False)
class Resource:
    id: str
    role: Publisher | Subscriber
    peer: Peer
    owner: str = ""
    task: asyncio.Task[None] | None = None
    etag: str = ""
    connected: bool = False


def worth(resource: Resource) -> int:
    """How much is lost with a peer: nothing yet, what one person watches, what everybody watches."""
    return 0 if not resource.connected else 2 if isinstance(resource.role, Publisher) else 1
