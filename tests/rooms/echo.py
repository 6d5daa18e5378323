"""A namespace of tests: it says back what it is told, bytes too, so that a client's own library can be tried with all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.clock import Clock
from core.identity import Person, Role
from rooms.dispatch import Event, Namespace, Socket

SOMEBODY = Person("customer-c3", Role.CUSTOMER, "李文")


class EchoNamespace(Namespace):
    """`echo` in, the same in the acknowledgement as `echo`."""

    binary = True

    def __init__(self, clock: Clock, namespace: str = "/echo") -> None:
        super().__init__(namespace, lambda _environ, _auth: SOMEBODY, lambda _person, _namespace, _event: True, clock)
        self.events = {"echo": Event(Any, self._echo)}

    async def _echo(self, _socket: Socket, body: Any) -> Mapping[str, Any]:
        return {"echo": body}
