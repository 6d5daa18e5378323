"""What comes to the order desk and what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Column
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce.order_book import OrderRecord
from commerce.replaying import Past
from commerce.wire import PlaceOrder
from core.errors import Refused
from recording.trail import Draft, after_trail


class Basis(Protocol):
    """What an order rests on that the floor above knows: a proposal in a call."""

    @property
    def held(self) -> Column[Any]:
        """The key column of the table with the row that is to be held still; one table for all that are asked together."""
        ...

    @property
    def key(self) -> str:
        """Which row that is."""
        ...

    async def stands(self, tx: AsyncConnection) -> None:
        """Raises Refused when what is ordered no longer stands. The row is held; asked for new orders only."""
        ...

    def entry(self, order_id: str) -> Draft | None:
        """What the session's trail says of it, right after the order's own entry; None for nothing."""
        ...

    async def taken(self, tx: AsyncConnection, order: OrderRecord) -> None:
        """It has become this order: written down in the order's transaction, so that neither is there without the other."""
        ...

    def told(self) -> Awaitable[None]:
        """After the commit: whoever it concerns hears of it."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One wish on its way. The order's id is born with it, so that every attempt speaks of the same order; `hash` is over what
    was asked, so that the same key with another body is seen."""

    order_id: str
    customer_id: str
    wish: PlaceOrder
    channel: str
    hash: str
    basis: Basis | None = None
    past: Past | None = None
    """The moment of the replay it is ordered in; None in a running session."""

    @property
    def trail(self) -> str:
        """Where its entry goes: what is bought in a replay comes after the seal."""
        return self.wish.session if self.past is None else after_trail(self.wish.session)


@dataclass(frozen=True, slots=True)
class Taken:
    """The order of a request; not `created` when its key had been used for it before."""

    record: OrderRecord
    created: bool


# What became of each request, in their order.
Outcomes = list[Taken | Refused]
