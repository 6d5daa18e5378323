"""A media process beside the home: it has subscribers alone, and gets each stream that they watch once, by a relay."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from core.clock import Clock
from core.errors import Refused, Unavailable
from stream.carrier import Carrier
from stream.client import MediaClient
from stream.errors import MEDIA_FULL, MEDIA_UNAVAILABLE, SESSION_CLOSED
from stream.metrics import MediaMetrics
from stream.relay import Relay, RelayedPublisher
from stream.resource import Opened
from stream.settings import MediaSettings
from stream.sink import StreamKey

_log = structlog.get_logger(__name__)

# A joiner waits this long for the home's word; its page asks again.
_KNOWN_WITHIN_S = 3.0
# Whoever reloads the page finds the stream still here.
_UNUSED_S = 10.0
# Streams at a time; each is somebody's who watches, or was a moment ago.
_MOST_RELAYS = 2000
_CLOSED_KEPT = 10_000
_TURNS_A_LOOK = 50


class Edge(Carrier):
    """Takes its streams from `home`, which is closed with it."""

    def __init__(self, settings: MediaSettings, clock: Clock, metrics: MediaMetrics, home: MediaClient) -> None:
        super().__init__(settings, clock, metrics)
        self._home = home
        self._relays: dict[StreamKey, Relay] = {}
        self._over: OrderedDict[str, None] = OrderedDict()

    async def stop(self) -> None:
        """Ends every peer with "media_stopped", and all relays."""
        self._stopping = True
        await super().stop()
        for relay in self._relays.values():
            relay.end()
        await asyncio.gather(*(relay.ended() for relay in self._relays.values()))
        self._relays.clear()
        await self._home.close()

    async def subscribe(self, key: StreamKey, sdp: str, owner: str = "") -> Opened:
        """As of `Carrier`, once the home has said what is so. Unavailable(MEDIA_UNAVAILABLE) when it does not within 3 s."""
        self._admit(key, publisher=False)
        relay = self._relay(key)
        relay.used_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(_KNOWN_WITHIN_S):
                await relay.known()
        except TimeoutError as error:
            raise Unavailable(MEDIA_UNAVAILABLE) from error
        if self._closed(key.session):
            raise Refused(SESSION_CLOSED)
        return await super().subscribe(key, sdp, owner)

    def _relay(self, key: StreamKey) -> Relay:
        relay = self._relays.get(key)
        if relay is None:
            if len(self._relays) >= _MOST_RELAYS:
                raise Unavailable(MEDIA_FULL, retry_after=5)
            relay = self._relays[key] = Relay(key, self._home, self, self._clock, self._next_run)
        return relay

    def watched(self, key: StreamKey) -> bool:
        """As of `RelayEnd`."""
        channel = self._channels.get(key)
        return channel is not None and bool(channel.subscribers)

    def began(self, key: StreamKey, publisher: RelayedPublisher) -> None:
        """As of `RelayEnd`: it stands where a publisher stands. Who is here already begins at the next keyframe."""
        channel = self._channel(key)
        channel.replace(publisher)
        if channel.subscribers:
            publisher.request_keyframe()
            publisher.request_keyframe(low=True)

    def ceased(self, key: StreamKey, publisher: RelayedPublisher) -> None:
        """As of `RelayEnd`: who is here stays, and sees nothing until there is a publisher again."""
        channel = self._channels.get(key)
        if channel is not None and channel.publisher is publisher:
            channel.release(publisher)
            self._drop_empty(key)

    def closed(self, session: str) -> None:
        """As of `RelayEnd`."""
        self._over[session] = None
        while len(self._over) > _CLOSED_KEPT:
            self._over.popitem(last=False)
        for resource in self._of_session(session):
            resource.peer.end("session_closed")
        for key in [key for key in self._relays if key.session == session]:
            self._relays.pop(key).end()

    def _closed(self, session: str) -> bool:
        return session in self._over

    def _tick_all(self, turn: int) -> None:
        super()._tick_all(turn)
        now = self._clock.monotonic()
        for relay in self._relays.values():
            relay.tick(now)
        if turn % _TURNS_A_LOOK == 0:
            self._drop_unused(now)

    def _drop_unused(self, now: float) -> None:
        used = {resource.role.key for resource in self._resources.values()}
        for key, relay in list(self._relays.items()):
            if key in used:
                relay.used_at = now
            elif now - relay.used_at >= _UNUSED_S:
                del self._relays[key]
                relay.end()
