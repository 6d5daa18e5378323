"""The bank's sign-in: who it says somebody is, said once and within minutes; everything else is refused with its reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from yarl import URL

from app.accounts import own_path
from app.assertions import ASSERTION_INVALID, Assertions, check, issuer_from
from app.settings import Settings, SettingsError, load
from app.tables import used_assertions
from core.clock import ManualClock
from core.database import Database
from core.errors import Refused
from core.identity import Role
from tests.app.conftest import serve

ISSUER = "https://sign-in.bank.example"
KEYS: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}


def public_pem(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def claims(now: datetime, **changes: Any) -> dict[str, Any]:
    """What the bank says of a customer; a change to None takes the claim out."""
    at = int(now.timestamp())
    given: dict[str, Any] = {
        "iss": ISSUER, "aud": "tellercast", "sub": "cust-4711", "name": "林静", "role": "customer",
        "iat": at, "exp": at + 120, "jti": "once-1",
    }  # fmt: skip
    return {name: value for name, value in (given | changes).items() if value is not None}


def signed(now: datetime | None = None, *, algorithm: str = "EdDSA", **changes: Any) -> str:
    return jwt.encode(claims(now or datetime.now(UTC), **changes), KEYS[algorithm], algorithm)


def trusting(settings: Settings, folder: Path, *keys: Any) -> Settings:
    file = folder / "bank.pem"
    file.write_bytes(b"".join(public_pem(key) for key in keys or KEYS.values()))
    return replace(settings, demo=False, identity_key_file=str(file), identity_issuer=ISSUER)


@pytest.fixture
async def bank_site(settings: Settings, tmp_path: Path) -> AsyncIterator[TestServer]:
    """A real installation: no demo, three keys of the bank's."""
    async for server in serve(trusting(settings, tmp_path)):
        yield server


@pytest.fixture
async def visitor() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield client


async def code(answer: aiohttp.ClientResponse) -> str:
    return str((await answer.json(content_type=None))["code"])


async def test_an_assertion_signs_in(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    for algorithm in KEYS:
        assertion = signed(algorithm=algorithm, jti=algorithm)
        async with visitor.post(bank_site.make_url("/api/login"), json={"assertion": assertion}) as answer:
            assert answer.status == 200, await answer.text()
            said = await answer.json()
            assert said["person"] == {"id": "cust-4711", "role": "customer", "name": "林静"}
            assert "HttpOnly" in answer.headers["Set-Cookie"]
    async with visitor.get(bank_site.make_url("/api/me")) as answer:  # by the cookie
        assert (await answer.json())["id"] == "cust-4711"
    bearer = {"Authorization": f"Bearer {said['token']}"}
    async with aiohttp.ClientSession(headers=bearer) as other, other.get(bank_site.make_url("/api/me")) as answer:
        assert (await answer.json())["role"] == "customer"


async def test_the_same_assertion_signs_in_once(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    assertion, url = signed(), bank_site.make_url("/api/login")
    async with visitor.post(url, json={"assertion": assertion}) as answer:
        assert answer.status == 200
    again: tuple[dict[str, Any], ...] = ({"json": {"assertion": assertion}}, {"data": {"assertion": assertion}})
    for body in again:
        async with visitor.post(url, **body, allow_redirects=False) as answer:
            assert (answer.status, await code(answer)) == (401, "assertion_used")
            assert "Set-Cookie" not in answer.headers


async def test_another_process_knows_what_was_used(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    issuer = issuer_from(trusting(load({}), tmp_path))
    here, there = (Assertions(database, clock, issuer) for _ in range(2))
    assertion = signed(clock.now())
    assert (await here.redeem(assertion)).id == "cust-4711"
    with pytest.raises(Refused, match="assertion_used"):
        await there.redeem(assertion)


async def test_what_was_used_is_forgotten_only_when_it_is_long_expired(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Assertions(database, clock, issuer_from(trusting(load({}), tmp_path)))

    async def known() -> list[str]:
        async with database.read() as tx:
            return sorted((await tx.execute(select(used_assertions.c.jti))).scalars())

    for jti, later in (("a", timedelta(0)), ("b", timedelta(minutes=30)), ("c", timedelta(minutes=40))):
        clock.advance(later.total_seconds())
        await desk.redeem(signed(clock.now(), jti=jti))
    assert await known() == ["b", "c"]


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"aud": "somebody-else"},
        {"aud": None},
        {"role": "auditor"},
        {"role": ["customer"]},
        {"sub": ""},
        {"sub": "x" * 65},
        {"sub": "a\x00b"},
        {"sub": 7},
        {"name": " "},
        {"name": "x" * 81},
        {"name": "a\nb"},
        {"jti": "x" * 129},
        {"jti": 7},
        {"exp": "soon"},
        {"exp": 1e300},
        {"iat": True},
        *({name: None} for name in ("iss", "sub", "name", "role", "iat", "exp", "jti")),
    ],
)
def test_a_claim_that_is_not_as_agreed_is_refused(clock: ManualClock, tmp_path: Path, changes: dict[str, Any]) -> None:
    issuer = issuer_from(trusting(load({}), tmp_path))
    assert issuer is not None
    assert check(signed(clock.now()), issuer, clock.now()).person.role is Role.CUSTOMER
    token = jwt.api_jws.encode(json.dumps(claims(clock.now(), **changes)).encode(), KEYS["EdDSA"], "EdDSA")
    with pytest.raises(Refused) as caught:
        check(token, issuer, clock.now())
    assert caught.value.problem is ASSERTION_INVALID
    assert caught.value.to_json("zh")["title"]


@pytest.mark.parametrize(
    ("issued_s", "expires_s", "expected"),
    [
        (0, 300, None),
        (0, 301, "assertion_invalid"),
        (-10, 100_000, "assertion_invalid"),
        (-120, -29, None),  # within the skew
        (-120, -30, "assertion_expired"),
        (-100_000, -99_800, "assertion_expired"),
        (30, 100, None),
        (31, 100, "assertion_invalid"),
    ],
)
def test_an_assertion_is_good_for_minutes(
    clock: ManualClock, tmp_path: Path, issued_s: int, expires_s: int, expected: str | None
) -> None:
    issuer = issuer_from(trusting(load({}), tmp_path))
    assert issuer is not None
    at = int(clock.now().timestamp())
    token = signed(clock.now(), iat=at + issued_s, exp=at + expires_s)
    if expected is None:
        check(token, issuer, clock.now())
        return
    with pytest.raises(Refused, match=expected):
        check(token, issuer, clock.now())


def test_not_yet_is_not_now(clock: ManualClock, tmp_path: Path) -> None:
    issuer = issuer_from(trusting(load({}), tmp_path))
    assert issuer is not None
    with pytest.raises(Refused, match="assertion_invalid"):
        check(signed(clock.now(), nbf=int(clock.now().timestamp()) + 60), issuer, clock.now())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hand_made(header: dict[str, Any], secret: bytes | None) -> str:
    """A token such as libraries refuse to make: HMAC over a public key, or no signature at all."""
    body = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims(datetime.now(UTC))).encode())}"
    return f"{body}.{_b64(hmac.digest(secret, body.encode(), hashlib.sha256)) if secret is not None else ''}"


def forgeries() -> dict[str, str]:
    stranger = ed25519.Ed25519PrivateKey.generate()
    own_jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(stranger.public_key()))
    head, body, signature = signed().split(".")
    changed = _b64(json.dumps(claims(datetime.now(UTC), role="reviewer")).encode())
    hs256 = {"alg": "HS256", "typ": "JWT"}
    raw = KEYS["EdDSA"].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "none": _hand_made({"alg": "none"}, None),
        "None": _hand_made({"alg": "None"}, None),
        "no algorithm": _hand_made({"typ": "JWT"}, None),
        "HS256 with the public PEM": _hand_made(hs256, public_pem(KEYS["RS256"])),
        "HS256 with the raw public key": _hand_made(hs256, raw),
        "another's key": jwt.encode(claims(datetime.now(UTC)), stranger, "EdDSA"),
        "another's key, brought along": jwt.encode(claims(datetime.now(UTC)), stranger, "EdDSA", headers={"jwk": own_jwk}),
        "the right key, another algorithm": jwt.encode(claims(datetime.now(UTC)), KEYS["RS256"], "PS256"),
        "changed claims": f"{head}.{changed}.{signature}",
        "no signature": f"{head}.{body}.",
        "a critical extension nobody knows": jwt.encode(
            claims(datetime.now(UTC)), KEYS["EdDSA"], "EdDSA", headers={"crit": ["strange"], "strange": 1}
        ),
        "no token": "hello",
        "empty": "",
        "not ASCII": "é.é.é",
        "deep": f"{head}.{_b64(b'[' * 20_000)}.{signature}",
    }


async def test_nobody_else_can_say_it(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    for name, forgery in forgeries().items():
        async with visitor.post(bank_site.make_url("/api/login"), json={"assertion": forgery}) as answer:
            assert (answer.status, await code(answer)) == (401, "assertion_invalid"), name
            assert "Set-Cookie" not in answer.headers


def test_a_key_the_bank_withdrew_is_worth_nothing(clock: ManualClock, tmp_path: Path) -> None:
    issuer = issuer_from(trusting(load({}), tmp_path, KEYS["ES256"]))
    assert issuer is not None
    assert check(signed(clock.now(), algorithm="ES256"), issuer, clock.now())
    with pytest.raises(Refused, match="assertion_invalid"):
        check(signed(clock.now(), algorithm="EdDSA"), issuer, clock.now())


async def test_without_a_key_nobody_signs_in(site: TestServer, visitor: aiohttp.ClientSession) -> None:
    async with visitor.post(site.make_url("/api/login"), json={"assertion": signed()}) as answer:
        assert (answer.status, await code(answer)) == (503, "sign_in_not_set_up")


PORTAL = {"Origin": "https://portal.bank.example", "Sec-Fetch-Site": "cross-site", "Accept": "text/html"}


async def test_the_banks_portal_sends_a_form(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    form = {"assertion": signed(), "next": "/watch/ses_1?lang=zh"}
    async with visitor.post(bank_site.make_url("/api/login"), data=form, headers=PORTAL, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/watch/ses_1?lang=zh")
        assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    async with visitor.get(bank_site.make_url("/api/me")) as answer:
        assert (await answer.json())["id"] == "cust-4711"
    # Only this one door is open to other sites, whoever is signed in already.
    async with visitor.post(bank_site.make_url("/api/logout"), headers=PORTAL) as answer:
        assert (answer.status, await code(answer)) == (403, "origin_refused")


async def test_without_a_next_everybody_goes_to_their_own_page(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    for role, home in {
        "customer": "/",
        "adviser": "/studio",
        "supervisor": "/desk",
        "reviewer": "/console",
        "operator": "/catalogue",
    }.items():
        form = {"assertion": signed(role=role, jti=role)}
        async with visitor.post(bank_site.make_url("/api/login"), data=form, headers=PORTAL, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, home)
        async with visitor.get(bank_site.make_url(home)) as answer:
            assert answer.status == 200, role


async def test_a_refused_form_is_answered_by_a_page(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    form = {"assertion": "<script>", "next": "/"}
    async with visitor.post(bank_site.make_url("/api/login?lang=zh"), data=form, headers=PORTAL) as answer:
        assert (answer.status, answer.content_type) == (401, "text/html")
        assert "无法确认银行登录信息" in await answer.text()


async def test_what_is_no_sign_in_is_a_bad_request(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    bodies: list[dict[str, Any]] = [
        {"json": {}},
        {"json": {"assertion": 1}},
        {"json": {"assertion": "x", "role": "reviewer"}},
        {"data": {"next": "/"}},
        {"data": b"\xff=\xff", "headers": form},
        {"data": b"a=1&" * 1000, "headers": form},
        {"data": b"{", "headers": {"Content-Type": "application/json; charset=nonsense"}},
        {"json": {"assertion": "x" * 70_000}},
    ]
    for body in bodies:
        async with visitor.post(bank_site.make_url("/api/login"), **body) as answer:
            assert (answer.status, await code(answer)) == (400, "bad_request"), str(body)[:80]


ELSEWHERE = [
    "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example",
    "/\n/evil.example", "\t//evil.example", " //evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example",
    "/watch\r\nSet-Cookie: a=b", "/\x01/evil.example", "/／evil.example", "", "/login?as=x", "/api/logout", "@evil.example",
]  # fmt: skip


async def test_a_form_leads_nowhere_else(bank_site: TestServer, visitor: aiohttp.ClientSession) -> None:
    for number, wanted in enumerate(ELSEWHERE):
        form = {"assertion": signed(jti=f"once-{number}"), "next": wanted}
        async with visitor.post(bank_site.make_url("/api/login"), data=form, headers=PORTAL, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/"), wanted


@given(st.text(alphabet=st.sampled_from("/\\.:@?#%\x00\t\r\n ab\u2028／"), max_size=12))
def test_a_path_that_passes_stays_here(wanted: str) -> None:
    passed = own_path(wanted)
    if passed is None:
        return
    seen_by_browsers = passed.replace("\\", "/").replace("\t", "").replace("\n", "").replace("\r", "").strip()
    assert passed == wanted == seen_by_browsers
    here = URL("https://live.bank.example/api/login")
    assert here.join(URL(passed, encoded=True)).origin() == here.origin()


def private_pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (b"", "no PEM block"),
        (b"ssh-ed25519 AAAA", "no PEM block"),
        (private_pem(KEYS["EdDSA"]), "something else than public keys"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "something else than public keys"),
        (public_pem(rsa.generate_private_key(65537, 1024)), "2048 bits"),  # noqa: S505 - weak, to be refused
        (public_pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (None, "can't be read"),
    ],
)
def test_a_key_that_will_not_do_is_said_at_the_start(tmp_path: Path, pem: bytes | None, said: str) -> None:
    file = tmp_path / "bank.pem"
    if pem is not None:
        file.write_bytes(pem)
    with pytest.raises(SettingsError, match=said):
        issuer_from(load({"TELLERCAST_IDENTITY_KEY_FILE": str(file), "TELLERCAST_IDENTITY_ISSUER": ISSUER}))


@pytest.mark.parametrize("one", ["TELLERCAST_IDENTITY_KEY_FILE", "TELLERCAST_IDENTITY_ISSUER"])
def test_half_a_setting_is_none(one: str) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        issuer_from(load({one: "x"}))
