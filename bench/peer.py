"""A light end of a WebRTC connection, for hundreds in one process: one UDP socket, real ICE checks, real DTLS, SRTP keys.

It is the DTLS client and offers the SRTP profiles in Chromium's order. In ICE it has the role that a browser would have: it
controls when it makes the offer (RFC 8445 section 6.1.1), and is controlled when a full agent has made it.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass, field

from aioice import stun
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    SRTPProtectionProfile,
)
from OpenSSL import SSL
from pylibsrtp import Policy, Session

PROFILES: tuple[SRTPProtectionProfile, ...] = (SRTP_AES128_CM_SHA1_80, SRTP_AEAD_AES_256_GCM, SRTP_AEAD_AES_128_GCM)
RECEIVE_BYTES = 4 * 1024 * 1024
CHECK_EVERY_S = 2.5  # as Chromium's consent checks
_CHECK_AGAIN_S = 0.25
_MTU = 1200
_DATAGRAM = 2048
_PRIORITY = 1_853_824_767
_EXPORTER = b"EXTRACTOR-dtls_srtp"


@dataclass(frozen=True, slots=True)
class Remote:
    """The server's side, out of its SDP."""

    ufrag: str
    password: str = field(repr=False)
    address: tuple[str, int]
    fingerprint: str

    @classmethod
    def read(cls, sdp: str) -> Remote:
        """Raises KeyError when something is missing."""
        found: dict[str, str] = {}
        for line in sdp.splitlines():
            name, _, value = line.removeprefix("a=").partition(":")
            parts = value.split()
            # On this machine: an IPv4 address over UDP.
            if name == "candidate" and (parts[2].lower() != "udp" or ":" in parts[4]):
                continue
            found.setdefault(name, value)
        host, port = found["candidate"].split()[4:6]
        digest = found["fingerprint"].partition(" ")[2]
        return cls(found["ice-ufrag"], found["ice-pwd"], (host, int(port)), digest.upper())


class Identity:
    """The certificate and the DTLS settings that all light ends of a process share."""

    def __init__(self) -> None:
        certificate = RTCCertificate.generateCertificate()
        # Private: the ciphers and checks that aiortc's own ends have.
        self.context = certificate._create_ssl_context(list(PROFILES))
        self.fingerprint = next(f.value for f in certificate.getFingerprints() if f.algorithm == "sha-256")


class LightPeer:
    """Connects, then leaves the socket to its owner. `inbound` and `outbound` protect what comes and goes."""

    def __init__(self, identity: Identity, *, controlling: bool = True) -> None:
        self._controlling = controlling
        self.ufrag, self.password = secrets.token_hex(4), secrets.token_hex(12)
        self.srtp = ""
        self.ended = False
        """The server has said goodbye."""
        self._identity = identity
        self._remote: Remote | None = None
        self._checked = self._arrived = False
        self._waiting: asyncio.Future[None] | None = None
        self._ssl: SSL.Connection | None = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)

    def transport_lines(self, setup: str = "active") -> list[str]:
        """What every m-line of our SDP says of the transport."""
        return [
            "c=IN IP4 0.0.0.0",
            "a=rtcp-mux",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {self._identity.fingerprint}",
            f"a=setup:{setup}",
        ]

    def aim(self, remote: Remote) -> list[str]:
        """Fixes our own address by the server's, and gives the lines of it for servers that want a candidate."""
        self._remote = remote
        self.socket.connect(remote.address)
        host, port = self.socket.getsockname()
        return [f"a=candidate:1 1 udp {_PRIORITY} {host} {port} typ host", "a=end-of-candidates"]

    async def connect(self, remote: Remote, within_s: float) -> None:
        """Until DTLS is done. Raises TimeoutError, or ConnectionError when the server is not who its SDP says."""
        self.aim(remote)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.socket, self._readable)
        try:
            async with asyncio.timeout(within_s):
                while not self._checked:
                    self.check()
                    await self._anything(_CHECK_AGAIN_S)
                await self._handshake(self._new_connection())
        finally:
            loop.remove_reader(self.socket)

    def check(self) -> None:
        """Sends a binding request: the first ones choose this address, later ones keep the server's consent fresh."""
        remote = self._remote
        assert remote is not None
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{remote.ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = _PRIORITY
        if self._controlling:
            request.attributes["ICE-CONTROLLING"] = 1
            request.attributes["USE-CANDIDATE"] = None
        else:
            request.attributes["ICE-CONTROLLED"] = 1
        request.add_message_integrity(remote.password.encode())
        request.add_fingerprint()
        self.send(bytes(request))

    def send(self, data: bytes) -> None:
        """One datagram; one that the kernel does not take is lost, as UDP may."""
        try:
            self.socket.send(data)
        except (BlockingIOError, ConnectionRefusedError):
            return

    def goodbye(self) -> None:
        """Closes as a page that leaves does: DTLS close_notify, then nothing."""
        if self._ssl is not None and not self.ended:
            try:
                self._ssl.shutdown()
            except SSL.Error:
                self.ended = True  # it never came that far
            self._flush()
        self.socket.close()

    def _readable(self) -> None:
        """One datagram at a time: once DTLS is done, the rest stays in the socket for its owner."""
        try:
            data = self.socket.recv(_DATAGRAM)
        except (BlockingIOError, ConnectionRefusedError):
            return
        self.take(data)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def take(self, data: bytes) -> None:
        """A datagram that is not media."""
        if data[0] <= 3:
            self._stun(stun.parse_message(data))
        elif 20 <= data[0] <= 63 and self._ssl is not None:
            self._ssl.bio_write(data)
            self._arrived = True
            if self.srtp:
                self._listen(self._ssl)

    def _stun(self, message: stun.Message) -> None:
        """A server that is no ICE-lite one checks us too, and chooses the address when it has made the offer."""
        if message.message_class == stun.Class.RESPONSE:
            self._checked = True
        elif message.message_class == stun.Class.REQUEST and self._remote is not None:
            answer = stun.Message(message.message_method, stun.Class.RESPONSE, transaction_id=message.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = self._remote.address
            answer.add_message_integrity(self.password.encode())
            answer.add_fingerprint()
            self.send(bytes(answer))

    def _listen(self, ssl: SSL.Connection) -> None:
        try:
            ssl.recv(_DATAGRAM)
        except SSL.WantReadError:
            return
        except SSL.Error:
            self.ended = True

    async def _anything(self, within_s: float) -> None:
        """Until a datagram has come, or the time is over."""
        self._waiting = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._waiting,), timeout=within_s)

    def _new_connection(self) -> SSL.Connection:
        self._ssl = SSL.Connection(self._identity.context)
        self._ssl.set_ciphertext_mtu(_MTU)
        self._ssl.set_connect_state()
        return self._ssl

    async def _handshake(self, ssl: SSL.Connection) -> None:
        while True:
            try:
                ssl.do_handshake()
                break
            except SSL.WantReadError:
                self._flush()
            except SSL.Error as error:
                raise ConnectionError(f"DTLS failed: {error}") from error
            if not self._arrived:
                await self._anything(_CHECK_AGAIN_S)
                ssl.DTLSv1_handle_timeout()
                self.check()
            self._arrived = False
        self._flush()
        certificate = ssl.get_peer_certificate()
        if self._remote is None or certificate is None or certificate.digest("sha256").decode() != self._remote.fingerprint:
            raise ConnectionError("the server's certificate is not the one its SDP names")
        self._take_keys(ssl)

    def _take_keys(self, ssl: SSL.Connection) -> None:
        chosen = ssl.get_selected_srtp_profile()
        profile = next((p for p in PROFILES if p.openssl_profile == chosen), None)
        if profile is None:
            raise ConnectionError("no SRTP profile was chosen")
        both = ssl.export_keying_material(_EXPORTER, 2 * (profile.key_length + profile.salt_length))
        ours, theirs = profile.get_key_and_salt(both, 0), profile.get_key_and_salt(both, 1)
        number = profile.libsrtp_profile
        self.outbound = Session(Policy(key=ours, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=number))
        self.inbound = Session(Policy(key=theirs, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=number))
        self.srtp = profile.openssl_profile.decode()

    def _flush(self) -> None:
        while True:
            try:
                data = self._ssl.bio_read(_DATAGRAM) if self._ssl is not None else b""
            except SSL.WantReadError:
                return
            if not data:
                return
            # A flight of several records is one read of the BIO, and each fits a datagram.
            self.send(data)
