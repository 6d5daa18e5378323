"""ICE-lite (RFC 8445) for all peers on one UDP port: we answer checks, the peer decides.

A datagram is known by its first byte (RFC 7983): STUN 0-3, DTLS 20-63, SRTP 128-191. STUN finds its session by the user
fragment, everything else by an address from which an authenticated check has come before. An address may change at any time.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from aioice.ice import get_host_addresses

from core.clock import Clock
from stream import stun
from stream.arrival import waited
from stream.roster import Address
from stream.sender import Seat, Sender
from stream.srtp import RtpSealer

_log = structlog.get_logger(__name__)

# A peer tries each of its addresses against each of ours; more than this is no peer but a flood.
_MAX_ADDRESSES = 16
_QUEUE = 64
# No peer sends more than an Ethernet frame holds; what is kept during the handshake is bounded by this.
_MAX_DATAGRAM = 1600
# An address is its holder's as long as that was heard from within this time (Chromium checks every 2.5 s at the slowest).
_HELD_S = 5.0
_EARLY = 128
_EARLY_S = 2.0
_SOCKET_BUFFER = 4 * 1024 * 1024
_STUN_LAST, _DTLS_FIRST, _DTLS_LAST, _SRTP_FIRST, _SRTP_LAST = 3, 20, 63, 128, 191

_ANY = "::"
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


@dataclass(frozen=True, slots=True)
class Credentials:
    """One side's user fragment and password."""

    ufrag: str
    password: str = field(repr=False)

    @classmethod
    def fresh(cls) -> Credentials:
        return cls(secrets.token_hex(8), secrets.token_hex(16))


class IceSession:
    """One peer on the port. Stands where aiortc expects an RTCIceTransport: `_recv`, `_send`, `role`, `state`."""

    role = "controlled"

    def __init__(self, port: MediaPort, remote_ufrag: str) -> None:
        self.port = port
        self.local = Credentials.fresh()
        self._remotes = {self.local.ufrag: (self.local, remote_ufrag)}
        self.remote_ufrag = remote_ufrag
        self.address: Address | None = None
        self.seat: Seat | None = None
        """Where it is sent to with others."""
        self.addresses: OrderedDict[Address, None] = OrderedDict()
        self.connected = asyncio.Event()
        self.last_heard = port.clock.monotonic()
        self._nominated = False
        self._closed = False
        self._queue: deque[bytes] = deque(maxlen=_QUEUE)
        self._arrived = asyncio.Event()
        self._early: deque[tuple[float, bytes]] = deque(maxlen=_EARLY)
        self._on_media: Callable[[bytes], None] | None = None

    @property
    def state(self) -> str:
        if self._closed:
            return "closed"
        return "completed" if self.address else "checking"

    async def _recv(self) -> bytes:
        """The next DTLS record. Raises ConnectionError once closed."""
        while not self._queue:
            if self._closed:
                raise ConnectionError("closed")
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    async def _send(self, data: bytes) -> None:
        if self._closed:
            raise ConnectionError("closed")
        self.send(data)

    def send(self, data: bytes) -> bool:
        """One datagram to the peer; False when it could not go out (UDP may lose it anyway)."""
        return self.address is not None and self.port.send(data, self.address)

    def take_seat(self, sealer: RtpSealer, failed: Callable[[], None]) -> None:
        """From now on it is sent to with others, where that is possible. Raises SrtpError."""
        if self.address is not None and self.port.sender is not None:
            self.seat = self.port.sender.seat(sealer, self.address, failed)

    def leave_seat(self) -> None:
        """Nothing more is sent to it with others."""
        if self.seat is not None:
            self.seat.leave()
            self.seat = None

    def take_media(self, handler: Callable[[bytes], None]) -> None:
        """From now on SRTP goes to `handler` at once; what came during the handshake and is still fresh goes first."""
        self._on_media = handler
        now = self.port.clock.monotonic()
        while self._early:
            at, data = self._early.popleft()
            if now - at < _EARLY_S:
                handler(data)

    def arrived_at(self) -> float:
        """When the datagram being handled came, by our monotonic clock."""
        return self.port.arrived_at()

    def heard(self) -> None:
        """Something authentic came: the peer is alive (RFC 7675)."""
        self.last_heard = self.port.clock.monotonic()

    def restart(self, remote_ufrag: str) -> Credentials:
        """RFC 8445 section 9: new credentials beside the old, which stay good until the first check with the new ones."""
        for ufrag in [u for u in self._remotes if u != self.local.ufrag]:
            self.port.forget_ufrag(ufrag)
            del self._remotes[ufrag]
        fresh = Credentials.fresh()
        self._remotes[fresh.ufrag] = (fresh, remote_ufrag)
        self.port.know_ufrag(fresh.ufrag, self)
        self.remote_ufrag = remote_ufrag
        return fresh

    def check(self, request: stun.BindingRequest, address: Address) -> bytes | None:
        """The answer to a binding request, None when it is not authentic."""
        ours, _, theirs = request.username.partition(":")
        known = self._remotes.get(ours)
        if known is None or known[1] != theirs or self._closed:
            return None
        credentials = known[0]
        key = credentials.password.encode()
        if not request.signed_with(key) or not self.port.free_for(address, self):
            return None
        if request.controlled:  # we are lite and never control: the peer must
            return stun.role_conflict(request.transaction_id, key)
        self._accept(credentials, address, nominated=request.use_candidate)
        return stun.success(request.transaction_id, key, address[0], address[1])

    def _accept(self, credentials: Credentials, address: Address, *, nominated: bool) -> None:
        self.heard()
        if credentials is not self.local:  # the first check of a restarted session retires the old one
            self.port.forget_ufrag(self.local.ufrag)
            self._remotes.pop(self.local.ufrag, None)
            self.local = credentials
            self._nominated = False
        self.addresses[address] = None
        self.addresses.move_to_end(address)
        self.port.know_address(address, self)
        while len(self.addresses) > _MAX_ADDRESSES:
            self.port.forget_address(self.addresses.popitem(last=False)[0], self)
        if (nominated or not self._nominated) and address != self.address:
            self.address = address
            if self.seat is not None:
                self.seat.move(address)
        self._nominated = self._nominated or nominated
        self.connected.set()

    def take(self, data: bytes) -> None:
        """A datagram that is not STUN, from one of the peer's addresses."""
        first = data[0]
        if _SRTP_FIRST <= first <= _SRTP_LAST:
            if self._on_media is not None:
                self._on_media(data)
            else:
                self._early.append((self.port.clock.monotonic(), data))
        elif _DTLS_FIRST <= first <= _DTLS_LAST:
            self._queue.append(data)
            self._arrived.set()

    def close(self) -> None:
        """Forgets the peer; whoever waits in `_recv` gets ConnectionError."""
        if self._closed:
            return
        self._closed = True
        self._on_media = None
        self._early.clear()
        for ufrag in self._remotes:
            self.port.forget_ufrag(ufrag)
        for address in self.addresses:
            self.port.forget_address(address, self)
        self._arrived.set()


class MediaPort(asyncio.DatagramProtocol):
    """The media process's one UDP port."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.unknown = 0
        self.number = 0
        self.sender: Sender | None = None
        """None before `open`."""
        self._by_ufrag: dict[str, IceSession] = {}
        self._by_address: dict[Address, IceSession] = {}
        self._socket: socket.socket | None = None
        self._transport: asyncio.BaseTransport | None = None
        self._host = ""

    async def open(self, host: str, port: int) -> None:
        """Binds; `::` takes IPv4 too, and that alone where there is no IPv6. Raises OSError when the port is taken."""
        try:
            udp = _bound(host, port)
        except OSError as error:
            if host != _ANY or error.errno not in _NO_IPV6:
                raise
            _log.info("media_without_ipv6", error=str(error))
            host = "0.0.0.0"  # noqa: S104 - media is for the public; what is answered is authenticated by ICE
            udp = _bound(host, port)
        self._host = host
        self.number = int(udp.getsockname()[1])
        self._socket = udp
        self.sender = Sender(udp, self.clock)
        waited(udp)  # from now on the kernel notes when datagrams come
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=udp)

    def close(self) -> None:
        self._socket = None
        if self.sender is not None:
            self.sender.close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    @property
    def unsent(self) -> int:
        """Datagrams that the kernel did not take."""
        return self.sender.unsent if self.sender is not None else 0

    def session(self, remote_ufrag: str) -> IceSession:
        """A new session, ready to be checked."""
        session = IceSession(self, remote_ufrag)
        self.know_ufrag(session.local.ufrag, session)
        return session

    def know_ufrag(self, ufrag: str, session: IceSession) -> None:
        self._by_ufrag[ufrag] = session

    def forget_ufrag(self, ufrag: str) -> None:
        self._by_ufrag.pop(ufrag, None)

    def free_for(self, address: Address, session: IceSession) -> bool:
        """Whether the session may receive from the address: who forges another peer's must not draw its packets away."""
        holder = self._by_address.get(address)
        return holder is None or holder is session or self.clock.monotonic() - holder.last_heard > _HELD_S

    def know_address(self, address: Address, session: IceSession) -> None:
        self._by_address[address] = session

    def forget_address(self, address: Address, session: IceSession) -> None:
        if self._by_address.get(address) is session:
            del self._by_address[address]

    def send(self, data: bytes, address: Address) -> bool:
        """Straight to the socket (see `Sender`)."""
        return self.sender is not None and self.sender.send(data, address)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data or len(data) > _MAX_DATAGRAM:
            self.unknown += 1
            return
        if data[0] <= _STUN_LAST:
            self._stun(data, addr)
            return
        session = self._by_address.get(addr)
        if session is None:
            self.unknown += 1
            return
        session.take(data)

    def arrived_at(self) -> float:
        """See `stream/arrival.py`; to be asked while the datagram is being handled."""
        now = self.clock.monotonic()
        return now - waited(self._socket) if self._socket is not None else now

    def error_received(self, exc: Exception) -> None:
        _log.info("media_port_error", error=str(exc))

    def _stun(self, data: bytes, address: Address) -> None:
        try:
            request = stun.parse(data)
        except ValueError:
            self.unknown += 1
            return
        if request is None:
            return
        session = self._by_ufrag.get(request.username.partition(":")[0])
        answer = session.check(request, address) if session is not None else None
        if answer is None:
            self.unknown += 1
            return
        self.send(answer, address)

    def addresses(self, public: tuple[str, ...]) -> list[str]:
        """The addresses to advertise, the widest reaching first and IPv4 first: some clients (FFmpeg) try only the first."""
        if public:
            return list(public)
        if not ipaddress.ip_address(self._host).is_unspecified:
            return [self._host]
        own = get_host_addresses(use_ipv4=True, use_ipv6=":" in self._host)
        return [*sorted(own, key=lambda address: ":" in address), "127.0.0.1"]


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        udp.setblocking(False)
        udp.bind((host, port))
    except OSError:
        udp.close()
        raise
    return udp
