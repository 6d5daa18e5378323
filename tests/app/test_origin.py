"""Who comes from where: our own pages, other sites, proxies in front, and clients that are no browser."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from app.origin import OwnSite
from app.settings import Settings
from tests.app.conftest import serve, sign_in

PUBLIC = "https://live.bank.example"
WHIP = "/api/sessions/ses_nothing/whip"


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        (PUBLIC, "10.0.0.7:8080", True),
        ("http://live.bank.example", "10.0.0.7:8080", False),
        ("https://evil.example", "localhost:8080", False),
        ("https://live.bank.example.evil.example", "10.0.0.7:8080", False),
        ("null", "localhost:8080", False),
        ("http://[", "localhost:8080", False),
        ("", "", False),
    ],
)
def test_whose_page_it_is(origin: str, host: str, *, ours: bool) -> None:
    assert OwnSite.at(f"{PUBLIC}/").owns(origin, host) is ours


async def _cookie(site: TestServer) -> dict[str, str]:
    token = (await sign_in(site, "customer-c3"))["Authorization"].removeprefix("Bearer ")
    return {"Cookie": f"tellercast={token}"}


@pytest.mark.parametrize(("origin", "status"), [(PUBLIC, 204), ("https://evil.example", 403), ("http://[", 403)])
async def test_behind_a_proxy_that_ends_tls_the_public_address_is_ours(settings: Settings, origin: str, status: int) -> None:
    async for site in serve(replace(settings, public_url=PUBLIC)):
        headers = {**await _cookie(site), "Origin": origin}
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.post(site.make_url("/api/logout")) as answer:
                assert answer.status == status
            async with client.get(site.make_url("/socket.io/?EIO=4&transport=polling")) as answer:
                assert answer.status == (200 if status == 204 else 400)


async def test_a_client_of_another_site_is_told_what_it_may_mend(site: TestServer) -> None:
    """WHIP and WHEP are for clients elsewhere too: the refusal reaches them, with what they need to do about it."""
    async with aiohttp.ClientSession(headers={"Origin": "https://player.example"}) as client:
        async with client.post(site.make_url(WHIP), data="v=0", headers={"Content-Type": "application/sdp"}) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        async with client.get(site.make_url("/api/me")) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_what_is_somebodys_own_is_kept_by_nobody(site: TestServer) -> None:
    headers = await sign_in(site, "customer-c3")
    async with aiohttp.ClientSession(headers=headers) as client:
        for path in ("/api/orders", "/api/me", "/api/nothing"):
            async with client.get(site.make_url(path)) as answer:
                assert answer.headers["Cache-Control"] == "no-store", path
        async with client.post(site.make_url("/api/demo/login"), json={"as": "customer-c3"}) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
