"""What an adviser sees beside the video: who, which grade, what they hold beside their plan, what they bought, what suits."""

from __future__ import annotations

from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import catalogue, customers
from commerce.wire import ProductClass
from compliance.rules import grade_name
from core.clock import Clock, to_text
from core.errors import NOT_FOUND, Refused
from core.identity import Person, Role
from core.money import Money
from rooms.call_wire import CustomerPicture, HistoryLine, Holding
from rooms.errors import CALL_NOT_YOURS
from rooms.tables import calls

_STATES: Final[dict[str, tuple[str, str]]] = {
    "placed": ("placed", "已下单"),
    "sent": ("sent to the bank", "已提交银行"),
    "confirmed": ("confirmed", "已确认"),
    "rejected": ("rejected by the bank", "银行未受理"),
    "cancelled": ("cancelled", "已撤销"),
}


async def of_call(tx: AsyncConnection, clock: Clock, person: Person, call_id: str, lang: str) -> CustomerPicture:
    """For the call's adviser and supervisors. Raises Refused(NOT_FOUND), Refused(CALL_NOT_YOURS)."""
    call = (await tx.execute(select(calls).where(calls.c.id == call_id))).one_or_none()
    if call is None:
        raise Refused(NOT_FOUND)
    if person.id != call.adviser_id and person.role is not Role.SUPERVISOR:
        raise Refused(CALL_NOT_YOURS)
    picture = await customers.picture(tx, clock, call.customer_id)
    now = clock.now()
    suitable = await catalogue.suitable_for(tx, picture.grade, now)
    return CustomerPicture(
        name=call.customer_name,
        grade=grade_name(picture.grade) if picture.grade is not None else None,
        assessed_at=to_text(picture.assessed_at) if picture.assessed_at is not None else None,
        age_65=picture.age_65,
        holdings=[Holding(cast("ProductClass", one.product_class), one.amount, one.currency) for one in picture.holdings],
        target={one.product_class: one.target_percent / 100 for one in picture.holdings},
        history=[HistoryLine(to_text(past.at), _said(past, lang)) for past in picture.history],
        suitable=[product.view(now, lang) for product in suitable],
    )


def _said(past: customers.PastOrder, lang: str) -> str:
    zh = lang == "zh"
    state = _STATES.get(past.state, (past.state, past.state))[zh]
    return f"{past.product_zh if zh else past.product_en} · {Money(past.amount, past.currency)} · {state}"
