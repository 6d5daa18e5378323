"""A real Chromium that publishes from its fake camera, without any page of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, Playwright, Route, async_playwright

from tests.browser.people import CHROMIUM, FLAGS

# What takes Chromium a second on an idle machine may take long on a busy one.
PATIENCE_S = 90.0
_SITE = "http://localhost/"  # a camera wants a secure context; nothing listens there
_CAMERA = "--use-fake-device-for-media-stream"
_OFFER = """async ([width, height, low]) => {
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height, frameRate: 30 } });
  const pc = (window.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" }));
  const [sound] = media.getAudioTracks(), [picture] = media.getVideoTracks();
  pc.addTransceiver(sound, { direction: "sendonly" });
  const qualities = low ? [{}, { scaleResolutionDownBy: 4, maxBitrate: 250_000 }] : [{}];
  for (const quality of qualities) {
    const track = quality.maxBitrate ? picture.clone() : picture;
    const sender = pc.addTransceiver(track, { direction: "sendonly", sendEncodings: [quality] });
    const { codecs } = RTCRtpSender.getCapabilities("video");
    const first = codecs.filter((codec) => codec.mimeType === "video/H264");
    sender.setCodecPreferences([...first, ...codecs.filter((codec) => codec.mimeType === "video/rtx")]);
  }
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}"""
_STATS = """async () => {
  const found = { rate: 0, videos: {} };
  for (const row of (await pc.getStats()).values()) {
    if (row.type === "candidate-pair" && row.nominated) found.rate = row.availableOutgoingBitrate ?? 0;
    if (row.type === "outbound-rtp" && row.kind === "video")
      found.videos[row.mid] = {
        target: row.targetBitrate ?? 0,
        width: row.frameWidth ?? 0,
        keyframes: row.keyFramesEncoded ?? 0,
        repeated: row.retransmittedPacketsSent ?? 0,
        nacks: row.nackCount ?? 0,
      };
  }
  return found;
}"""


def noise(path: Path, width: int, height: int, fps: int) -> Path:
    """Two seconds of grey grain: a picture that no encoder makes small, so that the line is the limit."""
    grain = np.random.default_rng(1)
    grey = np.full(width * height // 2, 128, dtype=np.uint8).tobytes()
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(2 * fps):
            coarse = grain.integers(64, 192, (height // 4, width // 4), dtype=np.uint8)
            file.write(b"FRAME\n" + coarse.repeat(4, axis=0).repeat(4, axis=1).tobytes() + grey)
    return path


@dataclass(frozen=True)
class Sending:
    """What Chromium says of its sending. `rate` is its estimate of the line, `target` what it tells its encoder, in bits
    per second; the others are counts (`width` in pixels)."""

    rate: float
    videos: dict[str, dict[str, float]]

    @property
    def target(self) -> float:
        return self.videos["1"]["target"]


class ChromiumPublisher:
    """Sound and one or two videos, mids 0, 1 and 2. `camera` is a file to show instead of Chromium's own test picture."""

    def __init__(self, camera: Path | None = None) -> None:
        self._camera = camera
        self._page: Page | None = None
        self._browser: Browser | None = None
        self._playwright: Playwright | None = None

    async def __aenter__(self) -> ChromiumPublisher:
        self._playwright = await async_playwright().start()
        flags = [f"{_CAMERA}=fps=30" if flag == _CAMERA else flag for flag in FLAGS]
        if self._camera is not None:
            flags.append(f"--use-file-for-fake-video-capture={self._camera}")
        self._browser = await self._playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        self._page = await self._browser.new_page()
        await self._page.route(_SITE, _blank)
        await self._page.goto(_SITE)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()

    async def offer(self, width: int = 1280, height: int = 720, *, low: bool = False) -> str:
        return str(await self._evaluate(_OFFER, [width, height, low]))

    async def answer(self, sdp: str) -> None:
        await self._evaluate("sdp => pc.setRemoteDescription({ type: 'answer', sdp })", sdp)

    async def sending(self) -> Sending:
        found = await self._evaluate(_STATS)
        return Sending(found["rate"], found["videos"])

    async def until(self, condition: Callable[[Sending], bool]) -> Sending:
        """Until what Chromium says meets the condition; fails with what it said last."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            said = await self.sending()
            if condition(said):
                return said
            assert time.monotonic() < deadline, said
            await asyncio.sleep(0.1)

    async def _evaluate(self, script: str, argument: Any = None) -> Any:
        assert self._page is not None
        return await self._page.evaluate(script, argument)


async def _blank(route: Route) -> None:
    await route.fulfill(body="<title>publisher</title>", content_type="text/html")
