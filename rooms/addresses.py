"""How many connections one address may have, and how often it may begin one.

Before anybody has signed in there is nobody but the address to hold to account. The bounds are generous, since a bank's branch
or a mobile network has one address for many. Behind a proxy everybody has the proxy's: what it says of its clients
(X-Forwarded-For) is believed only where it is named in the settings. A proxy on this machine that is not named would stand for
all of them, so this machine's own addresses have no bounds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from aiohttp import web
from prometheus_client import Counter as Metric

from core.errors import TOO_MANY, Refused
from rooms.errors import TOO_MANY_CONNECTIONS
from rooms.rate import Buckets

log = structlog.get_logger()

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# A thousand who come back at once, after a restart, are let in within six seconds; Socket.IO's clients try again within five.
HANDSHAKES_BURST, HANDSHAKES_PER_S = 500.0, 100.0
_ADDRESSES_MAX = 100_000
# When to try again where there is no telling: somebody else has to leave first.
_FULL_WAIT_S = 30
_TELL_EVERY_S = 60.0
# Whoever has one IPv6 address has all of its network of 64 bits (RFC 6177).
_IPV6_ONE_HOLDER = 64

REFUSED = Metric(
    "tellercast_socket_handshakes_refused_total", "Socket.IO connections not begun, by what was too many", ["what"]
)


class Addresses:
    """Who is connected from where. `most` connections an address, 0 for no bound; `proxies` are believed."""

    def __init__(
        self, most: int = 0, proxies: Sequence[Network] = (), *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._proxies, self._monotonic = most, tuple(proxies), monotonic
        self._rate = Buckets(HANDSHAKES_BURST, HANDSHAKES_PER_S, _ADDRESSES_MAX)
        self._holder_of: dict[str, str] = {}  # by the connection's id
        self._connections: Counter[str] = Counter()
        self._tell_at = 0.0

    def admit(self, request: web.Request) -> AbstractContextManager[None]:
        """To be asked before a connection is begun; to be held until it has: who waits for his turn counts.

        Raises Refused (TOO_MANY, TOO_MANY_CONNECTIONS).
        """
        holder = self._holder(request)
        if holder is None:
            return nullcontext()
        wait_s = self._rate.take(holder, self._monotonic())
        if wait_s:
            REFUSED.labels("handshakes").inc()
            raise Refused(TOO_MANY, wait_s=max(1, round(wait_s)))
        if self._connections[holder] >= self._most:
            REFUSED.labels("connections").inc()
            self._tell()
            raise Refused(TOO_MANY_CONNECTIONS, max=self._most, wait_s=_FULL_WAIT_S)
        return self._coming(holder)

    @contextmanager
    def _coming(self, holder: str) -> Iterator[None]:
        self._connections[holder] += 1
        try:
            yield
        finally:
            self._gone(holder)

    def _tell(self) -> None:
        """An operator may have to name a proxy; once a minute is enough to learn it."""
        now = self._monotonic()
        if now >= self._tell_at:
            self._tell_at = now + _TELL_EVERY_S
            log.warning("an address has as many connections as one may have; is it a proxy?", connections=self._most)

    def enter(self, connection: str, request: web.Request) -> None:
        """It has begun; to be ended by `leave`."""
        holder = self._holder(request)
        if holder is not None:
            self._holder_of[connection] = holder
            self._connections[holder] += 1

    def leave(self, connection: str) -> None:
        """It is over; one that has never begun is no matter."""
        holder = self._holder_of.pop(connection, None)
        if holder is not None:
            self._gone(holder)

    def _gone(self, holder: str) -> None:
        self._connections[holder] -= 1
        if not self._connections[holder]:
            del self._connections[holder]

    def __len__(self) -> int:
        """How many connections are counted."""
        return len(self._holder_of)

    def _holder(self, request: web.Request) -> str | None:
        """Whom to hold to account; None for nobody."""
        if not self._most or request.remote is None:
            return None
        address = _read(request.remote)
        if address is None:
            return None
        if self._is_proxy(address):
            address = self._forwarded(request)
        elif address.is_loopback:
            return None
        if isinstance(address, IPv6Address):
            return str(IPv6Network((int(address), _IPV6_ONE_HOLDER), strict=False))
        return None if address is None else str(address)

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _forwarded(self, request: web.Request) -> Address | None:
        """The last that is no proxy of ours: what stands before it in the header, anybody could have written."""
        for said in reversed(",".join(request.headers.getall("X-Forwarded-For", ())).split(",")):
            address = _read(said)
            if address is None or not self._is_proxy(address):
                return address
        return None


def _read(text: str) -> Address | None:
    """None for what is no address."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
