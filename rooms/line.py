"""The line by which web processes hear each other: a connection to Redis to hear, another to say, and nobody waits for either.

The life of the line:
1. it is up once a word of our own has come back over Redis: then whatever others say comes too;
2. each second a pulse goes out and has to come back; what others said before a pulse that came back has been heard;
3. it is down with the first failure, or when no pulse has come back for `DEAF_S`; meanwhile what is said is dropped and
   counted, and Redis is tried again, with a growing pause of up to half a second;
4. up again, it says since when something may have been missed (`on_back`): since the last pulse that came back.

Nobody who says something waits for Redis. What can't go out in time is a failure like any other: the line is down then, and
what was missed is read from the database (`rooms/rejoining.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.clock import Clock

log = structlog.get_logger()

UP = Gauge("tellercast_redis_up", "1 while this process hears the others over Redis")
OUTAGES = Counter("tellercast_redis_outages", "Times the line to the other web processes was lost")
UNSAID = Counter("tellercast_redis_unsaid", "What other web processes were not told, because Redis was away")
POISON = Counter("tellercast_redis_not_understood", "What came over Redis and could not be understood")

PULSE_S: Final = 1.0
DEAF_S: Final = 3.0
# A process that has not been heard of for so long is gone; one that goes in order says so.
PEER_FORGOTTEN_S: Final = 60.0
_STEP_WITHIN_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.5
# What may wait to be said: about a second of a very large installation.
_WAITING_MAX: Final = 8 * 1024 * 1024
_AT_ONCE: Final = 200
_MESSAGE_MAX: Final = 1024 * 1024
_PULSE: Final = "tellercast:pulse"
_BYE: Final = "bye"

Hear = Callable[[bytes], Awaitable[None]]


class _Deaf(Exception):  # noqa: N818 - it names what is the matter
    """Redis neither answers nor fails, or takes less than there is to say."""


class Line:
    """Run `run`; hear by `on(channel, …)`, say by `say(channel, …)`. `me` names this process among the others."""

    def __init__(self, url: str, clock: Clock) -> None:
        parse_url(url)  # raises ValueError for what is none
        self._url, self._clock = url, clock
        self.me = uuid4().hex
        self.up = False
        self.on_back: Callable[[datetime], None] = _nobody
        self._hearers: dict[str, Hear] = {_PULSE: self._hear_pulse}
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._good_at = clock.now()  # when the last pulse went out that came back
        self._heard_at = 0.0  # monotonic seconds, when it came back
        self._lost = self._overrun = False
        self._sent_at: dict[str, datetime] = {}
        self._pulse = 0
        self._peers: dict[str, float] = {}  # monotonic seconds, when each was last heard of

    def on(self, channel: str, hear: Hear) -> None:
        """What comes on that channel, ours included. To be called before `run`."""
        self._hearers[channel] = hear

    def say(self, channel: str, payload: bytes) -> bool:
        """Tell the other processes; whether it is on its way. Returns at once."""
        if self.up and self._bytes > _WAITING_MAX:
            self._overrun = True  # the next beat ends it: what is left out now has to be told afterwards
        if not self.up or self._overrun:
            UNSAID.inc()
            return False
        self._put(channel, payload)
        return True

    @property
    def good_at(self) -> datetime:
        """Whatever the others said before this has been heard."""
        return self._good_at

    @property
    def apart(self) -> bool:
        """Whether this process, or another one, may not hear what is said."""
        now = self._clock.monotonic()
        self._peers = {peer: at for peer, at in self._peers.items() if now - at < PEER_FORGOTTEN_S}
        return not self.up or any(now - at > DEAF_S for at in self._peers.values())

    async def run(self) -> None:
        """Keep the line up until cancelled; then the others are told that this process goes."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._connected()
            except* Exception as failures:  # whatever a connection fails with, the next one is another
                if self._down(failures.exceptions[0]):
                    pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - all processes must not come at once
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _connected(self) -> None:
        """Hears and says until something fails, which is raised."""
        # redis-py's own socket_timeout would end the listener after each quiet spell, and its retries would hide an outage.
        options: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": _STEP_WITHIN_S}
        client = Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), **options)
        ears = client.pubsub(ignore_subscribe_messages=True)
        try:
            async with asyncio.timeout(_STEP_WITHIN_S):
                await ears.subscribe(*self._hearers)
            self._heard_at = self._clock.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(ears))
                group.create_task(self._speak(client))
                group.create_task(self._beat())
        except asyncio.CancelledError:
            await _farewell(client, f"{self.me} {_BYE}")
            raise
        finally:
            await _closed(ears, client)

    async def _listen(self, ears: PubSub) -> None:
        while True:
            message = await ears.get_message(ignore_subscribe_messages=True, timeout=None)
            if message is None:
                continue
            channel, payload = message["channel"].decode(errors="replace"), message["data"]
            hear = self._hearers.get(channel)
            if hear is None or not isinstance(payload, bytes) or len(payload) > _MESSAGE_MAX:
                POISON.inc()
                continue
            try:
                await hear(payload)
            except Exception:  # whatever it was, the next one is another
                POISON.inc()
                log.exception("what another process said could not be done", channel=channel)

    async def _speak(self, client: Redis) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                async with asyncio.timeout(_STEP_WITHIN_S), client.pipeline(transaction=False) as pipe:
                    for _ in range(min(_AT_ONCE, len(self._waiting))):
                        channel, payload = self._waiting.popleft()
                        self._bytes -= len(payload)
                        pipe.publish(channel, payload)
                    await pipe.execute()

    async def _beat(self) -> None:
        while True:
            if self._clock.monotonic() - self._heard_at > DEAF_S:
                raise _Deaf("no pulse came back")
            if self._overrun:
                raise _Deaf("more is said than is taken")
            self._pulse += 1
            self._sent_at[str(self._pulse)] = self._clock.now()
            self._put(_PULSE, f"{self.me} {self._pulse}".encode())
            await asyncio.sleep(PULSE_S)

    async def _hear_pulse(self, payload: bytes) -> None:
        who, _, what = payload.decode("ascii").partition(" ")
        if who != self.me:
            self._peers[who] = self._clock.monotonic()
            if what == _BYE:
                del self._peers[who]
            return
        sent_at = self._sent_at.pop(what, None)
        if sent_at is None:  # of an earlier connection
            return
        since, self._good_at, self._heard_at = self._good_at, sent_at, self._clock.monotonic()
        if not self.up:
            self.up = True
            UP.set(1)
            if self._lost:
                self._lost = False
                log.warning("redis is back", away_s=round((self._clock.now() - since).total_seconds(), 1))
                self.on_back(since)

    def _put(self, channel: str, payload: bytes) -> None:
        self._waiting.append((channel, payload))
        self._bytes += len(payload)
        self._something.set()

    def _down(self, error: BaseException) -> bool:
        """Notes the outage, once; whether the line was up before."""
        was_up, self.up, self._overrun = self.up, False, False
        UNSAID.inc(len(self._waiting))
        self._waiting.clear()
        self._sent_at.clear()
        self._bytes = 0
        UP.set(0)
        if not self._lost:
            self._lost = True
            OUTAGES.inc()
            log.error("redis is away; this process goes on alone", error=repr(error))
        return was_up


async def _farewell(client: Redis, last: str) -> None:
    """Others need not wait for who is gone; when it can't be said they find out by themselves."""
    try:
        async with asyncio.timeout(_STEP_WITHIN_S):
            await client.publish(_PULSE, last)
    except (RedisError, OSError, TimeoutError) as error:
        log.info("left without a farewell", error=repr(error))


async def _closed(ears: PubSub, client: Redis) -> None:
    try:
        async with asyncio.timeout(_STEP_WITHIN_S):
            await ears.aclose()  # type: ignore[no-untyped-call]
            await client.aclose()
    except (RedisError, OSError, TimeoutError) as error:
        log.debug("a lost connection did not close", error=repr(error))


def _nobody(_since: datetime) -> None:
    """Nobody wants to know yet."""
