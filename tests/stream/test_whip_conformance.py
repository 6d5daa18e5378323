"""RFC 9725 (WHIP) and draft-ietf-wish-whep, sentence by sentence, over plain HTTP to an installation as it is run.

Only what a client without any knowledge of us can see: status, headers, bodies. Section numbers are RFC 9725's; WHEP says the
same unless its own are given. Here: setting up, ICE and ending; who may ask, from where and when is in `test_whip_doors.py`.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from tests.stream.clients import PublisherClient, SubscriberClient, until
from tests.stream.doors import FRAGMENT, OTHER_SITE, RESTART, SDP, TRICKLE, Doors, on_air

# 4.2: the session is set up by POST, and ended by DELETE.


async def test_post_creates_and_delete_ends(doors: Doors, publisher: PublisherClient) -> None:
    created = await on_air(doors, publisher)
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
    created = await on_air(doors, publisher)
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
    await on_air(doors, publisher)
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
    created = await on_air(doors, publisher)
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
    created = await on_air(doors, publisher)
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


# What WHEP's extension for layers was for; the body is ours.


async def test_a_viewer_chooses_its_quality(doors: Doors, publisher: PublisherClient, viewer: SubscriberClient) -> None:
    await on_air(doors, publisher)
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
