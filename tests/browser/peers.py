"""A page's peer connections, kept so that a test can count them and read what they send and receive."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

# Installed before the page's own scripts.
KEEP_PEERS = """(() => {
  const Peer = window.RTCPeerConnection;
  window.peers = [];
  window.RTCPeerConnection = class extends Peer {
    constructor(...given) { super(...given); window.peers.push(this); }
  };
})()"""


async def count(page: Page) -> int:
    """How many connections the page has opened since it was loaded."""
    return int(await page.evaluate("() => window.peers.length"))


async def sent(page: Page) -> list[dict[str, Any]]:
    """What the newest connection sends, in the order of its m-lines: kind, track, enabled, and its encoding's values."""
    found: list[dict[str, Any]] = await page.evaluate(
        """() => window.peers.at(-1).getSenders().filter(one => one.track).map(one => ({
          kind: one.track.kind, track: one.track.id, enabled: one.track.enabled, ...one.getParameters().encodings[0]
        }))"""
    )
    return found


async def video_bytes(page: Page) -> int:
    """Bytes of video that the newest connection has received."""
    return int(
        await page.evaluate(
            """async () => {
              let bytes = 0;
              (await window.peers.at(-1).getStats()).forEach(row => {
                if (row.type === "inbound-rtp" && row.kind === "video") bytes += row.bytesReceived;
              });
              return bytes;
            }"""
        )
    )
