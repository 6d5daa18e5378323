"""Firefox, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/) over its own port, with nothing in between."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.ports import free_port

FIREFOX = "/usr/bin/firefox-esr"
_STARTS_WITHIN_S = 60.0
_ANSWERS_WITHIN_S = 45.0
# Nothing is fetched from its makers; media play without a click; loopback is an address like any other.
_PREFERENCES: dict[str, bool | int | str] = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.navigator.mediadatadecoder_h264_enabled": True,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.active-protocols": 1,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
    "toolkit.telemetry.unified": False,
}


class ScriptFailed(Exception):  # noqa: N818 - says what is the case
    """The page's script threw, or BiDi refused the command: the message says which."""


@dataclass
class Firefox:
    """One browser with one page."""

    socket: aiohttp.ClientWebSocketResponse
    context: str = ""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """One BiDi command's result. Raises ScriptFailed when it is refused, TimeoutError when nothing comes back."""
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            while True:
                answer = await self.socket.receive_json()
                if answer.get("id") != number:
                    continue  # an event
                if answer["type"] == "error":
                    raise ScriptFailed(f"{method}: {answer['error']}: {answer['message']}")
                return dict(answer["result"])

    async def goto(self, url: str) -> None:
        await self.command("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """What a function of the page returns, awaited; arguments and result are JSON."""
        source = f"(async () => JSON.stringify(await ({function})(...{json.dumps(arguments)})) ?? 'null')()"
        answer = await self.command("script.evaluate", expression=source, target={"context": self.context}, awaitPromise=True)
        if answer["type"] != "success":
            raise ScriptFailed(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])


@asynccontextmanager
async def firefox(*, h264: bool) -> AsyncIterator[Firefox]:
    """A headless Firefox with a profile of its own, gone afterwards.

    Firefox offers H.264 in WebRTC only where a plugin says it has it: Cisco's OpenH264, fetched from its makers after the first
    start. With `h264` that plugin's description stands in its place, and the system's libavcodec does the decoding; without,
    this is a Firefox that has not fetched it (yet). It sends no H.264 either way: encoding takes the plugin itself.
    """
    folder = Path(tempfile.mkdtemp(prefix="tellercast-firefox-"))
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items())
    (folder / "user.js").write_text("".join(lines))
    environ = _environ(folder)
    if h264:
        environ["MOZ_GMP_PATH"] = str(_described(folder / "gmp-gmpopenh264" / "1.0"))
    port, log = free_port(), folder / "firefox.log"
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", str(port)]
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said, env=environ)
    try:
        async with aiohttp.ClientSession() as http:
            socket = await _connected(http, f"ws://127.0.0.1:{port}/session", process, log)
            browser = Firefox(socket)
            await browser.command("session.new", capabilities={})
            tree = await browser.command("browsingContext.getTree")
            browser.context = tree["contexts"][0]["context"]
            yield browser
            await socket.close()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()
        print(log.read_text(errors="replace")[-3000:])
        shutil.rmtree(folder, ignore_errors=True)


def _environ(home: Path) -> dict[str, str]:
    """A home of its own: Firefox refuses one that belongs to somebody else, and leaves files in it."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "MOZ_CRASHREPORTER_DISABLE": "1", "LANG": "C.UTF-8"}


def _described(plugin: Path) -> Path:
    """What Firefox reads of a media plugin before it needs it."""
    plugin.mkdir(parents=True)
    apis = "encode-video[h264], decode-video[h264]"
    (plugin / "gmpopenh264.info").write_text(f"Name: gmpopenh264\nDescription: H.264\nVersion: 1.0\nAPIs: {apis}\n")
    return plugin


async def _connected(
    http: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process, log: Path
) -> aiohttp.ClientWebSocketResponse:
    async with asyncio.timeout(_STARTS_WITHIN_S):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"Firefox ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
            try:
                return await http.ws_connect(url, max_msg_size=0)
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)  # it is not listening yet
