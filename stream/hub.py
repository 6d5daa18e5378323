"""The media process's centre: who publishes, who subscribes, and when each is over.

Life of a peer: offer read and answered → first authentic check → DTLS → connected (a publisher now takes the stream over) →
packets → left, lost or closed → its share freed, its event on the feed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from core.clock import Clock, media_ms
from core.errors import NOT_FOUND, Refused, Unavailable
from core.ids import new_id
from stream import events
from stream.aiortc_private import fingerprint, new_certificate
from stream.channel import Channel
from stream.closing import SessionClosing
from stream.errors import (
    MEDIA_FULL,
    MEDIA_UNAVAILABLE,
    SESSION_CLOSED,
    STREAM_NOT_FOUND,
    TAG_MISSING,
    TAG_STALE,
    ConnectFailed,
)
from stream.feed import Feed
from stream.ice import Credentials, MediaPort
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.publisher import Publisher
from stream.sdp import LocalTransport, Negotiated, negotiate_publish, negotiate_subscribe, read_fragment
from stream.settings import MediaSettings
from stream.sink import SinkFactory, SinkOrder, StreamKey
from stream.subscriber import Subscriber

_log = structlog.get_logger(__name__)

_TICK_S = 0.02
_COUNT_S = 1.0
# A subscriber's turn comes every tenth tick: its reports and its end can wait 200 ms, thousands of them should not cost more.
_TURNS = 10
# What one person may have open at a time (several tabs, several streams, and those that a bad network left behind): with more,
# the oldest goes, so that nobody fills the house alone.
_PEERS_A_PERSON = 16
_LOST = ("lost", "failed", "media_stopped")


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
class _Resource:
    id: str
    role: Publisher | Subscriber
    peer: Peer
    owner: str = ""
    task: asyncio.Task[None] | None = None
    etag: str = ""
    connected: bool = False


def _worth(resource: _Resource) -> int:
    """How much is lost with a peer: nothing yet, what one person watches, what everybody watches."""
    return 0 if not resource.connected else 2 if isinstance(resource.role, Publisher) else 1


class Hub:
    """One per media process. `start()` binds the UDP port; `stop()` ends every peer.

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
        self.boot = secrets.token_hex(8)
        self.metrics = metrics
        self._settings = settings
        self._feed = feed
        self._clock = clock
        self._sink_factory = sink_factory
        self._closing = SessionClosing(feed, self._end_session, flush, settings.flush_timeout_s)
        self._port = MediaPort(clock)
        self._certificate = new_certificate()
        self._addresses: tuple[str, ...] = ()
        self._resources: dict[str, _Resource] = {}
        self._channels: dict[StreamKey, Channel] = {}
        self._last_epoch = 0
        self._last_run = 0
        self._ticker: asyncio.Task[None] | None = None
        self._counted_at = 0.0
        self._counted = {"unknown": 0, "unsent": 0}
        self._stopping = False

    @property
    def port(self) -> int:
        """The UDP port in use, 0 before `start()`."""
        return self._port.number

    async def start(self) -> None:
        """Binds and announces the boot. Raises OSError when the port is taken."""
        await self._port.open(self._settings.bind_host, self._settings.port)
        self._addresses = tuple(self._port.addresses(self._settings.public_addresses))
        self._ticker = asyncio.create_task(self._tick_forever())
        self._emit(events.MediaStarted(self.boot))

    async def stop(self) -> None:
        """Ends every peer with "media_stopped", so that sinks can write what they hold."""
        self._stopping = True
        await self._closing.stop()
        await self._end_all(list(self._resources.values()), "media_stopped")
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._port.close()

    async def publish(self, key: StreamKey, started_at: datetime, sdp: str, owner: str = "") -> Opened:
        """Answers a publisher's offer. Refused: BAD_OFFER, UNSUPPORTED_MEDIA, SESSION_CLOSED; Unavailable: MEDIA_FULL.

        `owner` tells whose it is, opaquely: nobody holds more than a few places at a time. "" is not counted.
        """
        self._admit(key, self._settings.max_peers + self._settings.kept_for_publishers)
        negotiated = negotiate_publish(sdp, key.stream)
        publisher = Publisher(key, started_at, self._clock, self._settings, self.metrics, self._next_run)
        publisher.on_sink_failure = self._sink_failed
        return self._open(publisher, negotiated, owner)

    async def subscribe(self, key: StreamKey, sdp: str, owner: str = "") -> Opened:
        """Answers a subscriber's offer. Besides publish's refusals: Unavailable(STREAM_NOT_FOUND) while nobody publishes."""
        self._admit(key, self._settings.max_peers)
        channel = self._channels.get(key)
        if channel is None or channel.publisher is None:
            raise Unavailable(STREAM_NOT_FOUND, retry_after=1)
        negotiated = negotiate_subscribe(sdp, key.stream, lambda _kind: secrets.randbits(32) or 1, channel.publisher.profile)
        return self._open(Subscriber(key, self._clock, self.metrics), negotiated, owner)

    async def patch(self, resource_id: str, if_match: str | None, fragment: str) -> Restarted | None:
        """Trickled candidates (nothing to do: we are ICE-lite) give None; an ICE restart gives its answer.

        Raises Refused(NOT_FOUND | TAG_MISSING | TAG_STALE | BAD_OFFER); the connection goes on in any case.
        """
        resource = self._find(resource_id)
        if not if_match:
            raise Refused(TAG_MISSING)
        if if_match not in ("*", resource.etag):
            raise Refused(TAG_STALE)
        ufrag, _password = read_fragment(fragment)
        if if_match != "*" or not ufrag or ufrag == resource.peer.ice.remote_ufrag:
            return None
        fresh = resource.peer.ice.restart(ufrag)
        resource.etag = f'"{fresh.ufrag}"'
        return Restarted(resource.peer.negotiated.restart_fragment(self._local(fresh)), resource.etag)

    async def delete(self, resource_id: str) -> None:
        """Ends one peer, and returns when it has ended. Raises Refused(NOT_FOUND)."""
        await self._end_all([self._find(resource_id)], "left")

    async def close_session(self, session: str) -> None:
        """Stops everything of a session for good; returns when its `session_closed` is durable on the feed.

        Doing it again is harmless. Raises Unavailable(MEDIA_UNAVAILABLE) when the recorder does not finish in time: ask again.
        """
        await self._closing.close(session)

    def streams(self) -> list[StreamView]:
        """What is going on now."""
        return [
            StreamView(c.key, c.publisher.epoch if c.publisher else None, len(c.subscribers)) for c in self._channels.values()
        ]

    async def _end_session(self, session: str) -> None:
        await self._end_all([r for r in self._resources.values() if r.role.key.session == session], "session_closed")

    def _admit(self, key: StreamKey, room: int) -> None:
        if key.session in self._closing:
            raise Refused(SESSION_CLOSED)
        if self._stopping:
            raise Unavailable(MEDIA_UNAVAILABLE)
        if len(self._resources) >= room:
            raise Unavailable(MEDIA_FULL, retry_after=5)

    def _open(self, role: Publisher | Subscriber, negotiated: Negotiated, owner: str) -> Opened:
        self._make_room(owner)
        ice = self._port.session(negotiated.offer.ufrag)
        peer = Peer(ice, self._certificate, negotiated, on_rtp=role.on_rtp, on_rtcp=role.on_rtcp)
        role.attach(peer)
        resource = _Resource(new_id("rsc"), role, peer, owner, etag=f'"{ice.local.ufrag}"')
        self._resources[resource.id] = resource
        resource.task = asyncio.create_task(self._live(resource))
        answer = negotiated.answer(self._local(ice.local), secrets.randbits(62))
        return Opened(resource.id, answer, resource.etag)

    def _make_room(self, owner: str) -> None:
        """Ends the oldest of a person's peers when there are too many: first those that never connected, last what is sent."""
        mine = [r for r in self._resources.values() if owner and r.owner == owner and not r.peer.ending]
        for resource in sorted(mine, key=_worth)[: max(0, len(mine) - _PEERS_A_PERSON + 1)]:
            resource.peer.end("replaced")

    def _local(self, credentials: Credentials) -> LocalTransport:
        return LocalTransport(credentials, fingerprint(self._certificate), self._addresses, self._port.number)

    def _find(self, resource_id: str) -> _Resource:
        resource = self._resources.get(resource_id)
        if resource is None:
            raise Refused(NOT_FOUND)
        return resource

    async def _live(self, resource: _Resource) -> None:
        reason = "failed"
        try:
            reason = await resource.peer.live(self._settings.handshake_timeout_s, lambda: self._connected(resource))
        except ConnectFailed as error:
            self.metrics.peers_failed.inc()
            _log.info("peer_never_connected", resource=resource.id, why=str(error))
        except Exception:
            _log.exception("peer_failed", resource=resource.id)
        finally:
            self._gone(resource, reason)

    def _connected(self, resource: _Resource) -> None:
        resource.connected = True
        channel = self._channels.setdefault(resource.role.key, Channel(resource.role.key))
        if isinstance(resource.role, Subscriber):
            channel.join(resource.role)
            return
        publisher = resource.role
        before = channel.replace(publisher)
        if before is not None and before.peer is not None:
            self._publisher_over(before, "replaced")
            before.peer.end("replaced")
        self._last_epoch = publisher.epoch = max(int(self._clock.now().timestamp() * 1000), self._last_epoch + 1)
        self._emit(
            events.PublisherJoined(publisher.key.session, publisher.key.stream, publisher.epoch, self._media_ms(publisher))
        )
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

    def _gone(self, resource: _Resource, reason: str) -> None:
        self._resources.pop(resource.id, None)
        role = resource.role
        channel = self._channels.get(role.key)
        if isinstance(role, Subscriber):
            if channel is not None:
                channel.leave(role)
        elif role.epoch and channel is not None and channel.publisher is role:
            channel.release(role)
            self._publisher_over(role, reason)
        if channel is not None and channel.empty:
            del self._channels[role.key]

    def _publisher_over(self, publisher: Publisher, reason: str) -> None:
        sink_reason = reason if reason == "session_closed" else "lost" if reason in _LOST else "left"
        self._close_sink(publisher, sink_reason)
        event = events.PublisherLost if reason in _LOST else events.PublisherLeft
        key = publisher.key
        self._emit(event(key.session, key.stream, publisher.epoch, self._media_ms(publisher), reason))

    async def _end_all(self, resources: list[_Resource], reason: str) -> None:
        for resource in resources:
            resource.peer.end(reason)
        tasks = [r.task for r in resources if r.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.handshake_timeout_s)

    def _media_ms(self, publisher: Publisher) -> int:
        return media_ms(publisher.started_at, self._clock.now())

    def _emit(self, event: events.Event) -> None:
        self._feed.append_soon(event.kind, event.data())

    def _next_run(self) -> int:
        self._last_run += 1
        return self._last_run

    async def _tick_forever(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(_TICK_S)
            turn = (turn + 1) % _TURNS
            now = self._clock.monotonic()
            for place, resource in enumerate(list(self._resources.values())):
                if isinstance(resource.role, Subscriber) and place % _TURNS != turn:
                    continue
                try:
                    self._tick(resource, now)
                except Exception:
                    _log.exception("peer_tick_failed", resource=resource.id)
                    resource.peer.end("failed")
            if time.monotonic() - self._counted_at >= _COUNT_S:
                self._counted_at = time.monotonic()
                self._count()

    def _tick(self, resource: _Resource, now: float) -> None:
        if not resource.connected or resource.peer.ending:
            return
        role = resource.role
        silent = now - resource.peer.ice.last_heard
        if isinstance(role, Publisher):
            if silent > self._settings.publisher_timeout_s:
                resource.peer.end("lost")
                return
            role.tick(now)
            return
        if silent > self._settings.subscriber_timeout_s:
            resource.peer.end("lost")
            return
        channel = self._channels.get(role.key)
        role.tick(now, channel.publisher.senders if channel is not None and channel.publisher is not None else None)

    def _count(self) -> None:
        """Moves the plain per-packet counts into the metrics."""
        metrics = self.metrics
        metrics.publishers.set(sum(1 for c in self._channels.values() if c.publisher is not None))
        metrics.subscribers.set(sum(len(c.subscribers) for c in self._channels.values()))
        metrics.feed_backlog.set(self._feed.backlog)
        for resource in self._resources.values():
            role = resource.role
            if isinstance(role, Publisher):
                metrics.received.inc(role.received)
                role.received = 0
            else:
                metrics.forwarded.inc(role.forwarded)
                role.forwarded = 0
        for why, total in (("unknown", self._port.unknown), ("unsent", self._port.unsent)):
            metrics.dropped.labels(why).inc(total - self._counted[why])
            self._counted[why] = total
