"""The WHIP and WHEP doors of an installation as it is run, and what an HTTP client without any knowledge of us sees there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp

from tests.browser.server import Server
from tests.stream.clients import PublisherClient, until

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
STUN = "stun:stun.example.org:3478"
OTHER_SITE = "https://player.example.org"
CANDIDATE = (
    "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n{credentials}"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw network-id 1\r\n"
    "a=end-of-candidates\r\n"
)
RESTART = CANDIDATE.format(credentials="a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n")
TRICKLE = CANDIDATE.format(credentials="")


@dataclass(frozen=True)
class Answer:
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    links: tuple[str, ...]
    text: str

    @property
    def code(self) -> str:
        """The problem's code (RFC 9457)."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.headers
        return str(json.loads(self.text)["code"])


@dataclass(frozen=True)
class Doors:
    """A live show's two doors, and bearer tokens for them."""

    server: Server
    session: str
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return self.server.url

    def at(self, way: str) -> str:
        return f"{self.url}/api/sessions/{self.session}/{way}"

    async def ask(self, method: str, url: str, body: str = "", *, by: str | None = "", **headers: str) -> Answer:
        """`by` names who asks: by default the adviser; None for nobody."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            named["Authorization"] = f"Bearer {self.tokens[by or 'adviser-1']}"
        async with aiohttp.ClientSession(skip_auto_headers=("Content-Type", "Accept")) as http:
            sent = http.request(method, urljoin(self.url, url), data=body.encode(), headers=named, allow_redirects=False)
            async with sent as response:
                links = tuple(response.headers.getall("Link", ()))
                return Answer(response.status, response.headers, links, await response.text())

    async def open(self, way: str, offer: str, *, by: str = "") -> Answer:
        answer = await self.ask("POST", self.at(way), offer, by=by, Content_Type=SDP)
        assert answer.status == 201, answer.text
        return answer


async def on_air(doors: Doors, publisher: PublisherClient) -> Answer:
    """The publisher is connected, so that there is something to watch."""
    created = await doors.open("whip", await publisher.offer())
    await publisher.answer(created.text)
    await until(lambda: publisher.pc.connectionState == "connected")
    return created
