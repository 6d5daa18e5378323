"""What a refusal leaves on the record: one entry `order_refused` in the transaction that judged the order, and at most one for
each customer, session and code in ten seconds, so that nobody floods a trail with them. That a sealed session takes no orders
any more, or none in its replay, is written down for nobody: it would be for ever."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import errors
from commerce.gate_facts import Facts, Wished
from commerce.tables import refusals
from commerce.trailing import insert_or
from core.database import among
from core.errors import NOT_FOUND, Refused, Unavailable
from core.identity import Role
from recording import kinds
from recording.trail import Draft

EVERY: Final = timedelta(seconds=10)


class Asked(Wished, Protocol):
    """An order that was asked for."""

    @property
    def order_id(self) -> str: ...


A = TypeVar("A", bound=Asked)


_LONG_AGO = delete(refusals).where(among(refusals.c.session_id, "sessions"), refusals.c.at <= bindparam("since"))
_LATELY = select(refusals).where(
    among(refusals.c.session_id, "sessions"), among(refusals.c.customer_id, "customers"), among(refusals.c.code, "codes")
)


async def to_note(
    tx: AsyncConnection, facts: Facts, refused: Sequence[tuple[A, Refused]], sealed: Collection[str]
) -> dict[str, tuple[A, Refused]]:
    """Those that are to be written down, by order id, and that they are. The sessions' trails are held; those `sealed` are."""
    found = [
        (asked, why)
        for asked, why in refused
        if asked.wish.session in facts.sessions and _matters(why, sealed=asked.wish.session in sealed)
    ]
    if not found:
        return {}
    keys = {
        "sessions": {asked.wish.session for asked, _why in found},
        "customers": {asked.customer_id for asked, _why in found},
        "codes": {why.problem.code for _asked, why in found},
    }
    since = facts.now - EVERY
    lately = {(row.session_id, row.customer_id, row.code) for row in await tx.execute(_LATELY, keys) if row.at > since}
    noted = {asked.order_id: (asked, why) for asked, why in found if _place(asked, why) not in lately}
    if noted:
        await tx.execute(_LONG_AGO, {"sessions": keys["sessions"], "since": since})
        upsert = insert_or(tx, refusals)
        places = [refusals.c.session_id, refusals.c.customer_id, refusals.c.code]
        upsert = upsert.on_conflict_do_update(index_elements=places, set_={"at": upsert.excluded.at})
        await tx.execute(upsert, [_row(asked, why, facts.now) for asked, why in noted.values()])
    return noted


def draft(asked: Wished, why: Refused) -> Draft:
    """The entry: codes and figures, no sentences."""
    data = {
        "product": asked.wish.product,
        "amount": asked.wish.amount,
        "code": why.problem.code,
        "channel": asked.channel,
        "params": {name: value for name, value in why.params.items() if "_" not in name},
    }
    if asked.past is not None:
        data["replay"] = {"media_ms": asked.past.media_ms}
    return Draft(kinds.ORDER_REFUSED, Role.CUSTOMER.value, data, {"customer": asked.customer_id})


def _matters(why: Refused, *, sealed: bool) -> bool:
    if sealed and why.problem in (errors.SESSION_NOT_LIVE, errors.REPLAY_SALES_OFF):
        return False
    return not isinstance(why, Unavailable) and why.problem not in (errors.IDEMPOTENCY_CONFLICT, NOT_FOUND)


def _place(asked: Wished, why: Refused) -> tuple[str, str, str]:
    return asked.wish.session, asked.customer_id, why.problem.code


def _row(asked: Wished, why: Refused, now: datetime) -> dict[str, Any]:
    session_id, customer_id, code = _place(asked, why)
    return {"session_id": session_id, "customer_id": customer_id, "code": code, "at": now}
