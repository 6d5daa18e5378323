"""Clients that never read, talk nonsense or shout; after each of them the others still comment and hear each other."""

from __future__ import annotations

import asyncio
import io
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.scenarios.town import Phone, Refusal, Town, until

# More than a client could have unread by mistake; the test ends when the server has had enough, long before.
MOST_EVENTS = 200_000
SOCKET_PATH = "/socket.io/?EIO=4&transport=websocket"
STORMS = 3
NONSENSE = (
    *("", "9", "4", "6", "5", "2probe", "\x00\x01", "4" * 1000),
    *("42", "42/room", "42/room,", "42/room,1", '42/room,1["join"', '42/room,1["join",{"session":7}]'),
    *("42/room,1[[]]", "42/room,1[null]", "42/room,1{}", '42/room,99999999999999999999["comment"]'),
    *("40/nowhere,", "41/room,", "43/room,1[]", "44/room,{}", "45-", "451-/room,["),
    '452-/room,["order",{"_placeholder":true,"num":9}]',
    '42/room,1["' + "[" * 20_000,
    '42/room,1["comment",' + "[" * 5_000 + "]" * 5_000 + "]",
)


@pytest.fixture
def database_url(tmp_path: object) -> str:
    """It is the sockets that are attacked here."""
    return f"sqlite+aiosqlite:///{tmp_path}/tellercast.db"


class Honest:
    """Two who talk to each other, and know when they can't."""

    def __init__(self, town: Town, phones: dict[str, Phone]) -> None:
        self._town, self._phones = town, phones
        self._numbers = itertools.count()

    async def talk(self) -> None:
        """Everybody's comment reaches everybody."""
        number = next(self._numbers)
        for who, phone in self._phones.items():
            words = f"{who} says {number}"
            await until(lambda phone=phone, words=words: self._says(phone, words), f"{words!r} is said", 20)
            for other in self._phones.values():
                await until(lambda phone=other, words=words: _heard(phone, words), f"{words!r} is heard", 20)

    async def _says(self, phone: Phone, words: str) -> bool:
        """Whether it was taken; who has just spoken is told to wait."""
        try:
            await phone.call("comment", {"session": self._town.session, "text": words})
        except Refusal as refusal:
            if refusal.code != "comment_too_fast":
                raise
            return False
        return True


@pytest.mark.timeout(180)
async def test_the_others_keep_their_comments(town: Town) -> None:
    await town.start_show()
    names = await town.crowd(2)
    honest = Honest(town, {name: await town.phone(name) for name in names})
    await honest.talk()
    for deed in (_never_reads, _talks_nonsense, _sends_too_much, _storms, _announces_attachments):
        await deed(town)
        await honest.talk()
    assert "Traceback" not in town.server.log


async def _never_reads(town: Town) -> None:
    """It asks for answers and leaves them lying: bounded memory means that at some point it is thrown out."""
    async with _deaf(town) as (reader, writer):
        event = _frame(f'42/room,1["join",{{"session":"{town.session}"}}]'.encode())
        try:
            for _ in range(MOST_EVENTS):
                writer.write(event)
                await writer.drain()
        except ConnectionError:
            pass
        else:
            raise AssertionError("the server took everything and never lost patience")
        assert reader is not None
    assert "client disconnected" in town.server.log  # slow, or too much asked at once


async def _talks_nonsense(town: Town) -> None:
    names = [f"babbler-{number}" for number in range(len(NONSENSE))]  # one person who came so often would wait
    town.sign_in(*names)
    url = town.server.url + SOCKET_PATH
    for name, words in zip(names, NONSENSE, strict=True):
        hello = f'40/room,{{"token":"{town.tokens[name]}"}}'
        async with town.http.ws_connect(url) as ws:
            await ws.send_str(hello)
            try:
                await ws.send_str(words)
                await ws.send_bytes(words.encode())
                await ws.send_str('42/room,7["leave",{"session":"x"}]')
            except ConnectionError:
                continue  # thrown out at once; that's its own affair


async def _sends_too_much(town: Town) -> None:
    url = town.server.url + SOCKET_PATH
    for size in (70_000, 5_000_000):
        async with town.http.ws_connect(url) as ws:
            with pytest.raises(ConnectionError):  # noqa: PT012 - whichever of the two notices
                await ws.send_str("4" + "x" * size)
                while (await ws.receive()).type not in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.ERROR,
                ):
                    pass
                raise ConnectionResetError
    for path in ("/api/demo/login", "/socket.io/?EIO=4&transport=polling"):
        try:
            async with town.http.post(town.server.url + path, data=io.BytesIO(b"x" * 20_000_000)) as answer:
                assert answer.status in (400, 413), answer.status
        except aiohttp.ClientError:
            continue  # cut off in the middle of it


async def _storms(town: Town) -> None:
    """Into rooms and out of them, into namespaces there are and are not, as fast as it can, on several connections."""
    await town.ask("customer-c5", "GET", "/api/me")
    hello = f'40/room,{{"token":"{town.tokens["customer-c5"]}"}}'
    rooms = [town.session, *(f"ses_{number}" for number in range(20))]
    said = [f'42/room,{number}["join",{{"session":"{room}","after":0}}]' for number, room in enumerate(rooms)]
    said += [
        f'42/room,{number}["{event}",{{"session":"{town.session}"}}]' for number in range(40) for event in ("join", "leave")
    ]
    said += [f"40/nowhere-{number}," for number in range(40)]
    said += [hello.replace("/room", "/desk"), "41/desk,"] * 12  # the last of them wait for their refusals
    heard: list[str] = []
    for _ in range(STORMS):
        async with town.http.ws_connect(town.server.url + SOCKET_PATH) as ws:
            try:
                for words in (hello, *said):
                    await ws.send_str(words)
            except ConnectionError:
                continue  # that was too much at once
            heard += await _until_closed(ws)
    assert any("too_many_requests" in one for one in heard)
    assert any("Invalid namespace" in one for one in heard)


async def _announces_attachments(town: Town) -> None:
    """Those that never come, are too many, too large, or asked for a thousand times."""
    await town.ask("customer-c5", "GET", "/api/me")
    hello = f'40/room,{{"token":"{town.tokens["customer-c5"]}"}}'
    hole = '{"_placeholder":true,"num":0}'
    large = b"x" * 60_000
    for words, parts in (
        (f'451-/room,1["leave",{hole}]', ()),
        ('459999-/room,1["leave"]', (large,) * 3),
        (f'454-/room,1["leave",{hole}]', (large,) * 4),
        (f'451-/room,1["leave",[{",".join([hole] * 2_000)}]]', (large,)),
    ):
        async with town.http.ws_connect(town.server.url + SOCKET_PATH) as ws:
            try:
                await ws.send_str(hello)
                await ws.send_str(words)
                for part in parts:
                    await ws.send_bytes(part)
                await ws.send_str("nonsense")
            except ConnectionError:
                continue  # cut off in the middle of it
            heard = await _until_closed(ws)
            assert not any(len(one) > 2_000 for one in heard), "what it sends does not come back to it"


async def _until_closed(ws: aiohttp.ClientWebSocketResponse) -> list[str]:
    """What it is told until it is cut off, or has nothing more to hear."""
    heard: list[str] = []
    await ws.send_str("40/finally,")
    async with asyncio.timeout(30):
        while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT and not str(message.data).startswith(
            "44/finally,"
        ):
            heard.append(message.data)
    return heard


@asynccontextmanager
async def _deaf(town: Town) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket by hand, on a socket with hardly any room for what it does not read."""
    await town.ask("customer-c3", "GET", "/api/me")
    address = urlsplit(town.server.url)
    assert address.hostname is not None
    assert address.port is not None
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", address.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(
        f"GET {SOCKET_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    writer.write(_frame(f'40/room,{{"token":"{town.tokens["customer-c3"]}"}}'.encode()))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _frame(text: bytes) -> bytes:
    """One masked text frame (RFC 6455, 5.2); the mask is zero, which is allowed and saves the work."""
    length = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + text


async def _heard(phone: Phone, words: str) -> bool:
    return any(event == "comments" and any(one["text"] == words for one in told["comments"]) for event, told in phone.heard)
