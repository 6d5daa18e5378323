"""RFC 9725 (WHIP) and draft-ietf-wish-whep over plain HTTP: who may ask, from where, by which method, and when to ask again.

Section numbers are RFC 9725's; WHEP says the same unless its own are given.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.stream.clients import PublisherClient, SubscriberClient
from tests.stream.doors import FRAGMENT, OTHER_SITE, SDP, STUN, Answer, Doors, on_air

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
    created = await on_air(doors, publisher)
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
