"""What both Socket.IO namespaces share: who may in, one event after the other, everything answered.

Events are found in a table, validated, asked permission for, and limited per socket; every acknowledgement is
`{ok: true, …}` or `{ok: false, error}` with the problem in the person's language. The table is the whole of what a client can
reach: python-socketio's own `on_…` lookup is not used, and an event that a client names "connect" or "disconnect" reaches
nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import socketio
import structlog
from socketio.exceptions import ConnectionRefusedError as SocketRefused

from core.clock import Clock
from core.errors import FORBIDDEN, NOT_SIGNED_IN, TOO_MANY, Refused
from core.failures import failed
from core.http import convert
from core.identity import Person
from rooms.errors import TOO_MANY_OPEN
from rooms.rate import Buckets

log = structlog.get_logger()

# One person's hands are slower than this; what is faster is a program.
EVENTS_BURST, EVENTS_PER_S = 20.0, 10.0
# A person's tabs that lost a server come back at once; whoever comes all the time is a program, and waits for his refusal.
ARRIVALS_BURST, ARRIVALS_PER_S = 10.0, 0.5
REFUSED_AFTER_MOST_S = 2.0
# A person's connections to one namespace of one web process: nobody reads so many tabs. With more the newest is refused: an
# older one that was ended for it would come again and end the next, and which tab is silent would change all the time.
OPEN_MAX = 20
BUCKETS_MAX = 100_000
WAITING_MAX = 16
HANDLER_TIMEOUT_S = 20.0
# A sign-in holds for hours; that it is over is noticed so late at most. Each look costs a signature.
PROOF_S = 10.0
_AT_ONCE = 50  # signatures checked before others get their turn

Identify = Callable[[Mapping[str, Any], object], Person | None]
May = Callable[[Person | None, str, str], bool]


@dataclass(slots=True)
class Socket:
    """One client's connection to one namespace."""

    sid: str
    person: Person
    lang: str
    proof: Callable[[], Person | None]  # who the cookie or token says this is; None once it has expired
    proved_at: float  # monotonic seconds
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    sessions: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Event:
    """One row of a namespace's table: the payload's shape and who handles it. The answer's fields join `ok` in the ack.

    `limit` is one person's for this event alone: how many at once, how many a second.
    """

    takes: Any
    handler: Callable[[Socket, Any], Awaitable[Mapping[str, Any]]]
    limit: Buckets | None = None


class Namespace(socketio.AsyncNamespace):  # type: ignore[misc]  # python-socketio ships without type hints
    """Subclasses give `events` and may override `entered` and `left`; `binary` says whether their answers may hold bytes."""

    binary = False

    def __init__(self, namespace: str, identify: Identify, may: May, clock: Clock) -> None:
        super().__init__(namespace)
        self._identify, self._may, self._clock = identify, may, clock
        self.sockets: dict[str, Socket] = {}
        self._open: Counter[str] = Counter()  # how many of them are one person's
        # A person's, not a socket's: to connect anew would bring a new one.
        self._buckets = Buckets(EVENTS_BURST, EVENTS_PER_S, BUCKETS_MAX)
        self._arrivals = Buckets(ARRIVALS_BURST, ARRIVALS_PER_S, BUCKETS_MAX)
        self.events: Mapping[str, Event] = {}

    async def entered(self, socket: Socket) -> None:
        """The socket is in; put it into its rooms."""

    async def left(self, socket: Socket) -> None:
        """The socket is gone."""

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """python-socketio's way in, for its own two events: connect (sid, environ, auth) and disconnect (sid, reason)."""
        if event == "connect":
            return await self._connect(*args)
        return await self._disconnect(args[0])

    async def heard(self, event: str, sid: str, payload: Any) -> dict[str, Any]:
        """What a client has sent, whatever it calls it; the answer for its acknowledgement."""
        socket = self.sockets.get(sid)
        if socket is None:
            return {"ok": False, "error": Refused(NOT_SIGNED_IN).to_json()}
        return await self._in_order(socket, event, payload)

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        person = self._identify(environ, auth)
        lang = language(environ, auth)
        if person is None:
            raise SocketRefused("not_signed_in", Refused(NOT_SIGNED_IN).to_json(lang))
        wait_s = self._arrivals.take(person.id, self._clock.monotonic())
        if wait_s:
            # Told at once, he would be back at once; meanwhile nothing else of this connection is read.
            await asyncio.sleep(min(wait_s, REFUSED_AFTER_MOST_S))
            raise SocketRefused("too_many_requests", Refused(TOO_MANY, wait_s=max(1, round(wait_s))).to_json(lang))
        if self._open[person.id] >= OPEN_MAX:
            raise SocketRefused("too_many_open", Refused(TOO_MANY_OPEN, max=OPEN_MAX).to_json(lang))
        proof = partial(self._identify, environ, auth)
        socket = self.sockets[sid] = Socket(sid, person, lang, proof, self._clock.monotonic())
        self._open[person.id] += 1
        try:
            await self.entered(socket)
        except Exception:
            log.exception("a socket could not enter", namespace=self.namespace)
            self._drop(sid)
            await self._gone(socket)  # it may have entered half
            raise SocketRefused("internal_error") from None

    async def end_expired(self) -> int:
        """Disconnect everybody whose sign-in has expired since; answers how many. To be called every minute or so."""
        ended = 0
        for place, socket in enumerate(list(self.sockets.values())):
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if socket.proof() is None and socket.sid in self.sockets:
                ended += 1
                await self.disconnect(socket.sid)
        return ended

    def _drop(self, sid: str) -> Socket | None:
        """It is none of ours any more."""
        socket = self.sockets.pop(sid, None)
        if socket is not None:
            person_id = socket.person.id
            self._open[person_id] -= 1
            if not self._open[person_id]:
                del self._open[person_id]
        return socket

    async def _disconnect(self, sid: str) -> None:
        socket = self._drop(sid)
        if socket is not None and socket.waiting == 0:
            await self._gone(socket)

    async def _gone(self, socket: Socket) -> None:
        """Once for each socket: when it has disconnected and the last of its events is through."""
        try:
            await self.left(socket)
        except Exception:  # there is nobody to answer any more
            log.exception("a socket could not leave", namespace=self.namespace)

    async def _in_order(self, socket: Socket, event: str, payload: Any) -> dict[str, Any]:
        if socket.waiting >= WAITING_MAX:
            return {"ok": False, "error": Refused(TOO_MANY, wait_s=1).to_json(socket.lang)}
        socket.waiting += 1
        try:
            async with socket.lock:
                if socket.sid not in self.sockets or not self._still_signed_in(socket):
                    return {"ok": False, "error": Refused(NOT_SIGNED_IN).to_json(socket.lang)}
                return await self._answered(socket, event, payload)
        finally:
            socket.waiting -= 1
            if socket.waiting == 0 and socket.sid not in self.sockets:
                await self._gone(socket)

    def _still_signed_in(self, socket: Socket) -> bool:
        now = self._clock.monotonic()
        if now - socket.proved_at >= PROOF_S:
            if socket.proof() is None:
                return False
            socket.proved_at = now
        return True

    async def _answered(self, socket: Socket, event: str, payload: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                return {"ok": True, **await self._handled(socket, event, payload)}
        except Refused as refusal:
            error = refusal.to_json(socket.lang)
        except Exception as failure:
            where = {"namespace": self.namespace, "socket_event": event[:40]}
            error = failed(failure, "event", **where).to_json(socket.lang)
        return {"ok": False, "error": error}

    async def _handled(self, socket: Socket, event: str, payload: Any) -> Mapping[str, Any]:
        now, person = self._clock.monotonic(), socket.person.id
        wait_s = self._buckets.take(person, now)
        row = self.events.get(event)
        if not wait_s and row is not None and row.limit is not None:
            wait_s = row.limit.take(person, now)
        if wait_s:
            raise Refused(TOO_MANY, wait_s=max(1, round(wait_s)))
        if row is None or not self._may(socket.person, self.namespace, event):
            raise Refused(FORBIDDEN)
        return await row.handler(socket, convert(payload, row.takes))


def language(environ: Mapping[str, Any], auth: object) -> str:
    """ "zh" or "en": what the client says in `auth.lang`, the query, the cookie, or its browser."""
    if isinstance(auth, dict) and auth.get("lang") in ("zh", "en"):
        return str(auth["lang"])
    asked = parse_qs(str(environ.get("QUERY_STRING", ""))).get("lang", [""])[0]
    if asked in ("zh", "en"):
        return asked
    try:
        jar = SimpleCookie(str(environ.get("HTTP_COOKIE", "")))
    except CookieError:
        jar = SimpleCookie()
    if "lang" in jar and jar["lang"].value in ("zh", "en"):
        return jar["lang"].value
    return "zh" if str(environ.get("HTTP_ACCEPT_LANGUAGE", "")).lower().startswith("zh") else "en"
