"""Everyone on a media port who can be sent to by the compiled loop: a row each of cipher, salt and address, in columns.

Rows are used again when they are free: whoever keeps row numbers keeps the `generation` they are of with them.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from typing import Any, NamedTuple

import numpy as np

from stream import compiled
from stream.compiled import Bytes, Numbers, Words
from stream.errors import SrtpError

Address = tuple[Any, ...]  # (host, port) on IPv4; IPv6 adds flow and scope

_FIRST_ROWS = 64
_ADDRESS_BYTES, _IPV4_BYTES = 28, 16  # struct sockaddr_in6 and sockaddr_in
_CIPHERS = {16: "EVP_aes_128_gcm", 32: "EVP_aes_256_gcm"}
# struct cmsghdr with UDP_SEGMENT's 16 bits; the padding after them is not part of its length.
_SEGMENT = struct.Struct("=QiiH6x")
_SEGMENT_LENGTH = 18
UDP_SEGMENT = 103
"""linux/udp.h; Python's socket module has no name for it."""


class Packed(NamedTuple):
    """One run as the compiled loop wants it (see `compiled.send_all`)."""

    packets: Numbers
    payloads: Bytes
    headers: Bytes
    nonces: Bytes
    control: Bytes


class Target(NamedTuple):
    """How one receiver's packets of one lane differ from the lane's own."""

    ssrc: int
    payload_type: int
    shift: int
    time_shift: int


NO_BYTES: Bytes = np.frombuffer(b"", np.uint8)
_NO_RUN = Packed(np.zeros((1, len(compiled.PACKET)), np.int64), NO_BYTES, NO_BYTES, NO_BYTES, NO_BYTES)


class Counts(NamedTuple):
    """Packets and payload bytes, as sender reports want them."""

    video_packets: int
    video_octets: int
    audio_packets: int
    audio_octets: int


NOTHING = Counts(0, 0, 0, 0)
_NO_TARGET = Target(0, 0, 0, 0)


class Failure(NamedTuple):
    """What did not go out: whose, why (errno, or `compiled.NOT_SEALED`), and how many messages."""

    row: int
    number: int
    messages: int


def control(segment: int) -> Bytes:
    """Has the kernel cut what it gets into datagrams of so many bytes; 0: it gets them one by one."""
    made = _SEGMENT.pack(_SEGMENT_LENGTH, socket.IPPROTO_UDP, UDP_SEGMENT, segment) if segment else b""
    return np.frombuffer(made, np.uint8)


def warm_up() -> None:
    """Has the loop compiled and kept, which takes some seconds the first time."""
    library = compiled.load()
    if library is not None:
        Roster(library, socket.AF_INET)


class Roster:
    """The rows of one socket."""

    def __init__(self, library: ctypes.CDLL, family: int) -> None:
        self.generation = 0
        """Goes up whenever a row becomes free."""
        self._family = family
        self._ciphers = _Ciphers(library)
        self._unused: list[int] = []
        self._work = compiled.scratch()
        self._contexts: Words = np.zeros(0, np.uint64)
        self._salts: Bytes = np.zeros((0, compiled.NONCE), np.uint8)
        self._addresses: Bytes = np.zeros((0, _ADDRESS_BYTES), np.uint8)
        self._alone: Bytes = np.zeros(0, np.uint8)
        self._targets: Numbers = np.zeros((0, 2, len(compiled.TARGET)), np.int64)
        self._failures: Numbers = np.zeros((0, 3), np.int64)
        self._counts: Numbers = np.zeros((0, len(Counts._fields)), np.int64)
        self._grow()
        # Has the loop compiled, or read from where it was kept. Later other types are an error, and not seconds of compiling.
        self.send(-1, np.zeros(0, np.int64), _NO_RUN)
        self.count(np.zeros(0, np.int64), NOTHING)
        compiled.settled()

    def take(self, key: bytes, salt: bytes, address: Address) -> int:
        """A row for one more receiver. Raises SrtpError when the cipher does not take the key."""
        if not self._unused:
            self._grow()
        row = self._unused[-1]
        self.move(row, address)
        self._salts[row] = np.frombuffer(salt, np.uint8)
        self._counts[row] = self._targets[row] = 0
        self._contexts[row] = self._ciphers.make(key)
        return self._unused.pop()

    def free(self, row: int) -> None:
        """The row is nobody's; a second time does nothing."""
        context, self._contexts[row] = int(self._contexts[row]), 0
        if context:
            self.generation += 1
            self._ciphers.free(context)
            self._unused.append(row)

    def move(self, row: int, address: Address) -> None:
        """The row is at another address, and gets what it is sent in one piece, unless it is singled out again."""
        self._addresses[row] = np.frombuffer(_sockaddr(self._family, address), np.uint8)
        self._alone[row] = 0

    def single_out(self, row: int) -> None:
        """The row gets its packets one by one from now on."""
        self._alone[row] = 1

    def alone(self, row: int) -> bool:
        """Whether it was singled out."""
        return bool(self._alone[row])

    def aim(self, row: int, video: Target | None, audio: Target | None) -> None:
        """What the row's packets look like from now on; a run must hold no kind that it has no target for."""
        self._targets[row] = video or _NO_TARGET, audio or _NO_TARGET

    def send(self, fd: int, rows: Numbers, run: Packed) -> list[Failure]:
        """Seals and sends the run for every row."""
        self._check(rows, run)
        table = (self._contexts, self._salts, self._addresses, self._alone, self._targets)
        size = _ADDRESS_BYTES if self._family == socket.AF_INET6 else _IPV4_BYTES
        failed = compiled.send_all(fd, rows, table, size, run, self._work, self._failures)
        return [Failure(*told) for told in self._failures[:failed].tolist()]

    def _check(self, rows: Numbers, run: Packed) -> None:
        """Raises ValueError for what would have the loop write or read elsewhere."""
        packets = len(run.packets)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self._contexts):
            raise ValueError("no such row")
        if not 0 < packets <= compiled.MESSAGES or int(run.packets[:, 4].sum()) != len(run.payloads):
            raise ValueError("a run's packets are not its payloads")
        if len(run.payloads) + packets * (compiled.HEADER + compiled.TAG) > compiled.BUFFER:
            raise ValueError("a run is longer than the buffer")
        if len(run.headers) not in (0, compiled.HEADER * packets) or len(run.nonces) != len(run.headers):
            raise ValueError("a run's headers are not those of its packets")
        if len(run.control) not in (0, _SEGMENT.size):
            raise ValueError("no control message that is known")

    def count(self, rows: Numbers, counts: Counts) -> None:
        """Adds to what each of the rows has been sent."""
        compiled.count(rows, self._counts, np.array(counts, np.int64))

    def counts(self, row: int) -> Counts:
        """What the row has been sent together with others."""
        return Counts(*self._counts[row].tolist())

    def close(self) -> None:
        """Forgets every key."""
        for row in np.flatnonzero(self._contexts).tolist():
            self.free(row)

    def _grow(self) -> None:
        had = len(self._contexts)
        more = max(_FIRST_ROWS, had)
        for name in ("_contexts", "_salts", "_addresses", "_alone", "_targets", "_counts", "_failures"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros((more, *column.shape[1:]), column.dtype)]))
        self._unused += range(had + more - 1, had - 1, -1)


class _Ciphers:
    """AES-GCM contexts of libcrypto with their keys set."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        pointer = ctypes.c_void_p
        for name, result, arguments in (
            ("EVP_CIPHER_CTX_new", pointer, []),
            ("EVP_CIPHER_CTX_free", None, [pointer]),
            ("EVP_EncryptInit_ex", ctypes.c_int, [pointer, pointer, pointer, ctypes.c_char_p, pointer]),
            *((name, pointer, []) for name in _CIPHERS.values()),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments

    def make(self, key: bytes) -> int:
        cipher = getattr(self._library, _CIPHERS[len(key)])()
        context: int | None = self._library.EVP_CIPHER_CTX_new()
        if not context:
            raise SrtpError("no memory for a cipher")
        if self._library.EVP_EncryptInit_ex(context, cipher, None, key, None) != 1:
            self.free(context)
            raise SrtpError("the cipher does not take its key")
        return context

    def free(self, context: int) -> None:
        self._library.EVP_CIPHER_CTX_free(context)


def _sockaddr(family: int, address: Address) -> bytes:
    """struct sockaddr_in or sockaddr_in6."""
    host, port = str(address[0]).partition("%")[0], struct.pack("!H", address[1])
    if family != socket.AF_INET6:
        packed_host = ipaddress.IPv4Address(host).packed
        return (struct.pack("=H", family) + port + packed_host).ljust(_ADDRESS_BYTES, b"\0")
    flow, scope = address[2:4] or (0, 0)
    return struct.pack("=H", family) + port + struct.pack("!I", flow) + _v6(host) + struct.pack("=I", scope)


def _v6(host: str) -> bytes:
    ip = ipaddress.ip_address(host)
    return ip.packed if isinstance(ip, ipaddress.IPv6Address) else b"\0" * 10 + b"\xff\xff" + ip.packed
