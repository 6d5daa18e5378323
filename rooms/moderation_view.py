"""A session's comments as its moderators see them: one consistent reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, to_text
from recording import kinds
from recording.chain import read_entry
from recording.tables import trail_entries
from recording.trail import Entry, Trail
from rooms import spoken
from rooms.access import Access
from rooms.moderation_wire import HeldComment, Moderation, ModerationAct, Sanction
from rooms.tables import held_comments, room_rules, sanctions
from rooms.wire import Comment, RoomRules

HELD_SHOWN: Final = 100
SANCTIONS_SHOWN: Final = 200
ACTS_SHOWN: Final = 30

UNDOABLE: Final = frozenset(
    {
        kinds.COMMENT_REMOVED,
        kinds.COMMENT_RELEASED,
        kinds.COMMENT_REJECTED,
        kinds.COMMENT_PINNED,
        kinds.COMMENT_UNPINNED,
        kinds.PERSON_MUTED,
        kinds.PERSON_BANNED,
        kinds.PERSON_SHADOWED,
        kinds.ROOM_RULES_CHANGED,
    }
)
ACTS: Final = UNDOABLE | {kinds.COMMENT_RESTORED, kinds.PERSON_FORGIVEN}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold, and the entry of the pinned comment."""

    shown: RoomRules = field(default_factory=RoomRules)
    pinned_seq: int | None = None
    stored: bool = False


async def rules(tx: AsyncConnection, session_id: str) -> Rules:
    """Those of one session."""
    row = (await tx.execute(select(room_rules).where(room_rules.c.session_id == session_id))).one_or_none()
    return Rules() if row is None else Rules(RoomRules(row.slow_s, row.premoderated), row.pinned_seq, stored=True)


async def pinned(tx: AsyncConnection, session_id: str, held: Rules) -> Comment | None:
    """The comment that stands above the others; None when there is none, or its text was erased."""
    if held.pinned_seq is None:
        return None
    found = (await spoken.several(tx, session_id, [held.pinned_seq])).get(held.pinned_seq)
    if found is None or (found.entry.seq, "text") not in found.texts:
        return None
    return await spoken.shown(tx, session_id, found)


async def view(tx: AsyncConnection, trail: Trail, clock: Clock, place: Access) -> Moderation:
    """GET /api/sessions/{id}/moderation, for who moderates."""
    session_id = place.session.id
    held = await rules(tx, session_id)
    waiting = (held_comments.c.session_id == session_id) & (held_comments.c.state == "held")
    count = (await tx.execute(select(func.count()).where(waiting))).scalar_one()
    return Moderation(
        session=session_id,
        seq=await trail.last(tx, session_id),
        held=await _held(tx, session_id),
        waiting=int(count),
        sanctions=await _sanctions(tx, clock, place),
        acts=await _acts(tx, place),
        rules=held.shown,
        pinned_comment=await pinned(tx, session_id, held),
    )


async def _held(tx: AsyncConnection, session_id: str) -> list[HeldComment]:
    query = select(held_comments).where(held_comments.c.session_id == session_id, held_comments.c.state == "held")
    rows = (await tx.execute(query.order_by(held_comments.c.seq).limit(HELD_SHOWN))).all()
    found = await spoken.several(tx, session_id, [row.seq for row in rows])
    return [
        HeldComment(found[row.seq].comment(), row.reason, list(found[row.seq].entry.data.get("flags", ())))
        for row in rows
        if row.seq in found
    ]


async def _sanctions(tx: AsyncConnection, clock: Clock, place: Access) -> list[Sanction]:
    in_force = sanctions.c.forgiven_at.is_(None) & (sanctions.c.until.is_(None) | (sanctions.c.until > clock.now()))
    query = select(sanctions).where(sanctions.c.session_id == place.session.id, in_force)
    rows = (await tx.execute(query.order_by(sanctions.c.act.desc()).limit(SANCTIONS_SHOWN))).all()
    texts = await spoken.texts_of(tx, place.session.id, [row.act for row in rows])
    return [
        Sanction(
            act=row.act,
            kind=row.kind,
            author=texts.get((row.act, "author"), "**"),
            author_tag=row.author_tag,
            at=to_text(row.at),
            until=to_text(row.until) if row.until is not None else None,
            by=_name(place, row.by_id),
            reason=texts.get((row.act, "reason"), ""),
        )
        for row in rows
    ]


async def _acts(tx: AsyncConnection, place: Access) -> list[ModerationAct]:
    session_id = place.session.id
    entries = await _last_acts(tx, session_id)
    about = await spoken.several(tx, session_id, {int(one.data["comment"]) for one in entries if "comment" in one.data})
    texts = await spoken.texts_of(tx, session_id, [entry.seq for entry in entries])
    undone = {entry.data["undoes"] for entry in entries if "undoes" in entry.data}
    return [_act(place, entry, about.get(int(entry.data.get("comment", 0))), texts, undone) for entry in entries]


def _act(place: Access, entry: Entry, about: spoken.Spoken | None, texts: spoken.Texts, undone: set[int]) -> ModerationAct:
    data = entry.data
    changed = entry.kind == kinds.ROOM_RULES_CHANGED
    return ModerationAct(
        act=entry.seq,
        at=to_text(entry.at),
        kind=entry.kind,
        by=_name(place, entry.actor),
        comment=data.get("id"),
        author=about.author if about is not None else texts.get((entry.seq, "author")),
        text=about.texts.get((about.entry.seq, "text")) if about is not None else None,
        reason=texts.get((entry.seq, "reason"), ""),
        rules=RoomRules(data["slow_s"], data["premoderated"]) if changed else None,
        undoes=data.get("undoes"),
        undoable=entry.kind in UNDOABLE and entry.seq not in undone,
    )


async def _last_acts(tx: AsyncConnection, session_id: str) -> Sequence[Entry]:
    """The newest first; whatever has undone one of them is newer, and among them."""
    query = (
        select(trail_entries.c.body, trail_entries.c.hash)
        .where(trail_entries.c.session_id == session_id, trail_entries.c.kind.in_(sorted(ACTS)))
        .order_by(spoken.IN_ORDER.desc())
        .limit(ACTS_SHOWN)
    )
    return [read_entry(row.body, row.hash) for row in await tx.execute(query)]


def _name(place: Access, person_id: str) -> str:
    """The host by name, a supervisor by id: names of staff are kept nowhere."""
    return str(place.show.host_name) if place.show is not None and place.show.host_id == person_id else person_id
