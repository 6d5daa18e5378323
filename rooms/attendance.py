"""Who is at the desk now, by socket: advisers who take calls, and anybody connected. In memory, of all web processes.

Each process knows its own sockets and tells the others whenever that changes, and once a second. What another has told holds
for `FRESH_S`; while Redis is away it holds on, because nothing is known then of who is connected elsewhere.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from core.clock import Clock
from core.identity import Person, Role
from rooms.relay import AtDesk, Relay

FRESH_S: Final = 5.0
_EVERY_S: Final = 1.0
_TOGETHER_S: Final = 0.05


class Attendance:
    """Sockets at the desk by person. An adviser is available while one of his sockets said so."""

    def __init__(self, clock: Clock, relay: Relay | None = None) -> None:
        self._sockets: defaultdict[str, set[str]] = defaultdict(set)
        self._advisers: dict[str, str] = {}  # id: name, of those connected
        self._available: defaultdict[str, set[str]] = defaultdict(set)
        self._clock, self._relay = clock, relay
        self._elsewhere: dict[str, tuple[float, AtDesk]] = {}  # by process, with when it said so (monotonic seconds)
        self._telling = False
        if relay is not None:
            relay.on(AtDesk, self._heard)

    def enter(self, person: Person, socket: str) -> bool:
        """The socket is there; whether it is the person's first, in any process."""
        first = person.id not in self.connected()
        self._sockets[person.id].add(socket)
        if person.role is Role.ADVISER:
            self._advisers[person.id] = person.name
        self.tell()
        return first

    def leave(self, person: Person, socket: str) -> bool:
        """The socket is gone; whether it was the person's last, in any process."""
        self.set_available(person.id, socket, on=False)
        sockets = self._sockets[person.id]
        sockets.discard(socket)
        if sockets:
            return False
        del self._sockets[person.id]
        self._advisers.pop(person.id, None)
        self.tell()
        return person.id not in self.connected()

    def set_available(self, person_id: str, socket: str, *, on: bool) -> None:
        """This socket's adviser takes calls, or no longer."""
        sockets = self._available[person_id]
        if on:
            sockets.add(socket)
        else:
            sockets.discard(socket)
        if not sockets:
            del self._available[person_id]
        self.tell()

    def available(self) -> frozenset[str]:
        """The ids of the advisers who take calls now."""
        return frozenset(self._available).union(*(desk.available for desk in self._others()))

    def adviser_name(self, person_id: str) -> str | None:
        """The name of a connected adviser; None for anybody else."""
        if person_id in self._advisers:
            return self._advisers[person_id]
        return next((desk.advisers[person_id] for desk in self._others() if person_id in desk.advisers), None)

    def connected(self) -> frozenset[str]:
        """The ids of all who are at the desk."""
        return frozenset(self._sockets).union(*(desk.connected for desk in self._others()))

    def tell(self) -> None:
        """The other processes, who is at the desk in this one; all that changes in one go is told once."""
        if self._relay is not None and not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(_TOGETHER_S, self._tell_now)

    async def run(self) -> None:
        """Tell it once a second: who has begun to listen has not heard the last change. Cancel it to stop."""
        while True:
            self.tell()
            await asyncio.sleep(_EVERY_S)

    def _tell_now(self) -> None:
        self._telling = False
        if self._relay is not None:
            told = AtDesk(self._relay.me, sorted(self._sockets), dict(self._advisers), sorted(self._available))
            self._relay.say(told)

    def _heard(self, said: AtDesk) -> None:
        self._elsewhere[said.host] = (self._clock.monotonic(), said)

    def _others(self) -> Iterator[AtDesk]:
        if self._relay is not None and self._relay.up:
            now = self._clock.monotonic()
            self._elsewhere = {host: one for host, one in self._elsewhere.items() if now - one[0] <= FRESH_S}
        for _at, desk in self._elsewhere.values():
            yield desk
