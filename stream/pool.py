"""All media processes of an installation, as one to the web side.

The home (number 0) has the publishers, the feed and the closing of sessions. A subscriber goes where there are fewest, and to
the home while there are few: what an edge carries has to be relayed to it. An edge's resources are told by its number in front.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import structlog

from core.errors import NOT_FOUND, Refused, Unavailable
from stream.client import MediaClient
from stream.errors import MEDIA_FULL, MEDIA_UNAVAILABLE
from stream.wire import LayerIn, OpenedOut, RestartedOut

_log = structlog.get_logger(__name__)

# A relay costs the home about what seven subscribers do (docs/decisions/0009), and the edge as much again. An edge is worth it
# when it has so many fewer than the home.
HOME_FIRST = 50
_LOOK_EVERY_S = 1.0
_LOOK_WITHIN_S = 2.0


class Member:
    """One process. `subscribers` is None while it does not answer."""

    def __init__(self, number: int, client: MediaClient) -> None:
        self.number = number
        self.client = client
        self.subscribers: int | None = 0
        self.given = 0
        """Sent there since it was looked at last."""

    @property
    def load(self) -> int:
        return (self.subscribers or 0) + self.given

    async def look(self) -> None:
        """How it stands now."""
        try:
            async with asyncio.timeout(_LOOK_WITHIN_S):
                subscribers = (await self.client.health()).subscribers
        except (Refused, TimeoutError) as error:
            if self.subscribers is not None:
                _log.warning("media_process_away", number=self.number, error=repr(error))
            self.subscribers = None
            return
        self.subscribers, self.given = subscribers, 0

    def names(self, opened: OpenedOut) -> OpenedOut:
        """The answer with the resource's name among all processes."""
        if not self.number:
            return opened
        return OpenedOut(f"{self.number}.{opened.resource}", opened.sdp, opened.etag)


class MediaPool:
    """The home first, then edge 1, 2…; as `MediaClient` for whoever uses it. `run()` keeps looking at them."""

    def __init__(self, clients: Sequence[MediaClient], *, home_first: int = HOME_FIRST) -> None:
        self._members = [Member(number, client) for number, client in enumerate(clients)]
        self._home = clients[0]
        self._home_first = home_first

    async def run(self) -> None:
        """Looks every second how many subscribers each has. Until cancelled."""
        while True:
            if len(self._members) > 1:
                await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Looks at all of them once."""
        await asyncio.gather(*(member.look() for member in self._members))

    async def close(self) -> None:
        """Lets go of all."""
        for member in self._members:
            await member.client.close()

    async def publish(self, session: str, stream: str, started_at: datetime, sdp: str, owner: str = "") -> OpenedOut:
        """As of `MediaClient`: publishers are the home's."""
        return await self._home.publish(session, stream, started_at, sdp, owner)

    async def subscribe(self, session: str, stream: str, sdp: str, owner: str = "") -> OpenedOut:
        """As of `MediaClient`, with the process that suits best; one that is full or away is passed over.

        When all are, what the last one said is raised.
        """
        *others, last = self._in_order()
        for member in others:
            try:
                return await self._subscribe(member, session, stream, sdp, owner)
            except Unavailable as refused:
                if refused.problem not in (MEDIA_FULL, MEDIA_UNAVAILABLE):
                    raise
                _log.info("media_process_passed_over", number=member.number, code=refused.problem.code)
        return await self._subscribe(last, session, stream, sdp, owner)

    async def _subscribe(self, member: Member, session: str, stream: str, sdp: str, owner: str) -> OpenedOut:
        member.given += 1
        try:
            return member.names(await member.client.subscribe(session, stream, sdp, owner))
        except Refused:
            member.given = max(0, member.given - 1)
            raise

    def _in_order(self) -> list[Member]:
        """Who is asked first; those that do not answer come last, for they may be back."""
        return sorted(self._members, key=self._cost)

    def _cost(self, member: Member) -> tuple[bool, int, int]:
        favour = self._home_first if member.number == 0 else 0
        return member.subscribers is None, member.load - favour, member.number

    async def patch(self, resource: str, if_match: str | None, fragment: str) -> RestartedOut | None:
        """As of `MediaClient`."""
        member, own = self._member(resource)
        return await member.client.patch(own, if_match, fragment)

    async def choose(self, resource: str, layer: LayerIn) -> None:
        """As of `MediaClient`."""
        member, own = self._member(resource)
        await member.client.choose(own, layer)

    async def delete(self, resource: str) -> None:
        """As of `MediaClient`."""
        member, own = self._member(resource)
        await member.client.delete(own)

    def _member(self, resource: str) -> tuple[Member, str]:
        """Whose it is, and what it is called there. Raises Refused(NOT_FOUND) for a process that there is not (any more)."""
        number, dot, own = resource.partition(".")
        if not dot:
            return self._members[0], resource
        for member in self._members[1:]:
            if number == str(member.number):
                return member, own
        raise Refused(NOT_FOUND)

    async def expel(self, session: str, owners: Sequence[str]) -> None:
        """As of `MediaClient`, with all processes: when one can't be told, the others are, and then it is raised."""
        told = await asyncio.gather(*(member.client.expel(session, owners) for member in self._members), return_exceptions=True)
        for failure in told:
            if failure is not None:
                raise failure

    async def close_session(self, session: str) -> None:
        """As of `MediaClient`: the home tells the edges."""
        await self._home.close_session(session)

    async def feed_id(self) -> str:
        """As of `MediaClient`."""
        return await self._home.feed_id()

    async def ack(self, upto: int, feed: str = "") -> None:
        """As of `MediaClient`."""
        await self._home.ack(upto, feed)

    def feed(self, after: int, feed: str = "") -> AsyncIterator[dict[str, Any]]:
        """As of `MediaClient`."""
        return self._home.feed(after, feed)
