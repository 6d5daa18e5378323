"""Every touch of what aiortc keeps private, in one place. Written against aiortc 1.16; its contract test fails when that moves.

Used of `RTCDtlsTransport`: it asks its ICE transport only for `_recv`, `_send` and `role`; `_set_role`, `_srtp_profiles`,
`_setup_srtp`, `_do_handshake`, `_ssl`, `_role`, `_state`. RTP never goes through it: only DTLS records are put into `_recv`.
Used of `RTCCertificate`: the transport asks it only for `_create_ssl_context` and its fingerprints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, cast

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from aiortc.rtcicetransport import RTCIceTransport
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from stream.errors import ConnectFailed
from stream.ice import IceSession
from stream.srtp import SrtpKeys

# 128-bit GCM first: the cheapest per packet, and what Chromium takes when it is let choose.
_PREFERRED = [p for p in (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80) if p in SRTP_PROFILES]
_GCM = (SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM)
_EXPORTER = b"EXTRACTOR-dtls_srtp"


class Certificate(RTCCertificate):
    """A certificate with one OpenSSL context for all its connections.

    aiortc makes a context for each, which takes 0.5 ms and leaves garbage behind every peer: within pyOpenSSL's contexts the
    verification callback refers to itself.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, cert: x509.Certificate) -> None:
        super().__init__(key, cert)
        self._context = super()._create_ssl_context(_PREFERRED)
        # Nobody resumes a session here, and what is shared must not keep one for each peer.
        self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        assert srtp_profiles is _PREFERRED  # noqa: S101 - who asks is `MediaDtls`
        return self._context


def new_certificate() -> Certificate:
    """A self-signed certificate, good for 30 days: one per process."""
    return Certificate.generateCertificate()


def fingerprint(certificate: Certificate) -> str:
    """The certificate's SHA-256 fingerprint as SDP has it."""
    return next(f.value for f in certificate.getFingerprints() if f.algorithm == "sha-256")


class MediaDtls(RTCDtlsTransport):
    """A DTLS handshake that hands out SRTP keys and then only listens for the peer's goodbye."""

    def __init__(self, ice: IceSession, certificate: Certificate, role: Literal["client", "server"]) -> None:
        super().__init__(cast("RTCIceTransport", ice), [certificate])
        self._set_role(role)
        self._srtp_profiles = _PREFERRED
        self._keys: SrtpKeys | None = None
        self._why = "the peer gave up or is not who the offer said"

    async def handshake(self, fingerprints: tuple[tuple[str, str], ...]) -> SrtpKeys:
        """Until connected. Raises ConnectFailed when the peer is not who the offer said, or speaks no SRTP we know."""
        remote = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(algorithm=a, value=v) for a, v in fingerprints])
        await self.start(remote)
        if self._state != State.CONNECTED or self._keys is None:
            raise ConnectFailed(f"the DTLS handshake failed: {self._why}")
        return self._keys

    def on_closed(self, callback: Callable[[], None]) -> None:
        """Calls back when the peer has said goodbye or the transport is gone."""

        def changed() -> None:
            if self._state in (State.CLOSED, State.FAILED):
                callback()

        self.on("statechange", changed)
        changed()

    async def goodbye(self, timeout_s: float = 1.0) -> None:
        """Tells the peer and stops."""
        self.remove_all_listeners("statechange")
        async with asyncio.timeout(timeout_s):
            await self.stop()

    async def _do_handshake(self) -> None:
        """aiortc passes over what `recv` raises and finds later that the handshake is over: the reason is taken down here."""
        connection = self._ssl
        assert connection is not None  # noqa: S101 - for the type checker
        recv = connection.recv

        def listening(size: int) -> bytes:
            try:
                return recv(size)
            except SSL.WantReadError:
                raise
            except SSL.Error as error:
                self._why = _reason(error)
                raise

        connection.recv = listening  # type: ignore[method-assign,assignment]  # for the length of the handshake
        try:
            await super()._do_handshake()
        finally:
            del connection.recv

    def _setup_srtp(self) -> None:
        super()._setup_srtp()
        if self._state == State.FAILED or self._ssl is None:
            return
        profile = self._selected_profile()
        both = self._ssl.export_keying_material(_EXPORTER, 2 * (profile.key_length + profile.salt_length))
        ours = 1 if self._role == "server" else 0
        self._keys = SrtpKeys(
            profile=profile.libsrtp_profile,
            key_bytes=profile.key_length,
            gcm=profile in _GCM,
            local=profile.get_key_and_salt(both, ours),
            remote=profile.get_key_and_salt(both, 1 - ours),
        )

    def _selected_profile(self) -> SRTPProtectionProfile:
        assert self._ssl is not None  # noqa: S101 - for the type checker
        chosen = self._ssl.get_selected_srtp_profile()
        return next(p for p in self._srtp_profiles if p.openssl_profile == chosen)


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words, such as "wrong curve": FFmpeg on GnuTLS makes P-224 keys, which OpenSSL 4 takes from nobody."""
    told = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(entry[-1]) for entry in told) or "OpenSSL gives no reason"
