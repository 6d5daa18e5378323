"""One stream: at most one publisher, any number of subscribers, and the packets between them."""

from __future__ import annotations

import structlog

from stream.cache import PacketCache
from stream.errors import SrtpError
from stream.publisher import Publisher
from stream.rtp import MediaPacket
from stream.sink import Kind, StreamKey
from stream.subscriber import Subscriber

_log = structlog.get_logger(__name__)

# Sound is repeated, never replayed: 4 s of 20 ms packets.
_AUDIO_PACKETS = 200


class Channel:
    """Subscribers stay when the publisher goes; the next one's packets continue the same numbers."""

    def __init__(self, key: StreamKey) -> None:
        self.key = key
        self.publisher: Publisher | None = None
        self.subscribers: dict[Subscriber, None] = {}
        self.caches: dict[Kind, PacketCache] = {"audio": PacketCache(max_packets=_AUDIO_PACKETS), "video": PacketCache()}

    @property
    def empty(self) -> bool:
        return self.publisher is None and not self.subscribers

    def replace(self, publisher: Publisher) -> Publisher | None:
        """The new publisher takes the stream; returns the one it takes it from."""
        before = self.release(self.publisher) if self.publisher is not None else None
        self.publisher = publisher
        publisher.on_packet = self.push
        return before

    def release(self, publisher: Publisher) -> Publisher:
        """The publisher sends no more."""
        publisher.on_packet = None
        if self.publisher is publisher:
            self.publisher = None
            for cache in self.caches.values():
                cache.forget()
        return publisher

    def join(self, subscriber: Subscriber) -> None:
        self.subscribers[subscriber] = None
        subscriber.request_keyframe = self.request_keyframe
        subscriber.join(self.caches)

    def leave(self, subscriber: Subscriber) -> None:
        self.subscribers.pop(subscriber, None)
        subscriber.leave()

    def request_keyframe(self) -> None:
        if self.publisher is not None:
            self.publisher.request_keyframe()

    def push(self, packet: MediaPacket) -> bool:
        """Hands a packet to everyone; False when it came before. One subscriber's failure ends that subscriber only."""
        cache = self.caches[packet.kind]
        if not cache.add(packet):
            return False
        if cache.overflowed:
            cache.overflowed = False
            self.request_keyframe()
        for subscriber in self.subscribers:
            try:
                subscriber.take(packet)
            except SrtpError as error:
                _end(subscriber, str(error))
            except Exception as error:
                _log.exception("subscriber_failed", session=self.key.session, stream=self.key.stream)
                _end(subscriber, str(error))
        return True


def _end(subscriber: Subscriber, error: str) -> None:
    _log.warning("subscriber_ended", error=error)
    if subscriber.peer is not None:
        subscriber.peer.end("failed")
