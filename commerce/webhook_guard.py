"""Keeps what partners name as their address from reaching into our own network (server-side request forgery).

The address is looked at where the socket is made: after the name was resolved, for each address that would be connected to. A
name that means something else a moment later (DNS rebinding) changes nothing, and a literal address passes the same place.
Redirects are not followed (`outbox_post.py`), and no proxy of the environment is used.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from commerce import delivery_errors
from core.errors import Refused

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# What IANA has given out as unicast so far; of it documentation (RFC 9637), which Python's tables don't know yet.
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_DOCUMENTATION: Final = ipaddress.ip_network("3fff::/20")
_RELAYS_6TO4: Final = ipaddress.ip_network("192.88.99.0/24")  # RFC 7526: given up
_LONGEST_URL: Final = 500


class PrivateAddress(OSError):  # noqa: N818 - what was found, and nothing is wrong with the network
    """The address is one of this machine, this network, or nobody's; it is not connected to."""


def is_public(address: str) -> bool:
    """Whether it is a unicast address of the public internet, also when an IPv4 address is wrapped into an IPv6 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is None and ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if ip not in _UNICAST or ip in _DOCUMENTATION:
            return False
    elif ip in _RELAYS_6TO4:
        return False
    return ip.is_global and not ip.is_multicast


def fit_url(url: str, *, allow_private: bool) -> str:
    """The address of a receiver as it is kept. Raises Refused(URL_UNFIT). `allow_private` is for the demo."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        host = parts.hostname or ""
        host.encode("idna")  # as the resolver will: no empty label, none over 63 characters
    except ValueError as error:
        raise Refused(delivery_errors.URL_UNFIT) from error
    schemes = ("https", "http") if allow_private else ("https",)
    plain = all("!" <= character <= "~" and character != "\\" for character in url)
    if not plain or len(url) > _LONGEST_URL or parts.scheme not in schemes or not host or "@" in parts.netloc or "#" in url:
        raise Refused(delivery_errors.URL_UNFIT)
    if not allow_private and _is_literal(host) and not is_public(host):
        raise Refused(delivery_errors.URL_UNFIT)
    return url


def guarded_session(
    *, allow_private: bool, connections: int, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """A session of its own for partners: public addresses alone, no cookies, no proxies, nothing unpacked.

    `connections` at most are open at once: who waits for one has its time run all the same.
    """
    connector = aiohttp.TCPConnector(
        limit=connections,
        resolver=resolver,
        socket_factory=None if allow_private else _public_socket,
        ttl_dns_cache=30,
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
    )


def _public_socket(addr_info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _name, address = addr_info
    if not is_public(str(address[0])):
        # Not which one: who may only name an address learns nothing of what names mean in our network.
        raise PrivateAddress(errno.EACCES, "not a public address")
    return socket.socket(family, kind, protocol)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
