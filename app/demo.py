"""Seeds the demo: products, people, shows. Safe to run again; nothing that is there is touched."""

from __future__ import annotations

from app.accounts import DEMO_PEOPLE
from app.settings import Settings
from commerce import demo_data as commerce_demo
from core.clock import Clock, SystemClock
from core.database import Database
from recording.trail import Trail
from rooms import demo_data as rooms_demo


async def seed(db: Database, clock: Clock) -> None:
    """Everything the demo starts from, in one transaction."""
    async with db.write() as tx:
        await commerce_demo.seed(tx, clock)
        await rooms_demo.seed(tx, clock, Trail(clock), (DEMO_PEOPLE["adviser-1"], DEMO_PEOPLE["adviser-2"]))


async def seed_database(settings: Settings) -> None:
    """`tellercast demo`: the same from the command line."""
    db = Database(settings.resolved_database_url)
    try:
        await seed(db, SystemClock())
    finally:
        await db.close()
