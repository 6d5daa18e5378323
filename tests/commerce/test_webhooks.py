"""Partners hear of orders: signed, in order, each by themselves, and never from inside our own network."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from sqlalchemy import select, update

from commerce import signing, webhook_guard, webhook_receivers
from commerce.outbox import Outbox, OutboxLimits
from commerce.outbox_post import Address, post
from commerce.sandbox_core import PATH, SandboxCore
from commerce.tables import delivery_acts, outbox, receivers
from commerce.webhook_receivers import KINDS, MOST, Receiver, Receivers, Secrets
from commerce.webhooks import CONNECTIONS, PARTNER_LIMITS, Webhooks
from core.errors import Refused
from core.identity import Person, Role
from tests.commerce.conftest import C3, C5, YUAN, Market

SECRET = b"of the test only"
OPERATOR = Person("operator-1", Role.OPERATOR, "冯立")
# Longer than any test waits: whoever waits for a partner that is silent fails.
LIMITS = OutboxLimits(timeout_s=60, attempts=3)


@dataclass
class Partner:
    """A receiver that keeps what it hears, as it came; `status` is what it answers."""

    status: int = 204
    heard: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/hook", self.take)
        return app

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.raw.append((dict(request.headers), body))
        self.heard.append(json.loads(body))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"} if self.status == 302 else {})

    @property
    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.heard]


@dataclass
class House:
    """The market, its core and its partners' couriers."""

    market: Market
    core: SandboxCore
    outbox: Outbox
    webhooks: Webhooks
    receivers: Receivers
    secrets: Secrets

    async def add(self, url: str, *kinds: str, name: str = "Partner") -> Receiver:
        async with self.market.db.write() as tx:
            return await self.receivers.add(tx, OPERATOR, name=name, url=url, kinds=kinds or KINDS)

    async def change(self, receiver: Receiver, **changes: Any) -> None:
        async with self.market.db.write() as tx:
            await self.receivers.change(tx, OPERATOR, receiver.id, **changes)

    async def deliver(self, rounds: int = 4) -> None:
        for _ in range(rounds):
            await self.outbox.deliver_due()
            await self.webhooks.deliver_due()

    async def rows(self, receiver: str) -> list[Any]:
        async with self.market.db.read() as tx:
            mine = select(outbox).where(outbox.c.receiver == receiver).order_by(outbox.c.id)
            return list((await tx.execute(mine)).all())


@pytest.fixture
async def house(market: Market) -> AsyncIterator[House]:
    core, secrets = SandboxCore(SECRET, market.clock), Secrets(b"root")
    guarded = webhook_guard.guarded_session(allow_private=True, connections=CONNECTIONS)
    async with TestServer(core.app()) as server, aiohttp.ClientSession() as http, guarded as partners:
        webhooks = Webhooks(market.db, market.clock, partners, secrets, limits=LIMITS)
        url = str(server.make_url(PATH))
        worker = Outbox(market.db, market.trail, market.clock, http, url, SECRET, on_partners=webhooks.wake, limits=LIMITS)
        yield House(market, core, worker, webhooks, Receivers(market.clock, allow_private=True), secrets)
        core.closing.set()


@pytest.fixture
async def partner() -> AsyncIterator[tuple[Partner, str]]:
    made = Partner()
    async with TestServer(made.app()) as server:
        yield made, str(server.make_url("/hook"))


async def test_a_partner_hears_of_an_order_and_of_no_customer(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    receiver = await house.add(url)
    placed = await house.market.buy()
    await house.deliver()
    await house.market.desk.cancel(C5, placed.order.id)
    await house.deliver()
    assert heard.kinds == ["order_placed", "order_confirmed", "order_cancelled"]
    for event in heard.heard:
        assert event["order"] == placed.order.id
        assert event["amount"] == 10_000 * YUAN
        assert set(event) == {
            *("event", "kind", "at", "order", "session", "product"),
            *("amount", "currency", "placed_at", "media_ms", "trail_seq"),
        }
        assert C5.id not in json.dumps(event)
    now = house.market.clock.now().timestamp()
    secret = house.secrets.of(receiver.id, 1).encode()
    for headers, body in heard.raw:
        assert signing.verify(secret, headers, body, now) == json.loads(body)["event"]
        assert signing.verify(b"another", headers, body, now) is None
    assert {row.state for row in await house.rows(receiver.id)} == {"delivered"}


async def test_a_rejection_is_told_without_the_cores_words(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    await house.add(url)
    await house.market.buy(amount=10_013 * YUAN)
    await house.deliver()
    assert heard.kinds == ["order_placed", "order_rejected"]
    assert "insufficient" not in json.dumps(heard.heard)


async def test_each_hears_what_they_asked_for(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    await house.add(url, "order_confirmed")
    await house.market.buy()
    await house.deliver()
    assert heard.kinds == ["order_confirmed"]


async def test_partners_hear_of_an_order_while_the_core_is_away(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    await house.add(url)
    house.core.mood = "fail"
    placed = await house.market.buy()
    await house.market.desk.cancel(C5, placed.order.id)
    await house.deliver()
    assert heard.kinds == ["order_placed", "order_cancelled"]


async def test_a_dead_partner_delays_neither_the_core_nor_another(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    silent = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await silent.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hang)
    async with TestServer(app) as server:
        dead = await house.add(str(server.make_url("/hook")), name="Dead")
        await house.add(url, name="Well")
        works = [asyncio.create_task(work()) for work in (house.outbox.run, house.webhooks.run)]
        placed = await house.market.buy()
        house.outbox.wake()
        async with asyncio.timeout(20):  # the dead one takes its minute, and nobody waits for it
            while heard.kinds != ["order_placed", "order_confirmed"]:
                await asyncio.sleep(0.01)
        assert next(row.state for row in await house.rows(dead.id)) == "waiting"
        assert (await house.market.orders(C5))[0].id == placed.order.id
        silent.set()
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


MEANINGS = {500: "waiting", 429: "waiting", 404: "dead", 302: "dead", 200: "delivered"}


async def test_what_an_answer_means(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    for number, (status, state) in enumerate(MEANINGS.items(), start=1):
        heard.status = status
        receiver = await house.add(url, "order_placed", name=str(status))
        await house.market.buy(await house.market.customer(f"buyer-{status}"))
        await house.deliver(1)
        await house.change(receiver, active=False)
        [row] = await house.rows(receiver.id)
        assert (row.state, row.attempts, [attempt["status"] for attempt in row.recent]) == (state, 1, [status])
        assert len(heard.heard) == number


async def test_a_receiver_that_is_off_is_sent_nothing_and_then_what_waited(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    heard.status = 503
    receiver = await house.add(url, "order_placed")
    await house.market.buy()
    await house.deliver(1)
    await house.change(receiver, active=False)
    heard.status = 204
    house.market.clock.advance(700)
    await house.market.record()
    await house.market.buy()  # happens meanwhile, and is not kept for it
    await house.deliver()
    assert len(heard.heard) == 1
    await house.change(receiver, active=True)
    await house.deliver()
    assert len(heard.heard) == 2
    assert len({event["event"] for event in heard.heard}) == 1


async def test_both_secrets_sign_for_a_day_after_a_rotation(house: House, partner: tuple[Partner, str]) -> None:
    heard, url = partner
    receiver, clock = await house.add(url, "order_placed"), house.market.clock
    old, new = (house.secrets.of(receiver.id, version).encode() for version in (1, 2))
    async with house.market.db.write() as tx:
        await house.receivers.rotate(tx, OPERATOR, receiver.id)
    for after, fits in ((timedelta(0), {old, new}), (timedelta(hours=25), {new})):
        clock.advance(after.total_seconds())
        await house.market.record()
        heard.raw.clear()
        await house.market.buy(C5 if after else C3)
        await house.deliver(1)
        [(headers, body)] = heard.raw
        now = clock.now().timestamp()
        assert {secret for secret in (old, new) if signing.verify(secret, headers, body, now) is not None} == fits
    async with house.market.db.read() as tx:
        acts = [row.act for row in await tx.execute(select(delivery_acts).order_by(delivery_acts.c.id))]
    assert acts == ["receiver_added", "secret_rotated"]


async def test_the_database_keeps_no_secret(house: House) -> None:
    receiver = await house.add("http://127.0.0.1:9/hook")
    secret = house.secrets.of(receiver.id, 1)
    async with house.market.db.read() as tx:
        for table in (webhook_receivers.receivers, delivery_acts):
            assert secret.removeprefix("whs_") not in str((await tx.execute(select(table))).all())


async def test_there_are_so_many_receivers_and_no_more(house: House) -> None:
    for _ in range(MOST):
        await house.add("http://127.0.0.1:9/hook")
    with pytest.raises(Refused) as caught:
        await house.add("http://127.0.0.1:9/hook")
    assert caught.value.problem.code == "receivers_full"


PRIVATE = (
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "not an address"),
    *("::8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b:1::808:808", "fec0::1", "5f00::1", "3fff::1", "192.88.99.1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_ours_is_not_public(address: str) -> None:
    assert not webhook_guard.is_public(address)


@pytest.mark.parametrize("address", ["203.0.114.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is(address: str) -> None:
    assert webhook_guard.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://user:word@partner.example/hook",
        "https://partner.example/hook#part",
        "https:///hook",
        "https://a..b/x",
        "https://.../",
        "https://" + "a" * 64 + ".example/hook",
        "ftp://partner.example/",
        "https://partner.example:99999/",
        "https://partner.example/a b",
        "https://partner.example/" + "a" * 500,
    ],
)
def test_such_an_address_is_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        webhook_guard.fit_url(url, allow_private=False)
    assert caught.value.problem.code == "receiver_url_unfit"


class Rebinding(AbstractResolver):
    """A name server of the attacker's: the name means whatever `address` is at the moment."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        found = ResolveResult(hostname=host, host=self.address, port=port, family=socket.AF_INET, proto=0, flags=0)
        return [found]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("host", ["partner.example", "localhost", "127.0.0.1", "0x7f.1"])
async def test_nothing_reaches_this_machine_whatever_a_name_means(partner: tuple[Partner, str], host: str) -> None:
    heard, url = partner
    port = url.rpartition(":")[2].split("/", maxsplit=1)[0]
    resolver = Rebinding("127.0.0.1") if host == "partner.example" else None
    now = datetime.now(UTC)
    for allow, arrives in ((False, 0), (True, 1)):  # the second shows that it would have
        async with webhook_guard.guarded_session(allow_private=allow, connections=1, resolver=resolver) as http:
            reply = await post(http, Address(f"http://{host}:{port}/hook", (b"s",)), "obx_1", {}, now, 5)
        assert len(heard.heard) == arrives, reply
        assert (reply.status == 204) is allow
        assert reply.error == ("" if allow else "not a public address")
        assert not reply.may_change


async def test_a_private_address_is_told_and_not_tried_again(house: House) -> None:
    receiver = await house.add("http://partner.example:9/hook", "order_placed")
    await house.market.buy()
    await house.outbox.deliver_due()
    market, resolver = house.market, Rebinding("127.0.0.1")
    async with webhook_guard.guarded_session(allow_private=False, connections=1, resolver=resolver) as http:
        await Webhooks(market.db, market.clock, http, house.secrets, limits=LIMITS).deliver_due()
    [row] = await house.rows(receiver.id)
    assert (row.state, row.attempts, row.error) == ("dead", 1, "not a public address")


async def test_a_name_that_is_none_is_an_attempt_that_failed(house: House) -> None:
    receiver = await house.add("http://127.0.0.1:9/hook", "order_placed")
    async with house.market.db.write() as tx:  # as one that was taken before such names were refused
        await tx.execute(update(receivers).values(url="http://a..b/hook"))
    await house.market.buy()
    for state in ("waiting", "waiting", "dead"):
        await house.deliver(1)
        [row] = await house.rows(receiver.id)
        assert row.state == state
        assert "label empty or too long" in row.error
        house.market.clock.advance(700)


async def test_partners_who_are_slow_leave_connections_to_the_others() -> None:
    arrived, done, all_here = 0, asyncio.Event(), asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        if arrived == MOST * PARTNER_LIMITS.batch:
            all_here.set()
        await done.wait()
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", hang)
    guarded = webhook_guard.guarded_session(allow_private=True, connections=CONNECTIONS)
    async with TestServer(app) as server, guarded as http, asyncio.TaskGroup() as group:
        address = Address(str(server.make_url("/hook")), (b"s",))
        for number in range(MOST * PARTNER_LIMITS.batch):
            group.create_task(post(http, address, f"obx_{number}", {}, datetime.now(UTC), 60))
        try:
            await asyncio.wait_for(all_here.wait(), 30)
        finally:
            done.set()
