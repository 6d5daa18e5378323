"""Firefox ESR, a WebRTC of another making: it watches and hears; without H.264 it is told so, and may listen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.firefox import Firefox, firefox
from tests.browser.media_files import READ_TIMECODE, Devices
from tests.browser.people import People
from tests.browser.server import Server
from tests.browser.steps import go_live, until

pytestmark = pytest.mark.one_server

VIDEO = """document.querySelector('[data-testid="video"]')"""
# Keeps what the page connects, to ask it for its figures afterwards.
KEEP_PEERS = """() => {
  const Native = RTCPeerConnection;
  window.peers = [];
  window.RTCPeerConnection = class extends Native { constructor(...args) { super(...args); window.peers.push(this); } };
}"""
# The getStats row of what arrives of a kind, null before anything does.
RECEIVED = """async kind => {
  for (const peer of window.peers.slice(-1))
    for (const row of (await peer.getStats()).values()) if (row.type === "inbound-rtp" && row.kind === kind) return row;
  return null;
}"""
SIGN_IN = """async name => (await fetch("/api/demo/login", {
  method: "POST", body: JSON.stringify({ as: name }), headers: { "Content-Type": "application/json" },
})).status"""
# A WHEP client as another site would write it: (session, kinds) → the offer, and the answer's status and body.
WHEP = """async (session, kinds) => {
  const peer = new RTCPeerConnection();
  for (const kind of kinds) peer.addTransceiver(kind, { direction: "recvonly" });
  await peer.setLocalDescription();
  const offer = peer.localDescription.sdp;
  const request = { method: "POST", body: offer, headers: { "Content-Type": "application/sdp" } };
  const answer = await fetch(`/api/sessions/${session}/whep`, request);
  const text = await answer.text();
  if (answer.status === 201) await peer.setRemoteDescription({ type: "answer", sdp: text });
  return { offer, status: answer.status, text };
}"""


async def _opens(fox: Firefox, server: Server, name: str, path: str) -> None:
    await fox.command("script.addPreloadScript", functionDeclaration=KEEP_PEERS)
    await fox.goto(server.url + "/login")
    assert await fox.evaluate(SIGN_IN, name) == 200
    await fox.goto(server.url + path)


async def _hears(fox: Firefox) -> None:
    """The host's beep arrives: what is silent has no energy."""

    async def loud() -> bool:
        row: dict[str, Any] | None = await fox.evaluate(RECEIVED, "audio")
        return row is not None and row["totalAudioEnergy"] > 0.05 and row["packetsReceived"] >= 50

    await until(loud, "a second of sound in Firefox, with a beep in it")


@pytest.mark.timeout(180)
async def test_firefox_watches(server: Server, people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    async with firefox(h264=True) as fox:
        await _opens(fox, server, "customer-c3", f"/watch/{session}")
        shown: set[float] = set()

        async def moves() -> bool:
            now = await fox.evaluate(f"() => ({READ_TIMECODE})({VIDEO})")
            shown.update([now] if now is not None else [])
            return len(shown) >= 5

        await until(moves, "five pictures of the host's camera in Firefox")
        await _hears(fox)
        picture = await fox.evaluate(RECEIVED, "video")
        assert picture["framesDecoded"] >= len(shown)
        assert picture["keyFramesDecoded"] >= 1


@pytest.mark.timeout(180)
async def test_without_h264_firefox_is_told_so_and_may_listen(server: Server, people: People, host_devices: Devices) -> None:
    studio = await people.open("adviser-1", "/studio", devices=host_devices)
    session = await go_live(studio)
    async with firefox(h264=False) as fox:
        await _opens(fox, server, "customer-c3", "/orders")
        refused = await fox.evaluate(WHEP, session, ["video", "audio"])
        assert "VP8/90000" in refused["offer"]
        assert "H264/90000" not in refused["offer"]
        problem = json.loads(refused["text"])
        assert (refused["status"], problem["code"]) == (406, "unsupported_media")
        assert "H.264" in problem["title"]
        heard = await fox.evaluate(WHEP, session, ["audio"])
        assert (heard["status"], heard["text"].count("m=")) == (201, 1)
        await _hears(fox)
