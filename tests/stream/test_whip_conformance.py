"""RFC 9725 (WHIP) and draft-ietf-wish-whep, sentence by sentence, over plain HTTP to an installation as it is run.

Only what a client without any knowledge of us can see: status, headers, bodies. Section numbers are RFC 9725's; WHEP says the
same unless its own are given.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest

from tests.browser.server import Server
from tests.stream.clients import PublisherClient, SubscriberClient, until

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


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """`tellercast serve --demo` with the seeded show live."""
    server = Server(tmp_path_factory.mktemp("whip") / "tellercast", environ={"TELLERCAST_ICE_SERVERS": STUN}).start()
    try:
        tokens = {
            name: str(_asked(server, "POST", "/api/demo/login", {"as": name})["token"]) for name in ("adviser-1", "customer-c3")
        }
        show = _asked(server, "GET", "/api/shows", token=tokens["adviser-1"])["upcoming"][0]["id"]
        session = _asked(server, "POST", f"/api/shows/{show}/start", {}, tokens["adviser-1"])["session"]
        yield Doors(server, str(session), tokens)
    finally:
        server.stop()


def _asked(server: Server, method: str, path: str, body: object = None, token: str = "") -> dict[str, Any]:
    """What the API answers to who holds `token`; fails when it refuses."""

    async def ask() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = aiohttp.request(method, server.url + path, json=body, headers=headers, raise_for_status=True)
        async with sent as answer:
            return dict(await answer.json())

    return asyncio.run(ask())


@pytest.fixture
async def publisher() -> AsyncIterator[PublisherClient]:
    client = PublisherClient()
    yield client
    await client.close()


@pytest.fixture
async def viewer() -> AsyncIterator[SubscriberClient]:
    client = SubscriberClient()
    yield client
    await client.close()


async def _on_air(doors: Doors, publisher: PublisherClient) -> Answer:
    """The publisher is connected, so that there is something to watch."""
    created = await doors.open("whip", await publisher.offer())
    await publisher.answer(created.text)
    await until(lambda: publisher.pc.connectionState == "connected")
    return created


# 4.2: the session is set up by POST, and ended by DELETE.


async def test_post_creates_and_delete_ends(doors: Doors, publisher: PublisherClient) -> None:
    created = await _on_air(doors, publisher)
    assert created.headers["Content-Type"].split(";")[0] == SDP
    assert re.fullmatch(r'"[\x21\x23-\x7e]+"', created.headers["ETag"])  # strong: RFC 9110 8.8.3
    own = created.headers["Location"]
    assert urljoin(doors.url, own).startswith(doors.url)
    ended = await doors.ask("DELETE", own, If_Match='"of another ICE session"')  # 4.3.1: any entity tag is ignored there
    assert (ended.status, ended.text) == (200, "")
    await until(lambda: publisher.pc.connectionState in ("closed", "failed"))  # DTLS is told, not only left to time out
    assert (await doors.ask("DELETE", own)).status == 404
    assert (await doors.ask("PATCH", own, TRICKLE, Content_Type=FRAGMENT, If_Match="*")).status == 404


async def test_each_session_has_an_address_of_its_own_that_can_not_be_guessed(doors: Doors, publisher: PublisherClient) -> None:
    offer = await publisher.offer()
    first, second = [(await doors.open("whip", offer)).headers["Location"] for _ in range(2)]
    assert first != second
    assert len(first.rpartition(".")[2]) * 4 >= 128  # bits: RFC 4086 by way of section 5
    changed = first[:-1] + ("0" if first[-1] != "0" else "1")
    assert (await doors.ask("DELETE", changed)).status in (403, 404)
    assert (await doors.ask("DELETE", first, by="customer-c3")).status == 403
    assert (await doors.ask("DELETE", first)).status == 200


async def test_only_sdp_is_taken(doors: Doors, publisher: PublisherClient) -> None:
    offer = await publisher.offer()
    for way in ("whip", "whep"):
        path = doors.at(way)
        for content_type in ("application/json", "text/plain", FRAGMENT):
            refused = await doors.ask("POST", path, offer, Content_Type=content_type)
            assert (refused.status, refused.code) == (415, "wrong_content_type"), (way, content_type)
        assert (await doors.ask("POST", path, offer)).status == 415  # none is not SDP either
        for body in ("", "{}", "v=0\r\n", offer.replace("a=ice-ufrag", "a=ice-nothing"), "m=" * 40_000):
            refused = await doors.ask("POST", path, body, Content_Type=SDP)
            assert 400 <= refused.status < 500, (way, body[:20])
            assert refused.status != 415
    created = await doors.ask("POST", doors.at("whip"), offer, Content_Type="Application/SDP; charset=utf-8")
    assert created.status == 201  # media types are case-insensitive and may carry parameters: RFC 9110 8.3.1
    await doors.ask("DELETE", created.headers["Location"])


async def test_an_answer_that_is_not_wanted_is_406(doors: Doors, publisher: PublisherClient) -> None:
    offer = await publisher.offer()
    for accept, status in (("text/html", 406), ("application/sdp", 201), ("text/html, application/*;q=0.5", 201), ("*/*", 201)):
        answer = await doors.ask("POST", doors.at("whip"), offer, Content_Type=SDP, Accept=accept)
        assert answer.status == status, accept


async def test_the_answer_runs_one_way(doors: Doors, publisher: PublisherClient, viewer: SubscriberClient) -> None:
    """4.2 and 4.4: recvonly to a publisher, sendonly to a viewer, whatever was offered; one bundle, RTCP in the same stream."""
    offer = (await publisher.offer()).replace("a=sendonly", "a=sendrecv")
    answer = (await doors.open("whip", offer)).text
    assert answer.count("a=recvonly") == answer.count("m=") == 2
    created = await _on_air(doors, publisher)
    offered = (await viewer.offer()).replace("a=recvonly", "a=sendrecv")
    watched = (await doors.open("whep", offered, by="customer-c3")).text
    assert watched.count("a=sendonly") == watched.count("m=") == 2
    for text in (created.text, watched):
        assert not re.search("a=(sendrecv|inactive)", text)
        assert len(re.findall("a=group:BUNDLE", text)) == 1
        assert text.count("a=rtcp-mux\r\n") == text.count("m=")
        assert "a=setup:passive" in text  # the client takes the DTLS client's part, as who offers actpass expects
    streams = {line.split(" ")[0] for line in watched.splitlines() if line.startswith("a=msid:")}
    assert len(streams) == 1  # 4.4.2: a single MediaStream


async def test_offers_that_run_the_wrong_way_are_refused(
    doors: Doors, publisher: PublisherClient, viewer: SubscriberClient
) -> None:
    sending, receiving = await publisher.offer(), await viewer.offer()
    assert (await doors.ask("POST", doors.at("whip"), receiving, Content_Type=SDP)).status == 400
    assert (await doors.ask("POST", doors.at("whip"), sending.replace("sendonly", "inactive"), Content_Type=SDP)).status == 400
    await _on_air(doors, publisher)
    for offer in (sending, receiving.replace("recvonly", "inactive")):
        assert (await doors.ask("POST", doors.at("whep"), offer, by="customer-c3", Content_Type=SDP)).status == 400


async def test_a_track_in_no_format_of_ours_refuses_the_whole(doors: Doors, publisher: PublisherClient) -> None:
    """4.4.3: no partially successful answers."""
    offer = (await publisher.offer()).replace("H264/90000", "H265/90000")
    refused = await doors.ask("POST", doors.at("whip"), offer, Content_Type=SDP)
    assert (400 <= refused.status < 500, refused.code) == (True, "unsupported_media")


# 4.3: ICE.


async def test_all_our_candidates_are_in_the_answer(doors: Doors, publisher: PublisherClient) -> None:
    bare = "\r\n".join(line for line in (await publisher.offer()).splitlines() if "candidate" not in line) + "\r\n"
    answer = (await doors.open("whip", bare)).text  # an offer without candidates is as good: 4.3.2
    assert "a=ice-lite" in answer
    assert re.search(r"a=candidate:\S+ 1 udp \d+ \S+ \d+ typ host", answer)
    assert "a=end-of-candidates" in answer


@pytest.mark.parametrize("way", ["whip", "whep"])
async def test_trickled_candidates(doors: Doors, publisher: PublisherClient, viewer: SubscriberClient, way: str) -> None:
    created = await _on_air(doors, publisher)
    if way == "whep":
        created = await doors.open("whep", await viewer.offer())
    own, tag = created.headers["Location"], created.headers["ETag"]
    for body in (TRICKLE, TRICKLE.replace("192.0.2.1", "no.such.host.invalid"), "a=end-of-candidates\r\n"):
        taken = await doors.ask("PATCH", own, body, Content_Type=FRAGMENT, If_Match=tag)
        assert (taken.status, taken.text, "ETag" in taken.headers) == (204, "", False), body
    without = await doors.ask("PATCH", own, TRICKLE, Content_Type=FRAGMENT)
    assert (without.status, without.code) == (428, "tag_missing")
    for stale in ('"of another ICE session"', f"W/{tag}"):  # If-Match compares strongly: RFC 9110 13.1.1
        refused = await doors.ask("PATCH", own, TRICKLE, Content_Type=FRAGMENT, If_Match=stale)
        assert (refused.status, refused.code) == (412, "tag_stale"), stale
    for content_type in (SDP, "application/json"):
        assert (await doors.ask("PATCH", own, TRICKLE, Content_Type=content_type, If_Match=tag)).status == 415
    assert (await doors.ask("PATCH", own, "nonsense", Content_Type=FRAGMENT, If_Match=tag)).status == 400
    assert (await doors.ask("PATCH", own, TRICKLE, Content_Type=FRAGMENT, If_Match=tag)).status == 204  # nothing of that hurt


@pytest.mark.parametrize("way", ["whip", "whep"])
async def test_ice_restarts(doors: Doors, publisher: PublisherClient, viewer: SubscriberClient, way: str) -> None:
    created = await _on_air(doors, publisher)
    if way == "whep":
        created = await doors.open("whep", await viewer.offer())
    own, before = created.headers["Location"], created.headers["ETag"]
    fresh = await doors.ask("PATCH", own, RESTART, Content_Type=FRAGMENT, If_Match="*")
    assert (fresh.status, fresh.headers["Content-Type"].split(";")[0]) == (200, FRAGMENT)
    for name in ("ice-ufrag", "ice-pwd"):
        [value] = re.findall(rf"^a={name}:(\S+)", fresh.text, re.MULTILINE)
        assert value not in created.text, f"{name} is the old one"
    assert "a=ice-lite" in fresh.text
    assert "a=candidate:" in fresh.text
    tag = fresh.headers["ETag"]
    assert tag != before
    assert (await doors.ask("PATCH", own, TRICKLE, Content_Type=FRAGMENT, If_Match=before)).status == 412
    assert (await doors.ask("PATCH", own, TRICKLE, Content_Type=FRAGMENT, If_Match=tag)).status == 204
    # As the RFC's own example writes it; and new credentials under the current tag, alone or in a list, mean nothing else.
    for i, written in enumerate(('"*"', "{}", '"another", {}')):
        again = RESTART.replace("ysXw", f"ysX{i}")
        fresh = await doors.ask("PATCH", own, again, Content_Type=FRAGMENT, If_Match=written.format(tag))
        assert fresh.status == 200, written
        tag = fresh.headers["ETag"]
    # Not followed by checks from new credentials, it has changed nothing: the session lives on.
    assert publisher.pc.connectionState == "connected"
    assert (await doors.ask("DELETE", own)).status == 200


# 4.2 and Fetch: who comes from a page elsewhere.


@pytest.mark.parametrize("way", ["whip", "whep"])
async def test_cors(doors: Doors, publisher: PublisherClient, way: str) -> None:
    preflight = {"Origin": OTHER_SITE, "Access_Control_Request_Headers": "authorization,content-type"}
    asked = await doors.ask("OPTIONS", doors.at(way), by=None, Access_Control_Request_Method="POST", **preflight)
    assert 200 <= asked.status < 300
    assert asked.headers["Accept-Post"] == SDP
    assert _allows(asked, "POST", "authorization", "content-type")
    assert not asked.links  # 4.6: a preflight is told no TURN credentials
    asked = await doors.ask("OPTIONS", doors.at(way) + "/rsc_1", by=None, Access_Control_Request_Method="PATCH", **preflight)
    assert asked.headers["Accept-Patch"] == FRAGMENT
    assert _allows(asked, "PATCH", "authorization", "content-type", "if-match")
    assert _allows(asked, "DELETE", "authorization")

    refusals = [
        await doors.ask("POST", doors.at(way), "v=0", by=None, Content_Type=SDP, Origin=OTHER_SITE),
        await doors.ask("POST", doors.at(way), "v=0", Content_Type=SDP, Origin=OTHER_SITE),
        await doors.ask("DELETE", doors.at(way) + "/rsc_1", Origin=OTHER_SITE),
    ]
    created = await doors.ask("POST", doors.at("whip"), await publisher.offer(), Content_Type=SDP, Origin=OTHER_SITE)
    for answer in (*refusals, created):
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", OTHER_SITE)
        exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
        assert {"location", "etag", "link", "retry-after"} <= exposed


def _allows(preflight: Answer, method: str, *headers: str) -> bool:
    methods = {name.strip() for name in preflight.headers["Access-Control-Allow-Methods"].split(",")}
    allowed = {name.strip().lower() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")}
    return method in methods and set(headers) <= allowed and preflight.headers["Access-Control-Allow-Origin"] == "*"


# 4.5 to 4.7: elsewhere, later, who.


async def test_nobody_is_sent_elsewhere_by_a_redirect_that_turns_post_into_get(doors: Doors) -> None:
    for way in ("whip", "whep"):
        for url in (doors.at(way), doors.at(way) + "/", doors.at(way) + "/rsc_1"):
            for by in ("", None):
                for method in ("POST", "PATCH", "DELETE", "OPTIONS"):
                    answer = await doors.ask(method, url, "v=0", by=by, Content_Type=SDP, Accept="text/html")
                    assert answer.status not in (301, 302, 303), (method, url)


async def test_methods_without_a_meaning_are_405_and_say_which_have_one(doors: Doors) -> None:
    for way in ("whip", "whep"):
        for method in ("PUT", "PATCH", "DELETE"):
            refused = await doors.ask(method, doors.at(way))
            assert (refused.status, "POST" in refused.headers["Allow"]) == (405, True), (way, method)
        for method in ("PUT", "POST"):
            refused = await doors.ask(method, doors.at(way) + "/rsc_1")
            assert (refused.status, "PATCH" in refused.headers["Allow"]) == (405, True), (way, method)


async def test_ice_servers_are_told_with_the_answer(doors: Doors, publisher: PublisherClient) -> None:
    created = await _on_air(doors, publisher)
    assert f'<{STUN}>; rel="ice-server"' in created.links


async def test_bearer_tokens(doors: Doors, publisher: PublisherClient) -> None:
    offer = await publisher.offer()
    own = (await doors.open("whip", offer)).headers["Location"]
    for method, url in (("POST", doors.at("whip")), ("POST", doors.at("whep")), ("PATCH", own), ("DELETE", own)):
        refused = await doors.ask(method, url, offer, by=None, Content_Type=SDP)
        assert (refused.status, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Bearer"), method  # RFC 6750 3
        forged = await doors.ask(method, url, offer, by=None, Content_Type=SDP, Authorization="Bearer forged")
        assert forged.status == 401
    refused = await doors.ask("POST", doors.at("whip"), offer, by="customer-c3", Content_Type=SDP)
    assert (refused.status, refused.code) == (403, "forbidden")
    lower = await doors.ask("DELETE", own, by=None, Authorization=f"bearer {doors.tokens['adviser-1']}")
    assert lower.status == 200  # the scheme's name is case-insensitive: RFC 9110 11.1


async def test_unknown_sessions_are_404(doors: Doors, publisher: PublisherClient) -> None:
    offer = await publisher.offer()
    for way in ("whip", "whep"):
        nowhere = f"{doors.url}/api/sessions/ses_nothing/{way}"
        assert (await doors.ask("POST", nowhere, offer, Content_Type=SDP)).status == 404
        assert (await doors.ask("DELETE", doors.at(way) + "/rsc_1")).status == 404


async def test_before_somebody_sends_viewers_are_told_when_to_ask_again(doors: Doors, viewer: SubscriberClient) -> None:
    """WHEP section 4.2 (playback session set-up)."""
    offer = await viewer.offer()

    async def refused() -> Answer:
        return await doors.ask("POST", doors.at("whep"), offer, by="customer-c3", Content_Type=SDP)

    async with asyncio.timeout(20):  # the publisher of the test before may still be leaving
        while (answer := await refused()).status == 201:
            await doors.ask("DELETE", answer.headers["Location"], by="customer-c3")
    assert (answer.code, int(answer.headers["Retry-After"]) >= 1) == ("stream_not_found", True)


async def test_a_media_process_that_is_away_is_503_and_comes_back(doors: Doors, publisher: PublisherClient) -> None:
    """Last, for what it does to the others: the process that holds all sessions is killed."""
    offer = await publisher.offer()
    created = await doors.open("whip", offer)
    doors.server.kill("media")
    answer = await doors.ask("POST", doors.at("whip"), offer, Content_Type=SDP)
    assert (answer.status, answer.code) == (503, "media_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    async with asyncio.timeout(30):
        while answer.status == 503:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.1)
            answer = await doors.ask("POST", doors.at("whip"), offer, Content_Type=SDP)
    assert answer.status == 201
    assert (await doors.ask("DELETE", created.headers["Location"])).status == 404  # it went with the process


# What WHEP's extension for layers was for; the body is ours.


async def test_a_viewer_chooses_its_quality(doors: Doors, publisher: PublisherClient, viewer: SubscriberClient) -> None:
    await _on_air(doors, publisher)
    created = await doors.open("whep", await viewer.offer(), by="customer-c3")
    [link] = [link for link in created.links if 'rel="urn:ietf:params:whep:ext:core:layer"' in link]
    layer = link.partition(">")[0].removeprefix("<")
    assert layer == created.headers["Location"] + "/layer"
    for body, by, status in (
        ('{"quality": "audio", "height": 720}', "customer-c3", 204),
        ('{"quality": "best"}', "customer-c3", 400),
        ("{}", "adviser-1", 403),
    ):
        assert (await doors.ask("POST", layer, body, by=by, Content_Type="application/json")).status == status
    asked = await doors.ask("OPTIONS", layer, by=None, Origin=OTHER_SITE, Access_Control_Request_Method="POST")
    assert asked.headers["Accept-Post"] == "application/json"
    assert (await doors.ask("DELETE", created.headers["Location"], by="customer-c3")).status == 200
    assert (await doors.ask("POST", layer, "{}", by="customer-c3", Content_Type="application/json")).status == 404
