"""CPU time of the media process for each packet it delivers, beside the least that delivering one can cost.

The product: a `Hub` under uvloop, as in service, forwarding one publisher's 2.5 Mb/s H.264 and Opus to stock aiortc subscribers
in another process, over loopback, each with its own ICE, DTLS and SRTP. They decrypt and count, and decode nothing. The floor,
in the same process afterwards: a bare loop that encrypts a packet of the mean size by AES-128-GCM and hands it to `sendto`, to
as many sockets of that other process.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import uvloop
from aiohttp import web
from aiortc import MediaStreamTrack, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry

from core.clock import SystemClock
from core.errors import Unavailable
from stream.feed import Feed
from stream.hub import Hub
from stream.metrics import MediaMetrics
from stream.settings import MediaSettings
from stream.sink import StreamKey
from tests.stream.clients import connection

KEY = StreamKey("ses_bench", "host")
FPS, GROUP, BITRATE = 30, 60, 2_500_000
CONNECT_WITHIN_S = 30.0
SETTLE_S = 2.0
FLOOR_ROUNDS, FLOOR_PACKETS = 3, 40_000
HEADER_BYTES, TAG_BYTES = 12, 16


async def measure(subscribers: int, seconds: float) -> dict[str, Any]:
    """The figures of one run: this process is the media process."""
    with tempfile.TemporaryDirectory(prefix="tellercast-bench-") as folder:
        feed = Feed(Path(folder) / "feed.jsonl", SystemClock())
        hub = Hub(MediaSettings(bind_host="127.0.0.1"), feed, SystemClock(), MediaMetrics(CollectorRegistry()))
        await hub.start()
        async with _signalling(hub) as url, _peers(url, subscribers) as peers:
            sinks = await asyncio.wait_for(peers.line(), CONNECT_WITHIN_S + 10)
            await asyncio.sleep(SETTLE_S)
            first, cpu, began = await peers.counts(), time.process_time(), time.perf_counter()
            await asyncio.sleep(seconds)
            cpu, took, last = time.process_time() - cpu, time.perf_counter() - began, await peers.counts()
            await hub.stop()
            feed.close()
            packets, size = last["packets"] - first["packets"], last["bytes"] - first["bytes"]
            payload = round(size / packets) - HEADER_BYTES
            floor_us = await asyncio.to_thread(_floor, [("127.0.0.1", port) for port in sinks["ports"]], payload)
    each_us = cpu / packets * 1e6
    return {
        "cpu_us_per_packet": round(each_us, 2),
        "floor_us_per_packet": round(floor_us, 2),
        "floor_ratio": round(each_us / floor_us, 2),
        "subscribers": subscribers,
        "packets_per_s": round(packets / took),
        "cpu_percent": round(cpu / took * 100, 1),
        "mean_bytes": HEADER_BYTES + payload + TAG_BYTES,
        "srtp": sinks["srtp"],
    }


def _floor(addresses: list[tuple[str, int]], payload_bytes: int) -> float:
    """µs of CPU for one packet encrypted and sent, and nothing else."""
    encrypt, header, payload = AESGCM(os.urandom(16)).encrypt, os.urandom(HEADER_BYTES), os.urandom(payload_bytes)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        send, spent = udp.sendto, 0.0
        for turn in range(FLOOR_ROUNDS):
            began = time.thread_time()
            for n in range(turn * FLOOR_PACKETS, (turn + 1) * FLOOR_PACKETS):
                send(header + encrypt(n.to_bytes(12), payload, header), addresses[n % len(addresses)])
            spent += time.thread_time() - began
            time.sleep(0.2)  # the readers catch up
    return spent / (FLOOR_ROUNDS * FLOOR_PACKETS) * 1e6


@asynccontextmanager
async def _signalling(hub: Hub) -> AsyncIterator[str]:
    """WHIP and WHEP reduced to their core: an offer in, an answer out."""

    async def whip(request: web.Request) -> web.Response:
        opened = await hub.publish(KEY, datetime.now(UTC), await request.text())
        return web.Response(status=201, text=opened.sdp, content_type="application/sdp")

    async def whep(request: web.Request) -> web.Response:
        try:
            opened = await hub.subscribe(KEY, await request.text())
        except Unavailable:
            return web.Response(status=503)
        return web.Response(status=201, text=opened.sdp, content_type="application/sdp")

    application = web.Application()
    application.add_routes([web.post("/whip", whip), web.post("/whep", whep)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Peers:
    """The other process: asked by a line, answers with a line of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    async def line(self) -> Any:
        read = await self._out.readline()
        if not read:
            raise RuntimeError("the peers' process ended")
        return json.loads(read)

    async def counts(self) -> Any:
        self._in.write(b"\n")
        return await self.line()


@asynccontextmanager
async def _peers(url: str, subscribers: int) -> AsyncIterator[_Peers]:
    command = (sys.executable, "-m", "bench.forwarding", "--peers", url, "--subscribers", str(subscribers))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield _Peers(process)
    finally:
        process.kill()
        await process.wait()


class Encoded(MediaStreamTrack):
    """Two seconds of noise, encoded beforehand, again and again at the pace of a camera."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._frames = _encode()
        self._began = 0.0
        self._next = 0

    async def recv(self) -> Any:
        self._began = self._began or time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._next / FPS - time.monotonic()))
        packet = av.Packet(self._frames[self._next % len(self._frames)])
        packet.pts, packet.time_base = self._next, fractions.Fraction(1, FPS)
        self._next += 1
        return packet


def _encode() -> list[bytes]:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = 640, 360, "yuv420p", BITRATE
    encoder.time_base, encoder.framerate, encoder.gop_size = fractions.Fraction(1, FPS), fractions.Fraction(FPS), GROUP
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline",
        "maxrate": str(BITRATE), "bufsize": str(BITRATE // 4),
    }  # fmt: skip
    noise = np.random.default_rng(7)
    frames: list[bytes] = []
    for n in range(GROUP):
        frame = av.VideoFrame.from_ndarray(noise.integers(0, 256, (540, 640), dtype=np.uint8), format="yuv420p")
        frame.pts, frame.time_base = n, encoder.time_base
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    return frames + [bytes(packet) for packet in encoder.encode(None)]


class Sink:
    """One subscriber: connects as any, then counts what it could decrypt."""

    def __init__(self) -> None:
        self.packets = self.bytes = 0
        self.reached = asyncio.Event()
        self.pc = connection()
        for kind in ("audio", "video"):
            self.pc.addTransceiver(kind, direction="recvonly")
        self.dtls = self.pc.getTransceivers()[0].receiver.transport
        # No public way to receive without decoding, which would leave the machine to the decoders.
        setattr(self.dtls, "_handle_rtp_data", self._count)  # noqa: B010 - a method of its own, on purpose

    async def _count(self, data: bytes, arrival_time_ms: int) -> None:
        self.packets += 1
        self.bytes += len(data)
        self.reached.set()


async def _offer(http: aiohttp.ClientSession, url: str, pc: Any) -> None:
    await pc.setLocalDescription(await pc.createOffer())
    while True:
        async with http.post(url, data=pc.localDescription.sdp) as answer:
            if answer.status == 201:
                await pc.setRemoteDescription(RTCSessionDescription(sdp=await answer.text(), type="answer"))
                return
        await asyncio.sleep(0.1)  # nobody publishes yet


async def peers(url: str, subscribers: int) -> None:
    """The other process: one publisher, the subscribers, and as many plain sockets for the floor."""
    loop = asyncio.get_running_loop()
    publisher = connection()
    publisher.addTransceiver(AudioStreamTrack(), direction="sendonly")
    video = publisher.addTransceiver(Encoded(), direction="sendonly")
    video.setCodecPreferences([c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType == "video/H264"])
    sinks = [Sink() for _ in range(subscribers)]
    async with asyncio.timeout(CONNECT_WITHIN_S), aiohttp.ClientSession() as http:
        await _offer(http, f"{url}/whip", publisher)
        for sink in sinks:
            await _offer(http, f"{url}/whep", sink.pc)
        await asyncio.gather(*(sink.reached.wait() for sink in sinks))
    bare = [
        (await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)))[0]
        for _ in range(subscribers)
    ]
    ports = [transport.get_extra_info("sockname")[1] for transport in bare]
    # OpenSSL names it; the floor is meant for GCM.
    ssl = sinks[0].dtls._ssl
    assert ssl is not None
    srtp = ssl.get_selected_srtp_profile().decode()
    print(json.dumps({"ports": ports, "srtp": srtp}), flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        counts = {"packets": sum(sink.packets for sink in sinks), "bytes": sum(sink.bytes for sink in sinks)}
        print(json.dumps(counts), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.forwarding", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--subscribers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12.0, help="how long to measure")
    parser.add_argument("--peers", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peers:
        uvloop.run(peers(arguments.peers, arguments.subscribers))
        return 0
    found = uvloop.run(measure(arguments.subscribers, arguments.seconds))
    print(
        f"{found['subscribers']} subscribers, {found['packets_per_s']} packets/s of {found['mean_bytes']} bytes, "
        f"{found['cpu_percent']}% of a core: {found['cpu_us_per_packet']} µs a packet, "
        f"{found['floor_ratio']} times the floor's {found['floor_us_per_packet']} µs"
    )
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
