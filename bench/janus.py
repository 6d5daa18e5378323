"""The peer beside us: Janus (Debian's `janus`) with its streaming plugin alone, one RTP mountpoint, as a child process.

It is asked through its Unix socket (no polling) and otherwise as its package has it: full ICE, no helper threads, its own
choice among the SRTP profiles that the viewers offer.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.descriptions import AUDIO_TYPE, VIDEO_TYPE
from bench.pictures import PROFILE

_MOUNTPOINT = 1
_ANSWER_WITHIN_S = 15.0
# It ends with this process, whatever ends that.
_WITH_US = ("setpriv", "--pdeathsig", "KILL")
_LOG_TOLD = 500
# Its Unix socket ends at once when its thread runs before the plugin says that it is initialized: one start in eight, in 1.1.2.
_STARTS = 6
_START_WITHIN_S, _PING_WITHIN_S = 5.0, 1.0
_MESSAGE_BYTES = 64 * 1024
_MODULES = "/usr/lib/*/janus"

_MAIN = """\
general: {{ configs_folder = "{folder}" plugins_folder = "{modules}/plugins" transports_folder = "{modules}/transports"
  events_folder = "{modules}/events" loggers_folder = "{modules}/loggers" debug_level = 2 }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
_UNIX = """\
general: {{ enabled = true json = "compact" path = "{path}" type = "SOCK_SEQPACKET" }}
admin: {{ admin_enabled = false }}
"""
_STREAMING = """\
bench: {{ type = "rtp" id = {mountpoint} audio = true video = true
  audioport = {audio} audiopt = {audio_type} audiocodec = "opus" audioiface = "127.0.0.1"
  videoport = {video} videopt = {video_type} videocodec = "h264" videoiface = "127.0.0.1"
  videofmtp = "profile-level-id={profile};packetization-mode=1" }}
"""


@dataclass(frozen=True, slots=True)
class Janus:
    """A running one: its process, its API's socket and the mountpoint's ports."""

    pid: int
    api: str
    audio_port: int
    video_port: int


@asynccontextmanager
async def janus() -> AsyncIterator[Janus]:
    """Starts one with a configuration of ours, and ends it."""
    with tempfile.TemporaryDirectory(prefix="tellercast-janus-") as folder:
        api = str(Path(folder) / "api")
        audio_port, video_port = _free_ports(2)
        _configure(Path(folder), api, audio_port, video_port)
        for left in reversed(range(_STARTS)):
            log = Path(folder) / "log"
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    *_WITH_US, "janus", "-F", folder, "-C", f"{folder}/janus.jcfg", stdout=output, stderr=output
                )
            try:
                if await _answers(process, api):
                    yield Janus(process.pid, api, audio_port, video_port)
                    return
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
            if not left:
                raise RuntimeError(f"janus does not answer: {log.read_text()[-_LOG_TOLD:]}")


async def _answers(process: asyncio.subprocess.Process, api: str) -> bool:
    """Whether it comes to answer its API, before it ends and within the time."""
    until = time.monotonic() + _START_WITHIN_S
    while process.returncode is None and time.monotonic() < until:
        if await asyncio.to_thread(_ping, api):
            return True
        await asyncio.sleep(0.05)
    return False


def _ping(api: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.settimeout(_PING_WITHIN_S)
        try:
            asking.connect(api)
            asking.send(json.dumps({"janus": "ping", "transaction": "ping"}).encode())
            return b"pong" in asking.recv(_MESSAGE_BYTES)
        except OSError:  # it is not that far, or never will be
            return False


def _configure(folder: Path, api: str, audio_port: int, video_port: int) -> None:
    modules = next(Path("/").glob(_MODULES.lstrip("/")), None)
    if modules is None:
        raise RuntimeError("Janus is not installed; `make test-tools` installs it")
    others = {
        kind: ",".join(sorted(p.name for p in (modules / kind).glob("*.so") if p.name != wanted))
        for kind, wanted in (("plugins", "libjanus_streaming.so"), ("transports", "libjanus_pfunix.so"))
    }
    main = _MAIN.format(folder=folder, modules=modules, **others)
    (folder / "janus.jcfg").write_text(main)
    (folder / "janus.transport.pfunix.jcfg").write_text(_UNIX.format(path=api))
    streaming = _STREAMING.format(
        mountpoint=_MOUNTPOINT,
        audio=audio_port,
        video=video_port,
        audio_type=AUDIO_TYPE,
        video_type=VIDEO_TYPE,
        profile=PROFILE,
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(streaming)


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.1", 0))
            held.append(udp)
        return [udp.getsockname()[1] for udp in held]
    finally:
        for udp in held:
            udp.close()


class JanusApi:
    """One session of Janus's API; a handle for each viewer. Every answer and event is awaited for a bounded time."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(path)
        self._socket.setblocking(False)
        self._session = 0
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    async def open(self) -> None:
        self._session = (await self._request(janus="create"))["data"]["id"]

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    async def watch(self) -> tuple[int, str]:
        """A handle that is offered the mountpoint, and the offer."""
        attached = await self._request(janus="attach", plugin="janus.plugin.streaming")
        handle: int = attached["data"]["id"]
        event = await self._message(handle, {"request": "watch", "id": _MOUNTPOINT})
        return handle, event["jsep"]["sdp"]

    async def start(self, handle: int, answer: str) -> None:
        await self._message(handle, {"request": "start"}, jsep={"type": "answer", "sdp": answer})

    async def _message(self, handle: int, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        return await self._request(janus="message", handle_id=handle, body=body, **more)

    async def _request(self, **request: Any) -> dict[str, Any]:
        """The answer that follows; a plugin's is an event with the same transaction. Raises RuntimeError for a refusal."""
        transaction = secrets.token_hex(8)
        answer = self._answers[transaction] = asyncio.get_running_loop().create_future()
        if self._session:
            request["session_id"] = self._session
        self._socket.send(json.dumps({**request, "transaction": transaction}).encode())
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                found: dict[str, Any] = await answer
        finally:
            del self._answers[transaction]
        told = found.get("error") or found.get("plugindata", {}).get("data", {}).get("error")
        if told:
            raise RuntimeError(f"janus: {told}")
        return found

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return
        if not data:  # it is gone; whoever waits finds out by the time that is over
            asyncio.get_running_loop().remove_reader(self._socket)
            return
        message = json.loads(data)
        waiting = self._answers.get(message.get("transaction", ""))
        if waiting is not None and not waiting.done() and message["janus"] != "ack":
            waiting.set_result(message)
