"""SRTP both ways (RFC 3711, RFC 7714). AES-GCM towards subscribers goes through `cryptography`, at half of libsrtp's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import pylibsrtp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi

from stream.errors import SrtpError

# libsrtp's own default is 128; a repeat may come as late as our cache is long.
_WINDOW = 2560
# libsrtp keeps state for each SSRC it has seen, for ever, and searches it for each packet: a peer has a handful.
_MAX_SSRCS = 32
# pylibsrtp's own buffer is 1500 and it wants 144 to spare: a packet of 1,400 bytes (GStreamer's MTU) could not be sent on.
_BUFFER = 2048
_LABEL_KEY = 0
_LABEL_SALT = 2
_SALT_BYTES = 12


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What DTLS negotiated: each side's master key and salt joined. `gcm` tells the family of `profile` (libsrtp's number)."""

    profile: int
    key_bytes: int
    gcm: bool
    local: bytes = field(repr=False)
    remote: bytes = field(repr=False)


class Sealable(NamedTuple):
    """An RTP packet to be encrypted. `number` is its SSRC in the upper bits and its unwrapped sequence number (rollover counter
    and number in one) in the lower 48: what the nonce of RFC 7714 section 8.1 is made of."""

    header: bytes
    payload: bytes
    number: int


class Batch(NamedTuple):
    """Packets to be encrypted one after the other, for one receiver after the other: by columns, since that is soonest done."""

    headers: list[bytes]
    payloads: list[bytes]
    numbers: list[int]

    @classmethod
    def of(cls, packets: Sequence[Sealable]) -> Batch:
        return cls([p.header for p in packets], [p.payload for p in packets], [p.number for p in packets])

    def pieces(self, sealed: Iterable[bytes]) -> list[bytes]:
        """The headers, each with the rest of its packet after it."""
        return [piece for packet in zip(self.headers, sealed, strict=True) for piece in packet]


def number(ssrc: int, index: int) -> int:
    """See `Sealable`."""
    return ssrc << 48 | index


class RtpSealer(Protocol):
    """Encrypts RTP for one receiver: two pieces for each packet, header and the rest. Raises SrtpError."""

    overhead: int
    """Bytes that each packet grows by."""

    def __call__(self, batch: Batch) -> list[bytes]: ...


class SrtpLink:
    """One peer's protection: `open_*` what it sends, `seal_*` what we send. All raise SrtpError."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._inbound = _session(keys.profile, keys.remote, Policy.SSRC_ANY_INBOUND)
        self._outbound = _session(keys.profile, keys.local, Policy.SSRC_ANY_OUTBOUND)
        self._ssrcs: set[bytes] = set()
        self.seal: RtpSealer = GcmSealer(keys.local, keys.key_bytes) if keys.gcm else LibsrtpSealer(self._outbound)

    def open_rtp(self, data: bytes) -> bytes:
        return self._open(self._inbound.unprotect, data, data[8:12])

    def open_rtcp(self, data: bytes) -> bytes:
        return self._open(self._inbound.unprotect_rtcp, data, data[4:8])

    def _open(self, unprotect: Callable[[bytes], bytes], data: bytes, ssrc: bytes) -> bytes:
        if ssrc not in self._ssrcs and len(self._ssrcs) >= _MAX_SSRCS:
            raise SrtpError("more sources than a peer has")
        try:
            plain = bytes(unprotect(data))
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error
        self._ssrcs.add(ssrc)
        return plain

    def seal_rtcp(self, data: bytes) -> bytes:
        try:
            return bytes(self._outbound.protect_rtcp(data))
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error


class LibsrtpSealer:
    """For profiles without GCM."""

    __slots__ = ("_session",)
    overhead = 10  # the tag of HMAC-SHA1-80

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, batch: Batch) -> list[bytes]:
        protect = self._session.protect
        try:
            sealed = [
                bytes(protect(header + payload))[len(header) :]
                for header, payload in zip(batch.headers, batch.payloads, strict=True)
            ]
        except (pylibsrtp.Error, ValueError) as error:
            raise SrtpError(str(error)) from error
        return batch.pieces(sealed)


class GcmSealer:
    """RFC 7714 section 8: the nonce is the salt against SSRC, rollover counter and number, so a repeat is the same packet."""

    __slots__ = ("_encrypt", "key", "salt")
    overhead = 16

    def __init__(self, master: bytes, key_bytes: int) -> None:
        key, salt = master[:key_bytes], master[key_bytes:]
        self.key = _derive(key, salt, _LABEL_KEY, key_bytes)
        self.salt = _derive(key, salt, _LABEL_SALT, _SALT_BYTES)
        self._encrypt: Callable[[bytes, bytes, bytes], bytes] | None = None

    def __call__(self, batch: Batch) -> list[bytes]:
        if self._encrypt is None:  # whoever has a seat in a roster is never sealed for here
            self._encrypt = AESGCM(self.key).encrypt
        salt = int.from_bytes(self.salt)
        nonces = [(salt ^ number).to_bytes(_SALT_BYTES) for number in batch.numbers]
        return batch.pieces(map(self._encrypt, nonces, batch.payloads, batch.headers))


def _derive(key: bytes, salt: bytes, label: int, size: int) -> bytes:
    """RFC 3711 section 4.3.1 with a key derivation rate of zero."""
    block = bytearray(salt.ljust(16, b"\0"))
    block[7] ^= label
    # Counter mode is what the RFC prescribes for the derivation; nothing is encrypted with it.
    return Cipher(algorithms.AES(key), modes.CTR(bytes(block))).encryptor().update(bytes(size))


def _session(profile: int, key: bytes, direction: int) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=profile)
    policy.allow_repeat_tx = True
    policy.window_size = _WINDOW
    session = Session(policy)
    session._cdata = ffi.new("char[]", _BUFFER)  # private: `tests/stream/test_srtp.py` sends a packet that needs it
    session._buffer = ffi.buffer(session._cdata)
    return session
