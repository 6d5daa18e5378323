"""A session as its pages see it: one consistent reading of state, streams, sale and shelf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from commerce import sale, shelf, tally
from commerce.reasons import sale_view
from commerce.shelf import ShelfState
from commerce.wire import Tally
from core.clock import Clock, media_ms, to_text
from core.errors import FORBIDDEN, Refused
from core.identity import Person, Role
from recording import coverage, kinds, sessions
from recording.coverage import Watermark
from recording.sessions import Session
from recording.trail import Trail
from rooms import access, moderation_view, replay
from rooms.access import Access
from rooms.tables import shows
from rooms.wire import Comment, PersonRef, Replay, RoomRules, SaleView, SessionView, ShowSummary, State, StreamState


@dataclass(frozen=True, slots=True)
class Facts:
    """What a session's view is made of, the same for everybody who looks."""

    marks: dict[str, Watermark]
    offered: ShelfState
    blocked: str | None
    again: Replay | None
    rules: RoomRules
    pinned_comment: Comment | None


async def facts(tx: AsyncConnection, trail: Trail, session_id: str) -> Facts:
    """Read at one moment."""
    rules = await moderation_view.rules(tx, session_id)
    return Facts(
        marks=await coverage.watermarks(tx, session_id),
        offered=await shelf.read(tx, trail, session_id),
        blocked=await sale.reason(tx, session_id),
        again=await replay.of_session(tx, session_id),
        rules=rules.shown,
        pinned_comment=await moderation_view.pinned(tx, session_id, rules),
    )


async def view(tx: AsyncConnection, trail: Trail, clock: Clock, place: Access, lang: str, boot: str | None) -> SessionView:
    """GET /api/sessions/{id}."""
    return seen(await facts(tx, trail, place.session.id), clock, place, lang, boot)


def seen(found: Facts, clock: Clock, place: Access, lang: str, boot: str | None) -> SessionView:
    """The session as somebody sees it; also the `session` of `join`."""
    session, offered = place.session, found.offered.view(clock, lang)
    return SessionView(
        id=session.id,
        kind="show" if session.kind == "show" else "call",
        state=session.state.value,
        title=session.title,
        started_at=_text(session.started_at),
        ended_at=_text(session.ended_at),
        required=list(session.required),
        streams=_streams(session, found.marks),
        recording=_recording(session, found.marks, clock),
        media_boot=boot,
        sale=_sale(found.blocked, lang),
        shelf=offered.products,
        pinned=offered.pinned,
        host=_host(place),
        me_role=place.me_role,
        show=place.show.id if place.show is not None else None,
        call=place.call.id if place.call is not None else None,
        replay=found.again,
        rules=found.rules,
        pinned_comment=found.pinned_comment,
    )


async def state(
    tx: AsyncConnection, trail: Trail, clock: Clock, session_id: str, *, call: str | None, boot: str | None
) -> State:
    """The `state` event: what changes while a session runs, the same for all languages."""
    session = await sessions.get(tx, session_id)
    marks = await coverage.watermarks(tx, session_id)
    return State(
        session=session_id,
        seq=await trail.last(tx, session_id),
        state=session.state.value,
        sale=_sale(await sale.reason(tx, session_id), "en"),
        streams=_streams(session, marks),
        recording=_recording(session, marks, clock),
        media_boot=boot,
        call=call,
        replay=await replay.of_session(tx, session_id),
    )


async def summary(tx: AsyncConnection, trail: Trail, clock: Clock, person: Person, session_id: str) -> ShowSummary:
    """The numbers of a show, for its host and supervisors. Raises Refused(NOT_FOUND), Refused(FORBIDDEN)."""
    place = await access.enter(tx, person, session_id)
    if place.show is None or (place.me_role != "host" and person.role is not Role.SUPERVISOR):
        raise Refused(FORBIDDEN)
    session = place.session
    sold = await tally.of_session(tx, session_id)
    largest = max(sold, key=lambda one: one.amount, default=Tally(count=0, amount=0, currency="CNY"))
    watched = select(shows.c.viewers_peak, shows.c.viewer_ms).where(shows.c.session_id == session_id)
    peak, viewer_ms = (await tx.execute(watched)).one()
    until = session.ended_at or clock.now()
    duration_ms = media_ms(session.started_at, until) if session.started_at is not None else 0
    return ShowSummary(
        session=session_id,
        viewers_peak=peak,
        viewers_average=round(viewer_ms / duration_ms, 1) if duration_ms else 0.0,
        comments=await trail.count(tx, session_id, {kinds.COMMENT}),
        orders=sum(one.count for one in sold),
        amount=largest.amount,
        currency=largest.currency,
        amounts=sold,
        duration_ms=duration_ms,
    )


def _sale(blocked: str | None, lang: str) -> SaleView:
    said = sale_view(blocked)
    return SaleView(
        open=said.open,
        reason=said.reason,
        sentence=said.sentence_zh if lang == "zh" else said.sentence_en,
        sentence_en=said.sentence_en,
        sentence_zh=said.sentence_zh,
    )


def _streams(session: Session, marks: dict[str, Watermark]) -> list[StreamState]:
    """Those required first, also while nobody has published them; then any others."""
    names = [*session.required, *(name for name in marks if name not in session.required)]
    return [StreamState(name, marks[name].status if name in marks else "none") for name in names]


def _recording(session: Session, marks: dict[str, Watermark], clock: Clock) -> bool:
    """Whether all that is required is being written at this moment: the "recorded" dot."""
    if not session.running:
        return False
    return coverage.sale_blocker(session.required, marks, clock.now()) is None


def _host(place: Access) -> PersonRef:
    if place.show is not None:
        return PersonRef(place.show.host_id, place.show.host_name)
    name = place.call.adviser_name if place.call is not None and place.call.adviser_id == place.adviser_id else None
    return PersonRef(place.adviser_id or "", name or "")


def _text(moment: datetime | None) -> str | None:
    return to_text(moment) if moment is not None else None
