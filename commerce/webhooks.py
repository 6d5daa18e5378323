"""Partners hear of orders and seals as the bank's core hears of orders: same rows, signature and patience, a queue for each.

A partner answers any 2xx and has thereby taken the event; what else it says is not looked at. 408, 425, 429, 5xx, a timeout or
no connection: again, later and later. Anything else, redirects among them, is a dead letter. One courier for each receiver: one
that is away or slow holds up nobody else. What they are told names no customer (`outbox_rows.partner_payload`).
For their developers: docs/webhooks.md.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import outbox_queue, outbox_rows, webhook_receivers
from commerce.outbox_courier import Courier, OutboxLimits, Verdict
from commerce.outbox_post import Address, Reply
from commerce.outbox_queue import Leased
from commerce.webhook_receivers import MOST, Receiver, Secrets
from core.clock import Clock
from core.database import Database
from recording.register import Seal

_log = structlog.get_logger(__name__)

# Twenty receivers share the process with everything else; and a partner is not flooded when it comes back.
PARTNER_LIMITS: Final = OutboxLimits(batch=16, group=16)
# One for each event that may be under way: nobody who is slow keeps another one's event waiting for a connection.
CONNECTIONS: Final = MOST * PARTNER_LIMITS.batch


async def tell_sealed(tx: AsyncConnection, seal: Seal) -> None:
    """Every partner who asked for it is to hear of this seal, in the transaction that enters it into the register."""
    await outbox_queue.tell_partners(tx, seal.at, outbox_rows.SEALED, [outbox_rows.seal_facts(seal)])


class PartnerCourier(Courier):
    """One receiver's; `receiver` is kept up to date by `Webhooks`."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        http: aiohttp.ClientSession,
        secrets: Secrets,
        receiver: Receiver,
        *,
        limits: OutboxLimits = PARTNER_LIMITS,
    ) -> None:
        super().__init__(db, clock, http, receiver.id, limits=limits)
        self._secrets = secrets
        self.receiver = receiver

    def address(self) -> Address | None:
        return self._secrets.address(self.receiver, self._clock.now()) if self.receiver.active else None

    def judge(self, leased: Leased, reply: Reply) -> Verdict:
        """Any 2xx is taken; words are not wanted."""
        if reply.status is not None and HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return Verdict(delivered=True)
        return Verdict(delivered=False, error=reply.error or f"status {reply.status}", again=reply.may_change)


class Webhooks:
    """The couriers of all active receivers. `look_s` is how soon a process hears of what another one changed."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        http: aiohttp.ClientSession,
        secrets: Secrets,
        *,
        limits: OutboxLimits = PARTNER_LIMITS,
        look_s: float = 5.0,
    ) -> None:
        self._db, self._clock, self._http, self._secrets = db, clock, http, secrets
        self._limits, self._look_s = limits, look_s
        self._couriers: dict[str, PartnerCourier] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Somebody's queue has got something."""
        for courier in self._couriers.values():
            courier.wake()

    def changed(self) -> None:
        """A receiver is new or another."""
        self._changed.set()

    async def look(self) -> None:
        """Bring the couriers in line with the receivers."""
        async with self._db.read() as tx:
            found = {one.id: one for one in await webhook_receivers.all_of(tx)}
        for receiver in found.values():
            courier = self._couriers.get(receiver.id)
            if courier is not None:
                courier.receiver = receiver
            elif receiver.active:
                limits = self._limits
                self._couriers[receiver.id] = PartnerCourier(
                    self._db, self._clock, self._http, self._secrets, receiver, limits=limits
                )

    async def deliver_due(self) -> int:
        """One round for each receiver, side by side; how many events were tried."""
        await self.look()
        return sum(await asyncio.gather(*(courier.deliver_due() for courier in self._couriers.values())))

    async def run(self) -> None:
        """Keep every receiver's courier at work until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self.look()
                except (SQLAlchemyError, OSError):
                    _log.exception("receivers_not_read")
                self._keep_running()
                try:
                    await asyncio.wait_for(self._changed.wait(), self._look_s)
                except TimeoutError:
                    continue
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _keep_running(self) -> None:
        for receiver_id, courier in self._couriers.items():
            task = self._running.get(receiver_id)
            if task is not None and not task.done():
                continue
            if task is not None and not task.cancelled() and task.exception() is not None:
                _log.error("webhook_courier_ended", receiver=receiver_id, exc_info=task.exception())
            self._running[receiver_id] = asyncio.create_task(courier.run())
