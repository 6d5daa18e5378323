"""WHIP and WHEP from a client's HTTP request through the internal API to the media process, and back."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiortc.rtcdtlstransport import generate_certificate
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.clock import ManualClock
from core.errors import FORBIDDEN, NOT_FOUND, Refused, Unavailable
from core.http import PERSON
from core.identity import Person, Role
from stream import whip
from stream.client import MEDIA_CLIENT, MediaClient
from stream.errors import BAD_OFFER, FEED_AHEAD, FEED_ANEW, MEDIA_UNAVAILABLE, STREAM_NOT_FOUND
from stream.ice_servers import IceServer, TurnServers
from stream.routes import internal_app
from stream.whip import FRAGMENT, MEDIA_DOOR, SDP, WHIP_SETTINGS, Grant, WhipSettings
from tests.stream.clients import until
from tests.stream.conftest import Clients, House

SECRET = "shared"
_TURN = re.compile(
    r'<(?P<url>[^>]+)>; rel="ice-server"; username="(?P<username>\d+:[0-9a-f]+)"; '
    r'credential="[^"]+"; credential-type="password"'
)


class Door:
    """Lets advisers publish and everybody watch."""

    async def publish_grant(self, request: web.Request, session_id: str) -> Grant:
        person = request[PERSON]
        assert isinstance(person, Person)
        if person.role is not Role.ADVISER:
            raise Refused(FORBIDDEN)
        return Grant("host", datetime.now(UTC))

    async def subscribe_grant(self, request: web.Request, session_id: str, stream: str | None) -> Grant:
        return Grant(stream or "host", datetime.now(UTC))


@web.middleware
async def front(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """What the roof does: who is asking, and refusals as problems."""
    name = request.headers.get("X-Person", "adviser-1")
    request[PERSON] = Person(name, Role.ADVISER if name.startswith("adviser") else Role.CUSTOMER, name)
    try:
        return await handler(request)
    except Refused as refused:
        headers = {"Retry-After": str(refused.retry_after)} if isinstance(refused, Unavailable) else {}
        return web.json_response(refused.to_json(), status=refused.problem.status, headers=headers)


@dataclass
class Site:
    """The web side before a media process."""

    base: str
    http: aiohttp.ClientSession
    client: MediaClient
    socket: str

    async def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, aiohttp.ClientResponse]:
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.http.request(method, self.base + path, data=body.encode(), headers=named) as response:
            return response.status, await response.text(), response


@pytest.fixture
async def site(house: House, tmp_path: Path) -> AsyncIterator[Site]:
    inner = web.AppRunner(internal_app(house.hub, house.feed, SECRET))
    await inner.setup()
    socket = str(tmp_path / "media.sock")
    await web.UnixSite(inner, socket).start()
    client = MediaClient(socket, SECRET)
    app = web.Application(middlewares=[front])
    app[MEDIA_DOOR] = Door()
    app[MEDIA_CLIENT] = client
    turn = TurnServers(("turn:turn.example.org?transport=udp", "turns:turn.example.org"), b"shared with it", 600, ManualClock())
    app[WHIP_SETTINGS] = WhipSettings(b"0123456789abcdef", (IceServer("stun:stun.example.org"),), turn)
    for route in whip.routes():
        app.router.add_route(route.method, route.path, route.handler)
    outer = web.AppRunner(app)
    await outer.setup()
    await web.TCPSite(outer, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        yield Site(f"http://127.0.0.1:{outer.addresses[0][1]}", http, client, socket)
    await outer.cleanup()
    await client.close()
    await inner.cleanup()


async def test_publish_watch_restart_and_stop(site: Site, house: House, clients: Clients) -> None:
    publisher, viewer = clients.publisher(brightness=120), clients.subscriber()
    status, answer, response = await site.ask("POST", "/api/sessions/ses_1/whip", await publisher.offer(), Content_Type=SDP)
    assert status == 201
    assert response.content_type == SDP
    assert response.headers["ETag"].startswith('"')
    assert response.headers.getall("Link")[0] == '<stun:stun.example.org>; rel="ice-server"'
    own = response.headers["Location"]
    await publisher.answer(answer)
    joined = await first(site.client, 0, "publisher_joined")
    assert joined["stream"] == "host"
    status, answer, response = await site.ask("POST", "/api/sessions/ses_1/whep", await viewer.offer(), Content_Type=SDP)
    assert status == 201
    await viewer.answer(answer)
    await viewer.sees(120)

    frag = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
    tag = response.headers["ETag"]
    seen = response.headers["Location"]
    assert (await site.ask("PATCH", seen, frag, Content_Type=FRAGMENT))[0] == 428
    assert (await site.ask("PATCH", seen, frag, Content_Type=FRAGMENT, If_Match='"old"'))[0] == 412
    assert (await site.ask("PATCH", seen, frag, Content_Type=SDP, If_Match=tag))[0] == 415
    assert (await site.ask("PATCH", seen, "nonsense", Content_Type=FRAGMENT, If_Match=tag))[0] == 400
    trickled = "a=end-of-candidates\r\n"
    assert (await site.ask("PATCH", seen, trickled, Content_Type=FRAGMENT, If_Match=tag))[0] == 204
    status, text, restarted = await site.ask("PATCH", seen, frag, Content_Type=FRAGMENT, If_Match="*")
    assert status == 200
    assert "a=ice-ufrag:" in text
    assert restarted.headers["ETag"] != tag
    await viewer.sees(120)  # the restart was not followed up, and nothing is lost by that

    assert (await site.ask("DELETE", own, X_Person="customer-1"))[0] == 403
    assert (await site.ask("DELETE", "/api/sessions/ses_1/whip/rsc_1"))[0] == 404
    assert (await site.ask("DELETE", own.replace("/whip/", "/whep/")))[0] == 403
    assert (await site.ask("DELETE", own))[0] == 200
    assert (await site.ask("DELETE", own))[0] == 404
    left = await first(site.client, joined["n"], "publisher_left")
    assert left["reason"] == "left"


async def first(client: MediaClient, after: int, kind: str) -> dict[str, object]:
    async with asyncio.timeout(15):
        async for record in client.feed(after):
            if record["kind"] == kind:
                return record
    raise AssertionError("the feed ended")


async def test_refusals_as_the_rfc_says(site: Site) -> None:
    path = "/api/sessions/ses_1/whip"
    assert (await site.ask("POST", path, "{}", Content_Type="application/json"))[0] == 415
    assert (await site.ask("POST", path, "v=0", Content_Type=SDP, Accept="text/html"))[0] == 406
    status, text, _ = await site.ask("POST", path, "v=0", Content_Type=SDP)
    assert (status, json.loads(text)["code"]) == (400, "bad_offer")
    assert (await site.ask("POST", path, "v=0", Content_Type=SDP, X_Person="customer-1"))[0] == 403
    assert (await site.ask("GET", path))[0] == 405
    status, _, response = await site.ask("OPTIONS", path)
    assert (status, response.headers["Accept-Post"]) == (204, SDP)
    status, text, response = await site.ask("POST", "/api/sessions/ses_1/whep", "v=0", Content_Type=SDP)
    assert (status, json.loads(text)["code"], response.headers["Retry-After"]) == (404, "stream_not_found", "1")


async def test_each_is_told_the_turn_servers_with_credentials_of_his_own(site: Site, clients: Clients) -> None:
    names = {}
    for person in ("adviser-1", "adviser-2"):
        offer = await clients.publisher().offer()
        status, _, response = await site.ask("POST", "/api/sessions/ses_1/whip", offer, Content_Type=SDP, X_Person=person)
        assert status == 201
        _, *turn = response.headers.getall("Link")
        found = [_TURN.fullmatch(link) for link in turn]
        assert [match and match["url"] for match in found] == ["turn:turn.example.org?transport=udp", "turns:turn.example.org"]
        told = {match["username"] for match in found if match}
        assert len(told) == 1
        names[person] = told.pop()
    expiry = int(ManualClock().now().timestamp()) + 600
    assert {name.partition(":")[0] for name in names.values()} == {str(expiry)}
    assert names["adviser-1"] != names["adviser-2"]
    assert not any("adviser" in name for name in names.values())


async def test_a_preflight_tells_no_turn_server(site: Site) -> None:
    for path in ("whip", "whep", "whip/rsc_1.mac"):
        _, _, response = await site.ask("OPTIONS", f"/api/sessions/ses_1/{path}")
        assert "Link" not in response.headers


async def test_the_client_tells_refusals_apart(site: Site) -> None:
    client = site.client
    for call, problem in (
        (client.publish("ses_1", "host", datetime.now(UTC), "v=0"), BAD_OFFER),
        (client.subscribe("ses_1", "host", "v=0"), STREAM_NOT_FOUND),
        (client.delete("rsc_nothing"), NOT_FOUND),
        (client.ack(10_000), FEED_AHEAD),
        (anext(client.feed(10_000)), FEED_AHEAD),
        (client.ack(0, "another"), FEED_ANEW),
        (anext(client.feed(0, "another")), FEED_ANEW),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.problem is problem
    assert await client.healthy()
    await client.close_session("ses_1")
    record = await first(client, 0, "session_closed")
    await client.ack(int(str(record["n"])), await client.feed_id())
    assert (await client.health()).unacknowledged == 0


async def test_a_wrong_secret_or_no_media_process_is_unavailable(site: Site, tmp_path: Path) -> None:
    for client in (MediaClient(site.socket, "wrong"), MediaClient(str(tmp_path / "nothing.sock"), SECRET)):
        async with client:
            with pytest.raises(Unavailable) as refused:
                await client.close_session("ses_1")
            assert refused.value.problem is MEDIA_UNAVAILABLE
    async with MediaClient(str(tmp_path / "nothing.sock"), SECRET) as away:
        assert not await away.healthy()
        with pytest.raises(Unavailable):
            await anext(away.feed(0))


async def test_figures_name_sessions_and_so_want_the_secret(site: Site) -> None:
    connector = aiohttp.UnixConnector(site.socket)
    async with aiohttp.ClientSession(connector=connector) as http:
        async with http.get("http://media/metrics", headers={"Authorization": f"Bearer {SECRET}"}) as response:
            assert "tellercast_media_publishers" in await response.text()
        for path in ("/metrics", "/v1/feed"):
            async with http.get("http://media" + path) as response:
                assert response.status == 401
        async with http.get("http://media/healthz") as response:
            assert response.status == 200


@pytest.fixture
def own_certificate(tmp_path: Path) -> list[str]:
    """FFmpeg on GnuTLS makes itself a P-224 key, which OpenSSL 4 knows no more ("wrong curve"); it can be given another."""
    key = ec.generate_private_key(ec.SECP256R1())
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(generate_certificate(key).public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return [f"cert_file={cert_file}", f"key_file={key_file}"]


@pytest.mark.parametrize("options", [[], ["whip_flags=dtls_active"]], ids=["we_begin_the_handshake", "ffmpeg_begins_it"])
async def test_ffmpeg_publishes(site: Site, house: House, own_certificate: list[str], options: list[str]) -> None:
    command = ["-m", "tests.stream.whip_muxer", f"{site.base}/api/sessions/ses_1/whip", *own_certificate, *options]
    muxer = await asyncio.create_subprocess_exec(sys.executable, *command)
    try:
        left = await first(site.client, 0, "publisher_left")
        async with asyncio.timeout(15):
            assert await muxer.wait() == 0
    finally:
        if muxer.returncode is None:
            muxer.kill()
            await muxer.wait()
    assert left["reason"] == "left"
    sink = house.sinks[0]
    assert sink.tracks == {"audio": ("opus", 48_000), "video": ("H264", 90_000)}
    kinds = [kind for kind, *_ in sink.packets]
    assert kinds.count("video") >= 25
    assert kinds.count("audio") >= 40


async def test_one_person_can_not_fill_the_house(site: Site, house: House, clients: Clients) -> None:
    offer, path = await clients.publisher().offer(), "/api/sessions/ses_1/whip"
    for _ in range(20):
        assert (await site.ask("POST", path, offer, Content_Type=SDP))[0] == 201
    await until(lambda: len(house.hub._resources) == 16)
    assert (await site.ask("POST", path, offer, Content_Type=SDP, X_Person="adviser-2"))[0] == 201
    assert len(house.hub._resources) == 17
