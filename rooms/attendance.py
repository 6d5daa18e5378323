"""Who is at the desk now, by socket: advisers who take calls, and anybody connected. In memory, of this process alone.

With several web processes each would know only its own; they would have to share this (Redis) before that is offered.
"""

from __future__ import annotations

from collections import defaultdict

from core.identity import Person, Role


class Attendance:
    """Sockets at the desk by person. An adviser is available while one of his sockets said so."""

    def __init__(self) -> None:
        self._sockets: defaultdict[str, set[str]] = defaultdict(set)
        self._advisers: dict[str, str] = {}  # id: name, of those connected
        self._available: defaultdict[str, set[str]] = defaultdict(set)

    def enter(self, person: Person, socket: str) -> bool:
        """The socket is there; whether it is the person's first."""
        self._sockets[person.id].add(socket)
        if person.role is Role.ADVISER:
            self._advisers[person.id] = person.name
        return len(self._sockets[person.id]) == 1

    def leave(self, person: Person, socket: str) -> bool:
        """The socket is gone; whether it was the person's last."""
        self.set_available(person.id, socket, on=False)
        sockets = self._sockets[person.id]
        sockets.discard(socket)
        if sockets:
            return False
        del self._sockets[person.id]
        self._advisers.pop(person.id, None)
        return True

    def set_available(self, person_id: str, socket: str, *, on: bool) -> None:
        """This socket's adviser takes calls, or no longer."""
        if on:
            self._available[person_id].add(socket)
            return
        sockets = self._available[person_id]
        sockets.discard(socket)
        if not sockets:
            del self._available[person_id]

    def available(self) -> frozenset[str]:
        """The ids of the advisers who take calls now."""
        return frozenset(self._available)

    def adviser_name(self, person_id: str) -> str | None:
        """The name of a connected adviser; None for anybody else."""
        return self._advisers.get(person_id)

    def connected(self) -> frozenset[str]:
        """The ids of all who are at the desk."""
        return frozenset(self._sockets)
