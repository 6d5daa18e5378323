"""The same live picture at two viewers on the same bad line: one may ask for what it lost, the other may not.

The line: 3 % of RTP and RTCP lost and 30 ms of delay in each direction (`lossy_relay`). The viewers: the watch page in
Chromium, whose answer is rewritten on its way: the relay is where the server is. The second does not offer NACK, so that it
asks for keyframes alone. The publisher: `tests.stream.whip_file`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiortc.rtcdtlstransport import generate_certificate
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.async_api import Page, Route

from app.settings import load
from tests.browser.people import People
from tests.browser.server import ROOT, Server
from tests.browser.steps import until

LOSS_PERCENT, DELAY_MS = 3.0, 30.0
SETTLES_S = 2.0
_CANDIDATE = re.compile(r"^a=candidate:1 1 udp (\d+) (\S+) (\d+) typ host", re.MULTILINE)
_OTHER_CANDIDATES = re.compile(r"^a=candidate:(?!1 )[^\r\n]*\r\n", re.MULTILINE)
# What the page connects is kept, and asked for its figures: the freezes counted so far, and how long the picture stands now.
WATCHED = """() => {
  const Native = RTCPeerConnection;
  window.connections = 0;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      window.peer = this;
      window.connections += 1;
      window.decoded = { frames: 0, at: window.decoded.at };
    }
  };
  window.decoded = { frames: 0, at: 0 };
  window.figures = async () => {
    const rows = window.peer ? [...(await window.peer.getStats()).values()] : [];
    return rows.find(row => row.type === "inbound-rtp" && row.kind === "video") ?? null;
  };
  setInterval(async () => {
    const row = await window.figures();
    if (row && row.framesDecoded > window.decoded.frames) window.decoded = { frames: row.framesDecoded, at: performance.now() };
  }, 100);
}"""
# The last word on what a receiver of Chromium's does is its own offer's, whatever the answer says.
WITHOUT_NACK = """() => {
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    async createOffer(...options) {
      const { type, sdp } = await super.createOffer(...options);
      return { type, sdp: sdp.replace(/^a=rtcp-fb:\\d+ nack\\r\\n/gm, "") };
    }
    async setLocalDescription(description) {
      return super.setLocalDescription(description ?? (await this.createOffer()));
    }
  };
}"""
STANDS_S = "() => (performance.now() - window.decoded.at) / 1000"


@dataclass(frozen=True)
class Seen:
    """One viewer's share; counts are of the measured time alone.

    `freeze_percent`: Chromium's totalFreezesDuration and totalPausesDuration, and what has not ended yet, over the time.
    `buffer_ms`: how long a frame waited for its place, in the mean. `missing`: packetsLost, which by RTX counts what was
    repaired too. `line_lost` and `line_passed`: datagrams on their way to the viewer, sound and repeats among them.
    """

    freeze_percent: float
    freezes: int
    frames: int
    buffer_ms: float
    missing: int
    repeats: int
    nacks: int
    plis: int
    line_lost: int
    line_passed: int
    reconnections: int


@dataclass(frozen=True)
class Found:
    """The two viewers, and what the media process counted meanwhile for both."""

    seconds: float
    repaired: Seen
    unrepaired: Seen
    repeats: int
    keyframe_requests: int
    keyframe_requests_upstream: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class _Line:
    """A relay's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.port = 0

    async def read(self) -> dict[str, int]:
        async with asyncio.timeout(20):
            return dict(json.loads(await self._out.readline()))

    async def counts(self) -> dict[str, int]:
        self._in.write(b"\n")
        return await self.read()


async def measure(server: Server, people: People, folder: Path, seconds: float, *, seed: int = 1) -> Found:
    """Publishes, lets both watch, and counts for that long once both have a picture."""
    session, token = await _live(server)
    async with (
        _publisher(server, session, token, folder, seconds + 60),
        _viewer(server, people, session, seed, repair=True) as one,
        _viewer(server, people, session, seed, repair=False) as other,
    ):
        await asyncio.sleep(SETTLES_S)  # these two are no waits for something: they are the time that is measured
        before = await asyncio.gather(_counters(server), _state(*one), _state(*other))
        await asyncio.sleep(seconds)
        after = await asyncio.gather(_counters(server), _state(*one), _state(*other))
    repaired, unrepaired = (_seen(b, a, seconds) for b, a in zip(before[1:], after[1:], strict=True))
    counted = {name: int(after[0][name] - before[0][name]) for name in after[0]}
    return Found(
        seconds, repaired, unrepaired, counted["packets_retransmitted"], counted["keyframe_requests_received"],
        counted["keyframe_requests_sent"],
    )  # fmt: skip


def _seen(before: dict[str, Any], after: dict[str, Any], seconds: float) -> Seen:
    def grown(name: str) -> float:
        return float(after.get(name, 0)) - float(before.get(name, 0))

    # Chromium counts a freeze when it ends, and as a pause instead when it lasted more than five seconds. One that began before
    # is ours from the beginning of the measuring on, one that goes on is ours too.
    ended = grown("totalFreezesDuration") + grown("totalPausesDuration")
    frozen = max(0.0, ended - before["stands_s"]) + (after["stands_s"] if after["stands_s"] > 1 else 0.0)
    return Seen(
        freeze_percent=round(min(100.0, frozen / seconds * 100), 2),
        freezes=int(grown("freezeCount")),
        frames=int(grown("framesDecoded")),
        buffer_ms=round(grown("jitterBufferDelay") / max(1.0, grown("jitterBufferEmittedCount")) * 1000, 1),
        missing=int(grown("packetsLost")),
        repeats=int(grown("retransmittedPacketsReceived")),
        nacks=int(grown("nackCount")),
        plis=int(grown("pliCount")),
        line_lost=int(grown("lost")),
        line_passed=int(grown("passed")),
        reconnections=int(grown("connections")),
    )


async def _state(page: Page, line: _Line) -> dict[str, Any]:
    figures: dict[str, Any] = await page.evaluate("() => window.figures()") or {}
    connections = await page.evaluate("() => window.connections")
    return {**figures, **await line.counts(), "stands_s": await page.evaluate(STANDS_S), "connections": connections}


async def _counters(server: Server) -> dict[str, float]:
    """The media process's own, by their names without prefix and suffix; those it does not have (yet) are 0."""
    names = ("packets_retransmitted", "keyframe_requests_received", "keyframe_requests_sent")
    settings = load({"TELLERCAST_DATA_DIR": str(server.folder / "var")})
    connector = aiohttp.UnixConnector(str(settings.media_socket))
    async with aiohttp.ClientSession(connector=connector) as http, http.get("http://media/metrics") as answer:
        text = await answer.text()
    found = {name: re.findall(rf"^tellercast_media_{name}_total(?:{{.*}})? (\S+)", text, re.MULTILINE) for name in names}
    return {name: sum(map(float, values)) for name, values in found.items()}


async def _live(server: Server) -> tuple[str, str]:
    """The seeded show, begun: its session, and its host's token."""
    async with aiohttp.ClientSession(server.url, raise_for_status=True) as http:
        async with http.post("/api/demo/login", json={"as": "adviser-1"}) as answer:
            token = str((await answer.json())["token"])
        headers = {"Authorization": f"Bearer {token}"}
        async with http.get("/api/shows", headers=headers) as answer:
            show = (await answer.json())["upcoming"][0]["id"]
        async with http.post(f"/api/shows/{show}/start", json={}, headers=headers) as answer:
            return str((await answer.json())["session"]), token


@asynccontextmanager
async def _publisher(server: Server, session: str, token: str, folder: Path, seconds: float) -> AsyncIterator[None]:
    url = f"http://127.0.0.1:{server.http_port}/api/sessions/{session}/whip"
    command = ["-m", "tests.stream.whip_file", url, token, str(seconds), *_certificate(folder)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    try:
        yield
        assert process.returncode is None, "the publisher ended by itself"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _certificate(folder: Path) -> tuple[str, str]:
    """FFmpeg on GnuTLS makes itself a P-224 key, which OpenSSL 4 knows no more; it can be given another."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(generate_certificate(key).public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return f"cert_file={certificate}", f"key_file={private}"


@asynccontextmanager
async def _viewer(
    server: Server, people: People, session: str, seed: int, *, repair: bool
) -> AsyncIterator[tuple[Page, _Line]]:
    """A watch page that has a picture, behind a relay of its own."""
    lines: list[tuple[asyncio.subprocess.Process, _Line]] = []

    async def rewrite(route: Route) -> None:
        answer = await route.fetch()
        text = await answer.text()
        if answer.status == 201:
            lines.append(await _line(text, seed))
            port = lines[-1][1].port
            text = _CANDIDATE.sub(rf"a=candidate:1 1 udp \1 \2 {port} typ host", _OTHER_CANDIDATES.sub("", text))
        await route.fulfill(response=answer, body=text)

    script = f"({WATCHED})();" + ("" if repair else f"({WITHOUT_NACK})();")
    page = await people.open("customer-c3" if repair else "customer-c1", "/orders", init_script=script)
    await page.route("**/api/sessions/*/whep", rewrite)
    await page.goto(f"{server.url}/watch/{session}")
    try:
        await until(lambda: page.evaluate("() => window.decoded.frames > 0"), "a picture over the bad line", 30)
        yield page, lines[-1][1]
        await page.goto(f"{server.url}/orders")
    finally:
        for process, _ in lines:
            process.kill()
            await process.wait()


async def _line(answer: str, seed: int) -> tuple[asyncio.subprocess.Process, _Line]:
    """A relay to where an answer says the server listens."""
    found = _CANDIDATE.search(answer)
    assert found is not None, answer
    _, address, port = found.groups()
    command = ("-m", "tests.browser.lossy_relay", address, port, "--seed", str(seed))
    rate = ("--loss-percent", str(LOSS_PERCENT), "--delay-ms", str(DELAY_MS))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *command, *rate, stdin=pipe, stdout=pipe, cwd=ROOT)
    line = _Line(process)
    line.port = (await line.read())["port"]
    return process, line
