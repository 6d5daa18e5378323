"""Real WebRTC ends for tests: stock aiortc peers that publish generated pictures and sound, and watch what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

WAIT_S = 20.0


async def until(condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Until the condition holds; looks again each time the event loop has turned."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


class Picture(VideoStreamTrack):
    """Frames of one brightness, so that a viewer can tell publishers apart."""

    def __init__(self, brightness: int) -> None:
        super().__init__()
        self._plane = np.full((180 * 3 // 2, 320), 128, dtype=np.uint8)
        self._plane[:180] = brightness

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(self._plane, format="yuv420p")
        frame.pts, frame.time_base = pts, time_base
        return frame


def connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


class PublisherClient:
    """Sends H.264 and Opus (or one of them)."""

    def __init__(self, *, brightness: int = 200, audio: bool = True, video: bool = True) -> None:
        self.pc = connection()
        if audio:
            self.pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        if video:
            transceiver = self.pc.addTransceiver(Picture(brightness), direction="sendonly")
            capabilities = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in capabilities if c.mimeType == "video/H264"])

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def answer(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))

    async def close(self) -> None:
        await self.pc.close()


class SubscriberClient:
    """Watches: `brightness()` waits for decoded frames, `heard` counts sound frames."""

    def __init__(self, *, audio: bool = True, video: bool = True) -> None:
        self.pc = connection()
        self.tracks: dict[str, MediaStreamTrack] = {}
        self.pc.on("track", lambda track: self.tracks.__setitem__(track.kind, track))
        for kind, wanted in (("audio", audio), ("video", video)):
            if wanted:
                self.pc.addTransceiver(kind, direction="recvonly")

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def answer(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))

    async def frame(self, kind: str) -> Any:
        async with asyncio.timeout(WAIT_S):
            return await self.tracks[kind].recv()

    async def sees(self, brightness: int) -> None:
        """Until a frame of that brightness is decoded."""
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = await self.tracks["video"].recv()
                if abs(float(frame.to_ndarray(format="yuv420p")[: frame.height].mean()) - brightness) < 8:
                    return

    async def close(self) -> None:
        await self.pc.close()
