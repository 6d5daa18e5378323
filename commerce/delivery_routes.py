"""HTTP of deliveries and receivers, for operators; in demo mode also the mood of the demo's core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import deliveries, delivery_errors, webhook_receivers
from commerce import delivery_wire as wire
from commerce.outbox_rows import CANCELLED, CORE, PLACED
from commerce.sandbox_core import SandboxCore
from commerce.webhook_receivers import Receiver, Receivers, Secrets
from core.clock import Clock, to_text
from core.database import Database
from core.errors import BAD_REQUEST, NOT_FOUND, Refused
from core.http import Route, person


@dataclass(frozen=True, slots=True)
class DeliveryDesk:
    """The collaborators of these handlers. `wake` when something waits that didn't, `changed` when a receiver is another."""

    db: Database
    clock: Clock
    receivers: Receivers
    secrets: Secrets
    core_url: str
    wake: Callable[[], None]
    changed: Callable[[], None]
    sandbox: SandboxCore | None = None


DELIVERIES = web.AppKey("deliveries", DeliveryDesk)


def routes(*, demo: bool) -> list[Route]:
    """Every way in."""
    unfit, full, not_dead = delivery_errors.URL_UNFIT, delivery_errors.RECEIVERS_FULL, delivery_errors.NOT_DEAD
    one, detail = "/api/receivers/{receiver}", wire.DeliveryDetail
    ways = [
        Route("GET", "/api/deliveries", list_deliveries, "Deliveries, newest first; ?state=, receiver=, order=, after=",
              gives=wire.Deliveries, problems=(BAD_REQUEST,)),
        Route("GET", "/api/deliveries/{delivery}", get_delivery, "One delivery with its last attempts", gives=detail,
              problems=(NOT_FOUND,)),
        Route("POST", "/api/deliveries/{delivery}/again", send_again, "Send a dead letter again", gives=detail,
              problems=(NOT_FOUND, not_dead)),
        Route("POST", "/api/deliveries/again", send_all_again, "Send a receiver's dead letters again, at most 500 at once",
              wire.SendAgain, wire.SentAgain, problems=(NOT_FOUND,)),
        Route("GET", "/api/receivers", list_receivers, "Who is told: the core and partners", gives=wire.Receivers),
        Route("POST", "/api/receivers", add_receiver, "Tell a partner, too; its secret is shown this once", wire.NewReceiver,
              wire.ReceiverSecret, 201, (unfit, full)),
        Route("PATCH", one, change_receiver, "Change a partner's receiver, or switch it off and on", wire.ChangeReceiver,
              wire.Receiver, problems=(NOT_FOUND, unfit)),
        Route("POST", f"{one}/rotate", rotate_secret, "A new secret, shown this once; the old one signs for a day more",
              gives=wire.ReceiverSecret, problems=(NOT_FOUND,)),
    ]  # fmt: skip
    if demo:
        mood = wire.CoreMood
        ways += [
            Route("GET", "/api/demo/core", get_mood, "What the demo's core does (demo mode only)", gives=mood,
                  problems=(NOT_FOUND,)),
            Route("POST", "/api/demo/core", set_mood, "Have the demo's core do something else (demo mode only)", mood, mood,
                  problems=(NOT_FOUND,)),
        ]  # fmt: skip
    return ways


async def list_deliveries(request: web.Request) -> wire.Deliveries:
    asked = {name: request.query.get(name) or None for name in ("state", "receiver", "order", "after")}
    if asked["state"] is not None and asked["state"] not in get_args(wire.State):
        raise Refused(BAD_REQUEST, detail=f"state is one of {', '.join(get_args(wire.State))}")
    async with request.app[DELIVERIES].db.read() as tx:
        found = await deliveries.page(tx, **asked)
    return wire.Deliveries(deliveries=found, next=found[-1].id if len(found) == deliveries.PAGE else None)


async def get_delivery(request: web.Request) -> wire.DeliveryDetail:
    async with request.app[DELIVERIES].db.read() as tx:
        return await deliveries.one(tx, request.match_info["delivery"])


async def send_again(request: web.Request) -> wire.DeliveryDetail:
    desk = request.app[DELIVERIES]
    async with desk.db.write() as tx:
        sent = await deliveries.again(tx, desk.clock, person(request), request.match_info["delivery"])
    desk.wake()
    return sent


async def send_all_again(request: web.Request, body: wire.SendAgain) -> wire.SentAgain:
    desk = request.app[DELIVERIES]
    async with desk.db.write() as tx:
        done = await deliveries.all_again(tx, desk.clock, person(request), body.receiver)
    desk.wake()
    return wire.SentAgain(again=done.sent, left=done.left)


async def list_receivers(request: web.Request) -> wire.Receivers:
    desk = request.app[DELIVERIES]
    async with desk.db.read() as tx:
        partners = await webhook_receivers.all_of(tx)
        core = [await _core(tx, desk)] if desk.core_url else []
        return wire.Receivers(core + [await _view(tx, one) for one in partners])


async def add_receiver(request: web.Request, body: wire.NewReceiver) -> wire.ReceiverSecret:
    desk = request.app[DELIVERIES]
    async with desk.db.write() as tx:
        made = await desk.receivers.add(tx, person(request), name=body.name, url=body.url, kinds=tuple(body.kinds))
        answer = await _with_secret(tx, desk, made)
    desk.changed()
    return answer


async def change_receiver(request: web.Request, body: wire.ChangeReceiver) -> wire.Receiver:
    desk = request.app[DELIVERIES]
    kinds = None if body.kinds is None else tuple(body.kinds)
    async with desk.db.write() as tx:
        changed = await desk.receivers.change(
            tx, person(request), request.match_info["receiver"],
            name=body.name, url=body.url, kinds=kinds, active=body.active,
        )  # fmt: skip
        answer = await _view(tx, changed)
    desk.changed()
    return answer


async def rotate_secret(request: web.Request) -> wire.ReceiverSecret:
    desk = request.app[DELIVERIES]
    async with desk.db.write() as tx:
        rotated = await desk.receivers.rotate(tx, person(request), request.match_info["receiver"])
        answer = await _with_secret(tx, desk, rotated)
    desk.changed()
    return answer


async def get_mood(request: web.Request) -> wire.CoreMood:
    return wire.CoreMood(_sandbox(request).mood)


async def set_mood(request: web.Request, body: wire.CoreMood) -> wire.CoreMood:
    _sandbox(request).mood = body.mood
    return body


def _sandbox(request: web.Request) -> SandboxCore:
    """Raises Refused(NOT_FOUND) where the demo uses a core of the bank's."""
    sandbox = request.app[DELIVERIES].sandbox
    if sandbox is None:
        raise Refused(NOT_FOUND)
    return sandbox


async def _with_secret(tx: AsyncConnection, desk: DeliveryDesk, one: Receiver) -> wire.ReceiverSecret:
    return wire.ReceiverSecret(receiver=await _view(tx, one), secret=desk.secrets.of(one.id, one.secret_version))


async def _view(tx: AsyncConnection, one: Receiver) -> wire.Receiver:
    now = await deliveries.standing(tx, one.id)
    return wire.Receiver(
        id=one.id,
        name=one.name,
        url=one.url,
        kinds=[kind for kind in get_args(wire.Kind) if kind in one.kinds],
        active=one.active,
        waiting=now.waiting,
        dead=now.dead,
        delivered=now.delivered,
        oldest_at=None if now.oldest_at is None else to_text(now.oldest_at),
        overlap_until=None if one.overlap_until is None else to_text(one.overlap_until),
    )


async def _core(tx: AsyncConnection, desk: DeliveryDesk) -> wire.Receiver:
    """The core as a receiver; of its address no more than where it is."""
    parts = urlsplit(desk.core_url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    since = desk.clock.now()
    return await _view(tx, Receiver(CORE, "", shown, (PLACED, CANCELLED), True, 1, None, since))
