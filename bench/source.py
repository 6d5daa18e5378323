"""The one publisher of every figure: the same packets at the same pace, by WHIP to us or as plain RTP to a peer's mountpoint.

A frame's five packets leave together every 33 ms, sound every 20 ms at its own phase. The last bytes of each payload tell when
it was about to be sent (unless a decoder is to see it), so a receiver knows what lies between. A keyframe asked for comes with
the next frame, as from an encoder.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pylibsrtp
from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)

from bench.descriptions import AUDIO_TYPE, VIDEO_TYPE, offer
from bench.peer import CHECK_EVERY_S, Identity, LightPeer, Remote
from bench.pictures import FPS, group, opus
from bench.processes import answer_lines, tell

AUDIO_FPS = 50
STAMP = struct.Struct("!4sIQ")
MAGIC = b"tell"
_AUDIO_PHASE_S = 0.007
_HEADER = struct.Struct("!BBHII")
_NTP_UNIX = 2_208_988_800
_CONNECT_WITHIN_S = 20.0
_REPORT_S = 1.0
_DATAGRAM = 2048


class Track:
    """One RTP stream of the publisher."""

    def __init__(self, payload_type: int, clock_rate: int, rate: int) -> None:
        self.ssrc = secrets.randbits(31) | 1
        self.packets = self.octets = 0
        self._type, self._step = payload_type, clock_rate // rate
        self._sequence, self._first = secrets.randbelow(0x4000), secrets.randbits(31)
        self.timestamp = self._first

    def begin(self, frame: int) -> None:
        """What follows belongs to frame number `frame`."""
        self.timestamp = (self._first + frame * self._step) & 0xFFFFFFFF

    def packet(self, payload: bytes, *, marker: bool, stamped: bool) -> bytes:
        """The next packet, stamped with the time of now."""
        head = _HEADER.pack(0x80, self._type | marker << 7, self._sequence & 0xFFFF, self.timestamp, self.ssrc)
        self._sequence += 1
        self.packets += 1
        self.octets += len(payload)
        if not stamped:
            return head + payload
        return head + payload[: -STAMP.size] + STAMP.pack(MAGIC, self._sequence & 0xFFFFFFFF, time.time_ns())

    def report(self) -> bytes:
        """A sender report (RFC 3550 section 6.4.1) with the name that joins the tracks."""
        ntp = int((time.time() + _NTP_UNIX) * (1 << 32))
        info = RtcpSenderInfo(ntp, self.timestamp, self.packets, self.octets & 0xFFFFFFFF)
        described = RtcpSourceInfo(ssrc=self.ssrc, items=[(1, b"bench")])
        return bytes(RtcpSrPacket(ssrc=self.ssrc, sender_info=info)) + bytes(RtcpSdesPacket(chunks=[described]))


class Source:
    """Paces the packets into `send_audio` and `send_video`."""

    def __init__(self, send_audio: Callable[[bytes], None], send_video: Callable[[bytes], None], *, stamped: bool) -> None:
        self.audio, self.video = Track(AUDIO_TYPE, 48_000, AUDIO_FPS), Track(VIDEO_TYPE, 90_000, FPS)
        self.keyframes_asked = 0
        self.latest_ms = 0.0
        """How late a frame has left, at worst: what the machine did to the pace."""
        self._send_audio, self._send_video = send_audio, send_video
        self._stamped = stamped
        self._group, self._sound = group(), opus()
        self._next = 0

    def restart_group(self) -> None:
        """A keyframe was asked for."""
        self.keyframes_asked += 1
        self._next = 0

    async def run(self) -> None:
        """For ever: whatever is due next."""
        began = time.monotonic()
        pictures = sounds = 0
        while True:
            picture_at, sound_at = began + pictures / FPS, began + _AUDIO_PHASE_S + sounds / AUDIO_FPS
            at = min(picture_at, sound_at)
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            self.latest_ms = max(self.latest_ms, (time.monotonic() - at) * 1e3)
            if picture_at <= sound_at:
                self._picture(pictures)
                pictures += 1
            else:
                self.audio.begin(sounds)
                self._send_audio(self.audio.packet(self._sound, marker=False, stamped=self._stamped))
                sounds += 1

    def _picture(self, number: int) -> None:
        payloads = self._group[self._next]
        self._next = (self._next + 1) % len(self._group)
        self.video.begin(number)
        for n, payload in enumerate(payloads, start=1):
            self._send_video(self.video.packet(payload, marker=n == len(payloads), stamped=self._stamped))

    async def figures(self) -> dict[str, Any]:
        """What it has done so far."""
        latest, self.latest_ms = self.latest_ms, 0.0
        return {
            "packets": self.audio.packets + self.video.packets,
            "keyframes_asked": self.keyframes_asked,
            "late_ms": round(latest, 1),
        }


class Publisher:
    """The source behind a WHIP connection."""

    def __init__(self, *, stamped: bool) -> None:
        self._peer = LightPeer(Identity())
        self.source = Source(self._send, self._send, stamped=stamped)

    def offer(self) -> str:
        return offer(self._peer.transport_lines(), "sendonly")

    async def connect(self, answer: str) -> None:
        """Raises as `LightPeer.connect`."""
        await self._peer.connect(Remote.read(answer), _CONNECT_WITHIN_S)

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(self._peer.socket, self._readable)
        await asyncio.gather(self.source.run(), self._upkeep())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._peer.socket)
        self._peer.goodbye()

    def _send(self, data: bytes) -> None:
        self._peer.send(self._peer.outbound.protect(data))

    async def _upkeep(self) -> None:
        check_at = 0.0
        while not self._peer.ended:
            for track in (self.source.audio, self.source.video):
                if track.packets:
                    self._peer.send(self._peer.outbound.protect_rtcp(track.report()))
            if time.monotonic() >= check_at:
                check_at = time.monotonic() + CHECK_EVERY_S
                self._peer.check()
            await asyncio.sleep(_REPORT_S)

    def _readable(self) -> None:
        with suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                data = self._peer.socket.recv(_DATAGRAM)
                if data[0] < 128:
                    self._peer.take(data)
                    continue
                with suppress(pylibsrtp.Error, ValueError):
                    self._feedback(RtcpPacket.parse(self._peer.inbound.unprotect_rtcp(data)))

    def _feedback(self, packets: list[Any]) -> None:
        asked = (RTCP_PSFB_PLI, RTCP_PSFB_FIR)
        if any(isinstance(p, RtcpPsfbPacket) and p.fmt in asked for p in packets):
            self.source.restart_group()


async def publish(url: str, *, stamped: bool) -> None:
    """By WHIP, until stdin ends."""
    publisher = Publisher(stamped=stamped)
    within = aiohttp.ClientTimeout(total=_CONNECT_WITHIN_S)
    async with (
        aiohttp.ClientSession(timeout=within, raise_for_status=True) as http,
        http.post(url, data=publisher.offer()) as answered,
    ):
        answer = await answered.text()
    await publisher.connect(answer)
    running = asyncio.create_task(publisher.run())
    tell({"connected": True})
    await answer_lines({"figures": publisher.source.figures})
    running.cancel()
    publisher.close()


async def send_plain(audio_port: int, video_port: int) -> None:
    """As plain RTP to two ports of this machine, until stdin ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:

        def send_audio(data: bytes) -> None:
            plain.sendto(data, ("127.0.0.1", audio_port))

        def send_video(data: bytes) -> None:
            plain.sendto(data, ("127.0.0.1", video_port))

        source = Source(send_audio, send_video, stamped=True)
        running = asyncio.create_task(source.run())
        tell({"connected": True})
        await answer_lines({"figures": source.figures})
        running.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.source")
    parser.add_argument("--whip", metavar="URL")
    parser.add_argument("--decodable", action="store_true", help="no times in the payload")
    parser.add_argument("--rtp", nargs=2, type=int, metavar=("AUDIO_PORT", "VIDEO_PORT"))
    arguments = parser.parse_args()
    if arguments.whip:
        asyncio.run(publish(arguments.whip, stamped=not arguments.decodable))
    else:
        asyncio.run(send_plain(*arguments.rtp))


if __name__ == "__main__":
    main()
