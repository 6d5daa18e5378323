"""One remote end: its ICE session, its DTLS handshake, its SRTP, and the moment it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from stream.aiortc_private import Certificate, MediaDtls
from stream.errors import ConnectFailed, SrtpError
from stream.ice import IceSession
from stream.repair import Budget
from stream.rtp import is_rtcp
from stream.sdp import Negotiated
from stream.srtp import SrtpLink

_log = structlog.get_logger(__name__)

_SRTP_BYTES_MIN = 12
# Bytes per second of RTCP that are read: a report a second and fifty repeats asked for are a quarter of it, while a datagram
# full of NACKs costs half a millisecond and more.
_RTCP_BYTES_S = 16 * 1024


def _heard_by_nobody(_plain: bytes) -> None:
    """Where the packets of a peer that is over go."""


class Peer:
    """Connects, then hands each decrypted packet to `on_rtp` or `on_rtcp` as it comes."""

    def __init__(
        self,
        ice: IceSession,
        certificate: Certificate,
        negotiated: Negotiated,
        *,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
    ) -> None:
        self.ice = ice
        self.negotiated = negotiated
        self.link: SrtpLink | None = None
        self.rejected = 0
        self._rtcp_budget = Budget(_RTCP_BYTES_S)
        self._dtls = MediaDtls(ice, certificate, negotiated.dtls_role)
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp

    async def live(self, handshake_timeout_s: float, on_connected: Callable[[], None]) -> str:
        """From the first check to the end; returns why it ended ("left", "lost", "replaced"…).

        Raises ConnectFailed when it never connected within the time.
        """
        handshake = asyncio.create_task(self._handshake())
        either: set[asyncio.Future[Any]] = {handshake, self._ended}
        try:
            await asyncio.wait(either, timeout=handshake_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done() or not handshake.done():  # who is ended already must not take anything over
                raise ConnectFailed(self._ended.result() if self._ended.done() else "timeout")
            handshake.result()
            on_connected()
            self.ice.take_media(self._take)
            return await self._ended
        finally:
            handshake.cancel()
            try:
                await asyncio.gather(handshake, return_exceptions=True)
                await self._goodbye()
            finally:
                self.ice.close()
                self._let_go()
                del handshake, either  # what failed there leads back to here by its traceback

    def _let_go(self) -> None:
        """It is over: its role has the peer, the peer no more its role, so that both are freed as soon as nobody has them.

        As a cycle they would wait for a full garbage collection, and all viewers with them (`stream/collecting.py`).
        """
        self._on_rtp = self._on_rtcp = _heard_by_nobody

    async def _handshake(self) -> None:
        await self.ice.connected.wait()
        keys = await self._dtls.handshake(self.negotiated.offer.fingerprints)
        self.link = SrtpLink(keys)
        self._dtls.on_closed(lambda: self.end("left"))

    async def _goodbye(self) -> None:
        try:
            await self._dtls.goodbye()
        except (TimeoutError, ConnectionError) as error:
            _log.info("media_goodbye_unsent", error=str(error))

    def end(self, reason: str) -> None:
        """Asks the peer's life to end; the first reason stays."""
        if not self._ended.done():
            self._ended.set_result(reason)

    @property
    def ending(self) -> bool:
        return self._ended.done()

    def _take(self, data: bytes) -> None:
        if self.link is None or len(data) < _SRTP_BYTES_MIN or self._ended.done():
            return
        try:
            if is_rtcp(data):
                plain, handler = self.link.open_rtcp(data), self._on_rtcp
            else:
                plain, handler = self.link.open_rtp(data), self._on_rtp
        except SrtpError:  # not authentic: whoever sent it learns nothing, we count it
            self.rejected += 1
            return
        self.ice.heard()
        if handler is self._on_rtcp and not self._rtcp_budget.take(len(data), self.ice.last_heard):
            return
        try:
            handler(plain)
        except Exception:
            _log.exception("media_peer_failed")
            self.end("failed")

    def send_rtcp(self, data: bytes) -> None:
        """Best effort, as RTCP is."""
        if self.link is None or self._ended.done():
            return
        try:
            self.ice.send(self.link.seal_rtcp(data))
        except SrtpError as error:
            _log.warning("rtcp_not_sealed", error=str(error))
