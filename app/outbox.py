"""`tellercast outbox`: what waits and what was given up, and sending that again, at the machine itself."""

from __future__ import annotations

import asyncio

from app.settings import Settings
from commerce import deliveries
from core.clock import SystemClock
from core.database import Database
from core.errors import Refused


def outbox_command(settings: Settings, action: str, receiver: str | None) -> int:
    """`list` or `retry`, of one receiver or of all; answers the exit code."""
    return asyncio.run(_run(settings, action, receiver))


async def _run(settings: Settings, action: str, receiver: str | None) -> int:
    db = Database(settings.resolved_database_url)
    try:
        if action == "list":
            return await _list(db, receiver)
        return await _retry(db, receiver)
    finally:
        await db.close()


async def _list(db: Database, receiver: str | None) -> int:
    async with db.read() as tx:
        known = await deliveries.names(tx)
        if receiver is not None and receiver not in known:
            print(f"tellercast outbox: there is no receiver {receiver!r}; there are {', '.join(known)}")
            return 1
        for one in known if receiver is None else (receiver,):
            now = await deliveries.standing(tx, one)
            many = "+" if now.delivered >= deliveries.COUNTED else ""
            print(f"{one} {known[one]}".strip() + f": {now.waiting} waiting, {now.dead} dead, {now.delivered}{many} delivered")
        for dead in await deliveries.page(tx, state="dead", receiver=receiver):
            about = dead.order or dead.session
            print(f"  {dead.id}  {dead.created_at}  {dead.receiver}  {dead.kind}  {about}  {dead.error or ''}")
    return 0


async def _retry(db: Database, receiver: str | None) -> int:
    """In portions, each its own transaction, each dead letter once: what is refused again meanwhile stays dead.

    A running web process finds them within a second.
    """
    sent, last = 0, ""
    try:
        while True:
            async with db.write() as tx:
                done = await deliveries.all_again(tx, SystemClock(), None, receiver, after=last)
            if not done.sent:
                break
            sent, last = sent + done.sent, done.last
    except Refused:
        print(f"tellercast outbox: there is no receiver {receiver!r}; `tellercast outbox list` shows them")
        return 1
    print(f"{sent} sent again.")
    return 0
