"""A host's camera as a process of its own, so that a test can kill it as a power cut would: a stock WHIP client on aiortc.

`python -m tests.scenarios.camera URL SESSION TOKEN` publishes until it is killed, and says "on air" once it does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Self

import aiohttp

from stream.errors import MEDIA_UNAVAILABLE
from tests.browser.server import ROOT
from tests.stream.clients import PublisherClient

_AGAIN_AFTER_S = 0.25


class Camera:
    """The process, seen from a test."""

    def __init__(self, url: str, session: str, token: str) -> None:
        self._command = [sys.executable, "-m", "tests.scenarios.camera", url, session, token]
        self._process: asyncio.subprocess.Process | None = None

    async def publish(self) -> Self:
        """Until the server has taken the offer."""
        self._process = await asyncio.create_subprocess_exec(*self._command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            said = await self._process.stdout.readline()
        assert said == b"on air\n", "the camera could not publish; its own words are above"
        return self

    async def vanish(self) -> None:
        """SIGKILL: no DELETE, no goodbye of any layer."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def _offered(http: aiohttp.ClientSession, address: str, offer: str) -> str | None:
    """The server's answer; None while its media process is away, as a page asks again then."""
    async with http.post(address, data=offer) as answer:
        said = await answer.text()
        if answer.status == MEDIA_UNAVAILABLE.status and MEDIA_UNAVAILABLE.code in said:
            return None
        assert answer.status == 201, said
        return said


async def _main(url: str, session: str, token: str) -> None:
    publisher = PublisherClient()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with aiohttp.ClientSession(headers=headers) as http:
        address, offer = f"{url}/api/sessions/{session}/whip", await publisher.offer()
        while (said := await _offered(http, address, offer)) is None:
            await asyncio.sleep(_AGAIN_AFTER_S)
        await publisher.answer(said)
        print("on air", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
