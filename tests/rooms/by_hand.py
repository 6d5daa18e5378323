"""An Engine.IO client without a library: what it sends, and when, is the test's."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from tests.rooms.house import House

WEBSOCKET, POLLING = "/socket.io/?EIO=4&transport=websocket", "/socket.io/?EIO=4&transport=polling"


class Polling:
    """An Engine.IO client by hand that begins with polling."""

    def __init__(self, http: aiohttp.ClientSession, house: House) -> None:
        self._http, self._house, self.sid = http, house, ""

    async def open(self, person: str) -> None:
        opening = (await self.poll())[0]
        assert opening.startswith("0{")
        self.sid = str(json.loads(opening[1:])["sid"])
        await self.post('40/room,{"token":"%s"}' % self._house.token(person))  # noqa: UP031 - braces
        assert (await self.poll())[0].startswith("40/room,")

    @property
    def query(self) -> str:
        return f"&sid={self.sid}" if self.sid else ""

    async def poll(self) -> list[str]:
        async with self._http.get(self._house.url + POLLING + self.query) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.text()).split("\x1e")

    async def post(self, packet: str) -> None:
        async with self._http.post(self._house.url + POLLING + self.query, data=packet) as answer:
            assert answer.status == 200

    def socket(self) -> Any:
        return self._http.ws_connect(self._house.url + WEBSOCKET + self.query)
