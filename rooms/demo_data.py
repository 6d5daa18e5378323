"""What the demo's lobby starts with: one show about to begin, one tomorrow. Seeding again changes nothing while they stand."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, shelf
from commerce.wire import ProductClass
from core.clock import Clock
from core.identity import Person, Role
from recording.tables import sessions
from recording.trail import Trail
from rooms import shows
from rooms.tables import shows as show_rows

HOSTS: Final = (Person("adviser-1", Role.ADVISER, "周岚"), Person("adviser-2", Role.ADVISER, "吴哲"))
ON_SHELF: Final = 5

# (place of the host, title, summary, product class, starts in, with a shelf)
_SHOWS: Final[tuple[tuple[int, str, str, ProductClass | None, timedelta, bool], ...]] = (
    (
        0,
        "稳健理财公开课：看懂风险等级",
        "从 R1 到 R5 各是什么意思、怎样选择适合自己的产品，现场答疑。 What R1 to R5 mean, and how to choose what suits you.",
        None,
        timedelta(minutes=15),
        True,
    ),
    (
        1,
        "基金定投入门",
        "什么是定投、它能做什么、不能做什么。 Regular saving plans: what they can do, and what they can't.",
        "fund",
        timedelta(days=1),
        False,
    ),
)


async def seed(tx: AsyncConnection, clock: Clock, trail: Trail, hosts: tuple[Person, ...] = HOSTS) -> None:
    """One show of each host, unless one of his is still to come or on air. Run it after commerce's seed, for the shelf."""
    for place, title, summary, product_class, starts_in, with_shelf in _SHOWS:
        host = hosts[place]
        if await _has_show(tx, host):
            continue
        starts_at = clock.now() + starts_in
        values = {"title": title, "summary": summary, "product_class": product_class, "starts_at": starts_at}
        show = await shows.one(tx, await shows.add(tx, clock, host, values))
        if with_shelf:
            ids = _one_of_each_risk(await catalogue.all_products(tx))
            await shelf.put(tx, trail, show.session_id, host, ids)


async def _has_show(tx: AsyncConnection, host: Person) -> bool:
    query = (
        select(show_rows.c.id)
        .join(sessions, sessions.c.id == show_rows.c.session_id)
        .where(show_rows.c.host_id == host.id, sessions.c.state.in_(("scheduled", "live", "paused")))
        .limit(1)
    )
    return (await tx.execute(query)).one_or_none() is not None


def _one_of_each_risk(products: list[catalogue.Product]) -> list[str]:
    """Five products, of as many risk grades as there are, in the catalogue's order."""
    chosen: dict[int, str] = {}
    for product in products:
        chosen.setdefault(product.risk, product.id)
    rest = [product.id for product in products if product.id not in chosen.values()]
    wanted = set([*chosen.values(), *rest][:ON_SHELF])
    return [product.id for product in products if product.id in wanted]
