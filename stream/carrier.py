"""What every media process does: it carries streams to subscribers, over one UDP port.

Life of a peer: offer read and answered → first authentic check → DTLS → connected → packets → left, lost or closed → its share
freed. Who publishes is told by those who build on this: `stream/hub.py` for the home, `stream/edge.py` for the others.
"""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection
from itertools import islice

import structlog

from core.clock import Clock
from core.errors import NOT_FOUND, Refused, Unavailable
from core.ids import new_id
from stream.admission import Admission
from stream.aiortc_private import fingerprint, new_certificate
from stream.channel import Channel
from stream.errors import MEDIA_FULL, MEDIA_UNAVAILABLE, SESSION_CLOSED, STREAM_NOT_FOUND, TAG_MISSING, TAG_STALE, ConnectFailed
from stream.ice import Credentials, MediaPort
from stream.metrics import MediaMetrics
from stream.peer import Peer
from stream.publisher import Publisher
from stream.pulse import Pulse
from stream.quality import Wish
from stream.resource import Opened, Resource, Restarted, StreamView, worth
from stream.sdp import LocalTransport, Negotiated, negotiate_subscribe, read_fragment
from stream.settings import MediaSettings
from stream.sink import StreamKey
from stream.subscriber import Subscriber

_log = structlog.get_logger(__name__)

# A subscriber's turn comes once a second: its reports, its choice and its end can wait so long, and thousands cost no more.
_TURNS = 50
# What one person may have open at a time (several tabs, several streams, and those that a bad network left behind): with more,
# the oldest goes, so that nobody fills the house alone.
_PEERS_A_PERSON = 16


class Carrier(ABC):
    """`start()` binds the UDP port; `stop()` ends every peer."""

    def __init__(self, settings: MediaSettings, clock: Clock, metrics: MediaMetrics) -> None:
        self.boot = secrets.token_hex(8)
        self.metrics = metrics
        self._settings = settings
        self._clock = clock
        self._admission = Admission(settings.max_peers, settings.kept_for_publishers)
        self._port = MediaPort(clock)
        self._certificate = new_certificate()
        self._addresses: tuple[str, ...] = ()
        self._resources: dict[str, Resource] = {}
        self._publishing: dict[str, Resource] = {}
        self._channels: dict[StreamKey, Channel] = {}
        self._last_run = 0
        self._ticker: asyncio.Task[None] | None = None
        self._counted = {"unknown": 0, "unsent": 0}
        self._stopping = False

    @property
    def port(self) -> int:
        """The UDP port in use, 0 before `start()`."""
        return self._port.number

    @property
    def peers(self) -> int:
        """How many are connected or about to be."""
        return len(self._resources)

    async def start(self) -> None:
        """Binds. Raises OSError when the port is taken."""
        await self._port.open(self._settings.bind_host, self._settings.port)
        self._addresses = tuple(self._port.addresses(self._settings.public_addresses))
        pulse = Pulse(self._tick_all, self._count, self._lagged)
        self._ticker = asyncio.create_task(pulse.run())

    async def stop(self) -> None:
        """Ends every peer with "media_stopped"."""
        self._stopping = True
        await self._end_all(list(self._resources.values()), "media_stopped")
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._port.close()

    async def subscribe(self, key: StreamKey, sdp: str, owner: str = "") -> Opened:
        """Answers a subscriber's offer. Refused: BAD_OFFER, UNSUPPORTED_MEDIA, SESSION_CLOSED; Unavailable: MEDIA_FULL,
        MEDIA_UNAVAILABLE, and STREAM_NOT_FOUND while nobody publishes.

        `owner` tells whose it is, opaquely: nobody holds more than a few places at a time. "" is not counted.
        """
        self._admit(key, publisher=False)
        channel = self._channels.get(key)
        if channel is None or channel.publisher is None:
            raise Unavailable(STREAM_NOT_FOUND, retry_after=1)
        negotiated = negotiate_subscribe(sdp, key.stream, channel.ssrc, channel.publisher.profile)
        return self._open(Subscriber(key, self._clock, self.metrics), negotiated, owner)

    async def patch(self, resource_id: str, if_match: str | None, fragment: str) -> Restarted | None:
        """Trickled candidates (nothing to do: we are ICE-lite) give None; an ICE restart gives its answer.

        A restart is asked for with any tag ("*", which the RFC's own example has in quotes) and new credentials; new ones under
        the current tag can mean nothing else. Raises Refused(NOT_FOUND | TAG_MISSING | TAG_STALE | BAD_OFFER); the connection
        goes on in any case.
        """
        resource = self._find(resource_id)
        if not if_match:
            raise Refused(TAG_MISSING)
        tags = {tag.strip() for tag in if_match.split(",")}  # a list by RFC 9110 section 13.1.1
        if not tags & {"*", '"*"', resource.etag}:
            raise Refused(TAG_STALE)
        ufrag, _password = read_fragment(fragment)
        if not ufrag or ufrag == resource.peer.ice.remote_ufrag:
            return None
        fresh = resource.peer.ice.restart(ufrag)
        resource.etag = f'"{fresh.ufrag}"'
        return Restarted(resource.peer.negotiated.restart_fragment(self._local(fresh)), resource.etag)

    def choose(self, resource_id: str, wish: Wish, height: int) -> None:
        """What a subscriber wants to see, and how high its picture is (device pixels, 0 unknown). Raises Refused(NOT_FOUND)."""
        role = self._find(resource_id).role
        if not isinstance(role, Subscriber):
            raise Refused(NOT_FOUND)
        role.wish(wish, height)

    async def delete(self, resource_id: str) -> None:
        """Ends one peer, and returns when it has ended. Raises Refused(NOT_FOUND)."""
        await self._end_all([self._find(resource_id)], "left")

    def expel(self, session: str, owners: Collection[str]) -> None:
        """Ends these owners' subscribers in the session; what they publish goes on. May be repeated."""
        theirs = frozenset(owners)
        for resource in self._of_session(session):
            if resource.owner in theirs and isinstance(resource.role, Subscriber):
                resource.peer.end("expelled")

    def streams(self) -> list[StreamView]:
        """What is going on now."""
        return [
            StreamView(c.key, c.publisher.epoch if c.publisher else None, len(c.subscribers)) for c in self._channels.values()
        ]

    @abstractmethod
    def _closed(self, session: str) -> bool:
        """Whether nobody may come to that session any more."""

    def _admit(self, key: StreamKey, *, publisher: bool) -> None:
        if self._closed(key.session):
            raise Refused(SESSION_CLOSED)
        if self._stopping:
            raise Unavailable(MEDIA_UNAVAILABLE)
        if not self._admission.admits(len(self._resources), publisher=publisher):
            self.metrics.refused.labels("lag" if self._admission.lagging else "count").inc()
            raise Unavailable(MEDIA_FULL, retry_after=5)

    def _open(self, role: Publisher | Subscriber, negotiated: Negotiated, owner: str) -> Opened:
        self._make_room(owner)
        ice = self._port.session(negotiated.offer.ufrag)
        peer = Peer(ice, self._certificate, negotiated, on_rtp=role.on_rtp, on_rtcp=role.on_rtcp)
        role.attach(peer)
        resource = Resource(new_id("rsc"), role, peer, owner, etag=f'"{ice.local.ufrag}"')
        self._resources[resource.id] = resource
        if isinstance(role, Publisher):
            self._publishing[resource.id] = resource
        resource.task = asyncio.create_task(self._live(resource))
        answer = negotiated.answer(self._local(ice.local), secrets.randbits(62))
        return Opened(resource.id, answer, resource.etag)

    def _make_room(self, owner: str) -> None:
        """Ends the oldest of a person's peers when there are too many: first those that never connected, last what is sent."""
        mine = [r for r in self._resources.values() if owner and r.owner == owner and not r.peer.ending]
        for resource in sorted(mine, key=worth)[: max(0, len(mine) - _PEERS_A_PERSON + 1)]:
            resource.peer.end("replaced")

    def _local(self, credentials: Credentials) -> LocalTransport:
        return LocalTransport(credentials, fingerprint(self._certificate), self._addresses, self._port.number)

    def _find(self, resource_id: str) -> Resource:
        resource = self._resources.get(resource_id)
        if resource is None:
            raise Refused(NOT_FOUND)
        return resource

    def _channel(self, key: StreamKey) -> Channel:
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(key)
        return channel

    def _drop_empty(self, key: StreamKey) -> None:
        channel = self._channels.get(key)
        if channel is not None and channel.empty:
            self.metrics.count(channel.uncounted())
            del self._channels[key]

    async def _live(self, resource: Resource) -> None:
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

    def _connected(self, resource: Resource) -> None:
        resource.connected = True
        if isinstance(resource.role, Subscriber):
            self._channel(resource.role.key).join(resource.role)

    def _gone(self, resource: Resource, reason: str) -> None:
        self._resources.pop(resource.id, None)
        self._publishing.pop(resource.id, None)
        role = resource.role
        channel = self._channels.get(role.key)
        if isinstance(role, Subscriber) and channel is not None:
            channel.leave(role)
        self._drop_empty(role.key)

    async def _end_all(self, resources: list[Resource], reason: str) -> None:
        for resource in resources:
            resource.peer.end(reason)
        tasks = [r.task for r in resources if r.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.handshake_timeout_s)

    def _of_session(self, session: str) -> list[Resource]:
        return [r for r in self._resources.values() if r.role.key.session == session]

    def _next_run(self) -> int:
        self._last_run += 1
        return self._last_run

    def _tick_all(self, turn: int) -> None:
        now = self._clock.monotonic()
        in_turn = [r for r in islice(self._resources.values(), turn % _TURNS, None, _TURNS) if isinstance(r.role, Subscriber)]
        for resource in (*self._publishing.values(), *in_turn):
            try:
                self._tick(resource, now)
            except Exception:
                _log.exception("peer_tick_failed", resource=resource.id)
                resource.peer.end("failed")

    def _tick(self, resource: Resource, now: float) -> None:
        role, peer = resource.role, resource.peer
        if not resource.connected or peer.ending:
            return
        sends = isinstance(role, Publisher)
        patience = self._settings.publisher_timeout_s if sends else self._settings.subscriber_timeout_s
        if now - peer.ice.last_heard > patience:
            peer.end("lost")
        elif isinstance(role, Publisher):
            role.tick(now)
        else:
            channel = self._channels.get(role.key)
            role.tick(now, channel.publisher.senders if channel is not None and channel.publisher is not None else None)

    def _lagged(self, lag: float, interval: float) -> None:
        self._admission.ticked(lag, interval)
        self.metrics.lag.observe(lag)

    def _count(self) -> None:
        """Moves the plain per-packet counts into the metrics."""
        metrics = self.metrics
        metrics.subscribers.set(sum(len(c.subscribers) for c in self._channels.values()))
        for channel in self._channels.values():
            metrics.count(channel.uncounted())
        now = self._clock.monotonic()
        metrics.streams = [channel.figures(now) for channel in self._channels.values()]
        for why, total in (("unknown", self._port.unknown), ("unsent", self._port.unsent)):
            metrics.dropped.labels(why).inc(total - self._counted[why])
            self._counted[why] = total
