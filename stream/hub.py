"""The home of all streams: who publishes, what is recorded of it, and what the feed tells about it.

An installation has one. Other media processes (`stream/edge.py`) have subscribers alone and get their packets from here, by
`stream/relay_out.py`. A publisher takes its stream over when it is connected; the rest of a peer's life is in
`stream/carrier.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from core.clock import Clock, media_ms
from stream import events
from stream.carrier import Carrier
from stream.closing import SessionClosing
from stream.feed import Feed
from stream.metrics import MediaMetrics
from stream.publisher import Publisher
from stream.relay_out import Line, Outflows
from stream.resource import Opened, Resource
from stream.sdp import negotiate_publish
from stream.settings import MediaSettings
from stream.sink import SinkFactory, SinkOrder, StreamKey

_log = structlog.get_logger(__name__)

_LOST = ("lost", "failed", "media_stopped")


class Hub(Carrier):
    """One per installation. `start()` binds the UDP port; `stop()` ends every peer, so that sinks can write what they hold.

    `flush(session)` is awaited on close, after the sinks are closed and before `session_closed` is on the feed: the recorder's.
    """

    def __init__(
        self,
        settings: MediaSettings,
        feed: Feed,
        clock: Clock,
        metrics: MediaMetrics,
        *,
        sink_factory: SinkFactory | None = None,
        flush: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(settings, clock, metrics)
        self._feed = feed
        self._sink_factory = sink_factory
        self._closing = SessionClosing(feed, self._end_session, flush, settings.flush_timeout_s)
        self._senders: dict[StreamKey, Publisher] = {}
        self._outflows = Outflows(clock, metrics)
        self._last_epoch = 0

    async def start(self) -> None:
        """Binds and announces the boot. Raises OSError when the port is taken."""
        await super().start()
        self._emit(events.MediaStarted(self.boot))

    async def stop(self) -> None:
        """Ends every peer with "media_stopped", and lets the edges go."""
        self._stopping = True
        await self._closing.stop()
        await super().stop()
        self.let_edges_go()

    async def publish(self, key: StreamKey, started_at: datetime, sdp: str, owner: str = "") -> Opened:
        """Answers a publisher's offer. Refused: BAD_OFFER, UNSUPPORTED_MEDIA, SESSION_CLOSED; Unavailable: MEDIA_FULL.

        `owner` as of `subscribe`.
        """
        self._admit(key, publisher=True)
        negotiated = negotiate_publish(sdp, key.stream, self._settings.max_bitrate)
        publisher = Publisher(key, started_at, self._clock, self._settings, self.metrics, self._next_run)
        publisher.on_sink_failure = self._sink_failed
        return self._open(publisher, negotiated, owner)

    async def close_session(self, session: str) -> None:
        """Stops everything of a session for good; returns when its `session_closed` is durable on the feed.

        Doing it again is harmless. Raises Unavailable(MEDIA_UNAVAILABLE) when the recorder does not finish in time: ask again.
        """
        await self._closing.close(session)

    def relay(self, key: StreamKey, *, group: bool) -> Line:
        """An edge's line to a stream: what is so, then what comes. `group`: with the picture so far. End it by `unrelay`."""
        if self._closed(key.session):
            return self._outflows.refuse()
        return self._outflows.open(key, self._channels.get(key), group=group)

    def unrelay(self, key: StreamKey, line: Line) -> None:
        """That line is over."""
        self._outflows.close(key, line)

    def wish_keyframe(self, key: StreamKey, *, low: bool) -> None:
        """An edge wants one."""
        channel = self._channels.get(key)
        if channel is not None:
            channel.request_keyframe("low" if low else "high")

    def let_edges_go(self) -> None:
        """Ends all lines. The edges come again."""
        self._outflows.stop()

    def _closed(self, session: str) -> bool:
        return session in self._closing

    async def _end_session(self, session: str) -> None:
        self._outflows.closed(session)
        await self._end_all(self._of_session(session), "session_closed")

    def _connected(self, resource: Resource) -> None:
        super()._connected(resource)
        publisher = resource.role
        if not isinstance(publisher, Publisher):
            return
        key = publisher.key
        channel, before = self._channel(key), self._senders.get(key)
        channel.replace(publisher)
        self._senders[key] = publisher
        if before is not None and before.peer is not None:
            self._publisher_over(before, "replaced")
            before.peer.end("replaced")
        self._last_epoch = publisher.epoch = max(int(self._clock.now().timestamp() * 1000), self._last_epoch + 1)
        self._outflows.began(key, channel)
        self._emit(events.PublisherJoined(key.session, key.stream, publisher.epoch, self._media_ms(publisher)))
        self._open_sink(publisher)

    def _open_sink(self, publisher: Publisher) -> None:
        if self._sink_factory is None:
            return
        order = SinkOrder(publisher.key, publisher.epoch, publisher.started_at.timestamp(), publisher.request_keyframe)
        try:
            publisher.sink = self._sink_factory(order)
            for track in publisher.tracks:
                publisher.sink.track(track.kind, track.codec, track.clock_rate)
        except Exception as error:
            self._sink_failed(publisher, error)

    def _sink_failed(self, publisher: Publisher, error: Exception) -> None:
        _log.error("sink_failed", session=publisher.key.session, stream=publisher.key.stream, exc_info=error)
        self.metrics.sink_failures.inc()
        self._close_sink(publisher, "lost")
        key = publisher.key
        self._emit(
            events.RecordingFailed(key.session, key.stream, publisher.epoch, self._media_ms(publisher), "internal_error")
        )

    def _close_sink(self, publisher: Publisher, reason: str) -> None:
        sink, publisher.sink = publisher.sink, None
        if sink is None:
            return
        try:
            sink.closed(reason)
        except Exception:
            _log.exception("sink_not_closed", session=publisher.key.session, stream=publisher.key.stream)
            self.metrics.sink_failures.inc()

    def _gone(self, resource: Resource, reason: str) -> None:
        role = resource.role
        if isinstance(role, Publisher) and self._senders.get(role.key) is role:
            del self._senders[role.key]
            self._channel(role.key).release(role)
            self._outflows.gone(role.key)
            self._publisher_over(role, reason)
        super()._gone(resource, reason)

    def _publisher_over(self, publisher: Publisher, reason: str) -> None:
        sink_reason = reason if reason == "session_closed" else "lost" if reason in _LOST else "left"
        self._close_sink(publisher, sink_reason)
        event = events.PublisherLost if reason in _LOST else events.PublisherLeft
        key = publisher.key
        self._emit(event(key.session, key.stream, publisher.epoch, self._media_ms(publisher), reason))

    def _media_ms(self, publisher: Publisher) -> int:
        return media_ms(publisher.started_at, self._clock.now())

    def _emit(self, event: events.Event) -> None:
        self._feed.append_soon(event.kind, event.data())

    def _tick_all(self, turn: int) -> None:
        super()._tick_all(turn)
        self._outflows.tick(turn)

    def _count(self) -> None:
        super()._count()
        self.metrics.publishers.set(len(self._senders))
        self.metrics.feed_backlog.set(self._feed.backlog)
        for resource in self._resources.values():
            if isinstance(resource.role, Publisher):
                self.metrics.received.inc(resource.role.received)
                resource.role.received = 0
