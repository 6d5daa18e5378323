"""What forwarding a packet costs: the product's media process, the peer's, and the least that it can cost, in one run.

The product is `Hub` under uvloop, as in service but for the recorder; the peer Janus's streaming mountpoint; the floor a bare
loop that encrypts packets of the same sizes by AES-128-GCM and hands each to `sendto`, to as many sockets. All send to sinks of
one process that are drained alike, over loopback. CPU is user and system time of the server's whole process, from outside.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.pictures import AUDIO_BYTES, VIDEO_BYTES
from bench.processes import Child
from bench.stage import SETTLE_S, Stage, Window, ours, theirs, watched

_HEADER_BYTES = 12
# A server that falls behind pays less for each packet that still comes.
_DELIVERED_LEAST = 0.9
_FLOOR_ROUNDS, _FLOOR_PACKETS = 4, 40_000
# As in the show: three packets of the picture to one of the sound.
_SIZES = (VIDEO_BYTES, VIDEO_BYTES, VIDEO_BYTES, AUDIO_BYTES)
_DRAINED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Served:
    """All rounds of one server."""

    windows: tuple[Window, ...]
    delays: tuple[dict[str, Any], ...]
    srtp: frozenset[str]

    @property
    def us_per_packet(self) -> float:
        return sum(w.cpu_s for w in self.windows) / sum(w.packets for w in self.windows) * 1e6

    def figures(self) -> dict[str, Any]:
        """By name; the delays are those of the worst round."""
        expected, took = sum(w.expected for w in self.windows), sum(w.took_s for w in self.windows)
        packets = sum(w.packets for w in self.windows)
        return {
            "us_per_packet": round(self.us_per_packet, 2),
            "packets_per_s": round(packets / took),
            "cpu_percent": round(sum(w.cpu_s for w in self.windows) / took * 100, 1),
            "loss": round((expected - packets) / expected, 6),
            "repeated": sum(w.repeated for w in self.windows),
            "delay_p50_ms": max(d["p50_ms"] for d in self.delays),
            "delay_p99_ms": max(d["p99_ms"] for d in self.delays),
            "mean_bytes": round(sum(w.bytes for w in self.windows) / packets),
            "srtp": "+".join(sorted(self.srtp)),
            "waited_percent": round(max(w.waited_percent for w in self.windows), 1),
            "source_late_ms": max(w.late_ms for w in self.windows),
        }


async def forwarding(sinks: Child, subscribers: int, seconds: float, rounds: int, *, peer: bool = True) -> dict[str, Any]:
    """The figures. Product, peer and floor take turns, so that a change of the machine's pace meets all of them."""
    floors = [await floor(sinks, subscribers)]
    mine: list[Served] = []
    others: list[Served] = []
    for _ in range(rounds):
        async with ours(sinks) as stage:
            mine.append(await _round(stage, subscribers, seconds))
        if peer:
            async with theirs(sinks) as stage:
                others.append(await _round(stage, subscribers, seconds))
        floors.append(await floor(sinks, subscribers))
    own, floor_us = _together(mine), sum(floors) / len(floors)
    found = {
        "subscribers": subscribers,
        **own.figures(),
        "floor_us_per_packet": round(floor_us, 2),
        "floor_ratio": round(own.us_per_packet / floor_us, 2),
    }
    if peer:
        theirs_all = _together(others)
        found |= {f"janus_{name}": value for name, value in theirs_all.figures().items()}
        found["ratio_janus"] = round(theirs_all.us_per_packet / own.us_per_packet, 2)
    return found


async def _round(stage: Stage, subscribers: int, seconds: float) -> Served:
    joined = await stage.fill_all(subscribers)
    await asyncio.sleep(SETTLE_S)
    window, delays = await watched(stage, seconds)
    if window.packets < window.sent * subscribers * _DELIVERED_LEAST:
        raise RuntimeError(f"{window.packets} packets of {window.sent} to each of {subscribers} came: the machine is too busy")
    return Served((window,), (delays,), frozenset(joined["srtp"]))


def _together(rounds: list[Served]) -> Served:
    return Served(
        tuple(w for one in rounds for w in one.windows),
        tuple(d for one in rounds for d in one.delays),
        frozenset().union(*(one.srtp for one in rounds)),
    )


async def floor(sinks: Child, sockets: int) -> float:
    """µs of CPU for one packet encrypted and sent, and nothing else. Raises RuntimeError when they do not arrive."""
    ports = (await sinks.ask("bare", count=sockets))["ports"]
    addresses = [("127.0.0.1", port) for port in ports]
    began = (await sinks.ask("bare_packets"))["packets"]
    spent = 0.0
    for turn in range(1, _FLOOR_ROUNDS + 1):
        spent += await asyncio.to_thread(_encrypt_and_send, addresses)
        until = time.monotonic() + _DRAINED_WITHIN_S
        while (await sinks.ask("bare_packets"))["packets"] - began < turn * _FLOOR_PACKETS * 0.999:
            if time.monotonic() > until:
                raise RuntimeError("the floor's packets did not arrive")
            await asyncio.sleep(0.05)
    await sinks.ask("bare_packets", close=True)
    return spent / (_FLOOR_ROUNDS * _FLOOR_PACKETS) * 1e6


def _encrypt_and_send(addresses: list[tuple[str, int]]) -> float:
    """Seconds of this thread's CPU for one round."""
    encrypt, header = AESGCM(os.urandom(16)).encrypt, os.urandom(_HEADER_BYTES)
    payloads = [os.urandom(size) for size in _SIZES]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        send, count, kinds = udp.sendto, len(addresses), len(payloads)
        began = time.thread_time()
        for n in range(_FLOOR_PACKETS):
            send(header + encrypt(n.to_bytes(12), payloads[n % kinds], header), addresses[n // kinds % count])
        return time.thread_time() - began
