"""The STUN (RFC 8489) that an ICE-lite agent needs: Binding requests are read, answered and refused. Pure.

What follows MESSAGE-INTEGRITY is not authenticated: only FINGERPRINT is looked at there (section 14.5). An attribute that we
don't know is passed over, a comprehension-required one too (section 6.3 has a server refuse it with a 420): ICE
defines none that changes our answer, and a peer with an extension of its own is better connected than refused.
"""

from __future__ import annotations

import hmac
import socket
import struct
import zlib
from typing import NamedTuple

_COOKIE = 0x2112A442
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
# A message type is method and class interleaved (section 5); these are the bits of the method.
_METHOD = 0x3EEF
_BINDING = 0x0001

# IANA "STUN Attributes".
_USERNAME, _INTEGRITY, _ERROR_CODE = 0x0006, 0x0008, 0x0009
_XOR_MAPPED_ADDRESS, _USE_CANDIDATE, _FINGERPRINT = 0x0020, 0x0025, 0x8028
_ICE_CONTROLLED, _ICE_CONTROLLING = 0x8029, 0x802A

_HEADER = struct.Struct("!HHI")  # type, length of the attributes, cookie; 12 bytes of transaction id follow
_HEADER_SIZE = 20
_TRANSACTION_SIZE = 12
_ATTRIBUTE = struct.Struct("!HH")  # type, length without padding
_MAPPED_IPV4 = struct.Struct("!HHHHI")
_MAPPED_IPV6 = struct.Struct("!HHHH16s")
_SHORT = struct.Struct("!H")
_CHECKSUM = struct.Struct("!HHI")
_CHECKSUM_SIZE = _CHECKSUM.size
_CHECKSUM_XOR = 0x5354554E
_DIGEST_SIZE = 20
_INTEGRITY_HEADER = _ATTRIBUTE.pack(_INTEGRITY, _DIGEST_SIZE)
_INTEGRITY_SIZE = len(_INTEGRITY_HEADER) + _DIGEST_SIZE
_TIE_BREAKER_SIZE = 8
_FAMILY_IPV4, _FAMILY_IPV6 = 1, 2
_IPV4_SIZE = 4
_IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"  # RFC 4291 section 2.5.5.2

_REASON = b"Role Conflict"
_ROLE_CONFLICT = struct.pack(f"!HHHBB{len(_REASON)}s3x", _ERROR_CODE, 4 + len(_REASON), 0, 4, 87, _REASON)


class BindingRequest(NamedTuple):
    """A connectivity or consent check; nothing in it may be believed before `signed_with` says so."""

    data: bytes
    transaction_id: bytes
    username: str
    """Empty when there is none."""
    integrity_at: int
    """Where MESSAGE-INTEGRITY begins; 0 when there is none."""
    use_candidate: bool
    controlled: bool
    controlling: bool

    def signed_with(self, key: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is the HMAC-SHA1 of all before it, the length counted up to its own end (section 14.5)."""
        data, at = self.data, self.integrity_at
        if not at:
            return False
        signed = data[:2] + _SHORT.pack(at - _HEADER_SIZE + _INTEGRITY_SIZE) + data[4:at]
        return hmac.compare_digest(hmac.digest(key, signed, "sha1"), data[at + 4 : at + _INTEGRITY_SIZE])


def parse(data: bytes) -> BindingRequest | None:
    """The Binding request in a datagram, None for a Binding indication or response; ValueError for what is neither.

    A FINGERPRINT, if there is one, must be right and last (section 14.7).
    """
    size = len(data)
    if size < _HEADER_SIZE:
        raise ValueError("shorter than a STUN header")
    kind, length, cookie = _HEADER.unpack_from(data)
    if cookie != _COOKIE or length != size - _HEADER_SIZE or length & 3:
        raise ValueError("not a STUN message")
    if kind != _REQUEST:
        if kind & _METHOD != _BINDING or kind > _ERROR:
            raise ValueError("not the Binding method")
        return None
    return _request(data, size)


def _request(data: bytes, size: int) -> BindingRequest:
    username: str | None = None
    integrity_at = 0
    use_candidate = controlled = controlling = False
    at = _HEADER_SIZE
    while at < size:  # both are multiples of four: there is always room for an attribute's header
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        value = at + 4
        end = value + length
        if end > size:
            raise ValueError("an attribute longer than its message")
        if kind == _FINGERPRINT:
            _check_fingerprint(data, at, size)
        elif integrity_at:
            pass
        elif kind == _USERNAME:
            if username is None:  # of repeated ones the first counts (section 14)
                username = data[value:end].decode()
        elif kind == _INTEGRITY:
            if length != _DIGEST_SIZE:
                raise ValueError("MESSAGE-INTEGRITY is not 20 bytes")
            integrity_at = at
        elif kind == _USE_CANDIDATE:
            use_candidate = True
        elif kind in (_ICE_CONTROLLED, _ICE_CONTROLLING):
            if length != _TIE_BREAKER_SIZE:
                raise ValueError("a tie-breaker is not 8 bytes")
            controlled = controlled or kind == _ICE_CONTROLLED
            controlling = controlling or kind == _ICE_CONTROLLING
        at = (end + 3) & ~3
    return BindingRequest(data, data[8:_HEADER_SIZE], username or "", integrity_at, use_candidate, controlled, controlling)


def _check_fingerprint(data: bytes, at: int, size: int) -> None:
    if at + _CHECKSUM_SIZE != size:
        raise ValueError("FINGERPRINT is not 4 bytes at the end")
    if data[at:] != _checksum(data[:at]):
        raise ValueError("FINGERPRINT does not match")


def _checksum(data: bytes) -> bytes:
    return _CHECKSUM.pack(_FINGERPRINT, 4, zlib.crc32(data) ^ _CHECKSUM_XOR)


def packed(host: str) -> bytes:
    """The 4 bytes of an IPv4 address, the 16 of an IPv6 one; IPv4 in IPv6 (dual-stack sockets) is IPv4. Raises ValueError."""
    try:
        if ":" not in host:
            return socket.inet_pton(socket.AF_INET, host)
        data = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError as error:
        raise ValueError(f"not an IP address: {host!r}") from error
    return data[12:] if data.startswith(_IPV4_IN_IPV6) else data


def success(transaction_id: bytes, key: bytes, host: str, port: int) -> bytes:
    """The answer that tells the peer where its request came from (section 14.2). ValueError when `host` is no IP address."""
    address = packed(host)
    port ^= _COOKIE >> 16
    if len(address) == _IPV4_SIZE:
        number = int.from_bytes(address) ^ _COOKIE
        mapped = _MAPPED_IPV4.pack(_XOR_MAPPED_ADDRESS, 8, _FAMILY_IPV4, port, number)
    else:
        pad = int.from_bytes(_COOKIE.to_bytes(4) + transaction_id)
        hidden = (int.from_bytes(address) ^ pad).to_bytes(16)
        mapped = _MAPPED_IPV6.pack(_XOR_MAPPED_ADDRESS, 20, _FAMILY_IPV6, port, hidden)
    return _sealed(_SUCCESS, transaction_id + mapped, key)


def role_conflict(transaction_id: bytes, key: bytes) -> bytes:
    """The 487 that has the peer take the other role (RFC 8445 section 7.3.1.1)."""
    return _sealed(_ERROR, transaction_id + _ROLE_CONFLICT, key)


def _sealed(kind: int, rest: bytes, key: bytes) -> bytes:
    """The message with MESSAGE-INTEGRITY and FINGERPRINT added, each made with the length up to its own end."""
    length = len(rest) - _TRANSACTION_SIZE + _INTEGRITY_SIZE
    digest = hmac.digest(key, _HEADER.pack(kind, length, _COOKIE) + rest, "sha1")
    whole = _HEADER.pack(kind, length + _CHECKSUM_SIZE, _COOKIE) + rest + _INTEGRITY_HEADER + digest
    return whole + _checksum(whole)
