"""Each act of a moderator, and what undoes it: rows and entries in one transaction, under the lock of the trail's head."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import Clock, to_text
from core.errors import BAD_REQUEST, NOT_FOUND, Refused
from core.identity import Person
from recording import kinds
from recording.chain import read_entry
from recording.tables import trail_entries
from recording.trail import Draft, Entry, Trail
from rooms import moderation_judging, moderation_view, spoken
from rooms.errors import ACT_OVERTAKEN, HOST_STAYS
from rooms.moderation_view import ACTS, UNDOABLE, Rules
from rooms.moderation_wire import Act, ActName
from rooms.spoken import Spoken
from rooms.tables import held_comments, room_rules, sanctions
from rooms.wire import Comment, RoomRules


@dataclass(frozen=True, slots=True)
class Change:
    """What others have to be told after the commit. `public`: all in the show; else moderators alone."""

    public: bool = True
    removed: list[str] = field(default_factory=list)
    restored: list[Comment] = field(default_factory=list)
    expelled: str | None = None  # a person


PRIVATE: Final = Change(public=False)


@dataclass(frozen=True, slots=True)
class Moderating:
    """One act under way. `undoes` is the number of the one that it undoes."""

    tx: AsyncConnection
    trail: Trail
    clock: Clock
    session_id: str
    by: Person
    reason: str = ""
    undoes: int | None = None

    async def enter(self, kind: str, data: Mapping[str, Any], private: Mapping[str, str] | None = None) -> Entry:
        """Its entry."""
        undoes = {} if self.undoes is None else {"undoes": self.undoes}
        reason = {"reason": self.reason} if self.reason else {}
        draft = Draft(kind, self.by.id, {**data, **undoes}, {**(private or {}), **reason})
        [entry] = await self.trail.append(self.tx, self.session_id, draft)
        return entry

    async def comment(self, comment_id: str | None) -> Spoken:
        """The comment that the act names."""
        if comment_id is None:
            raise Refused(BAD_REQUEST, detail="which comment")
        found = await spoken.find(self.tx, self.session_id, comment_id)
        if found is None:
            raise Refused(NOT_FOUND)
        return found

    async def shown(self, comment_id: str | None) -> Spoken:
        """The same; it has to be shown now."""
        found = await self.comment(comment_id)
        if found.held or await spoken.is_removed(self.tx, self.session_id, found.id):
            raise Refused(ACT_OVERTAKEN)
        return found

    async def settle(self, held: Spoken, before: str, after: str) -> None:
        """A held comment's state moves on, unless somebody was quicker."""
        row = (held_comments.c.id == held.id) & (held_comments.c.state == before)
        if (await self.tx.execute(update(held_comments).where(row).values(state=after))).rowcount != 1:
            raise Refused(ACT_OVERTAKEN)

    async def lay_down(self, before: Rules, **values: Any) -> None:
        """The session's row of rules with other values."""
        if before.stored:
            mine = room_rules.c.session_id == self.session_id
            await self.tx.execute(update(room_rules).where(mine).values(**values))
            return
        fresh = {"slow_s": 0, "premoderated": False, "pinned_seq": None, **values}
        await self.tx.execute(insert(room_rules).values(session_id=self.session_id, **fresh))


def _of(said: Spoken) -> dict[str, Any]:
    """How an entry names a comment: by its id and by the number of its own entry."""
    return {"id": said.id, "comment": said.entry.seq}


async def remove(now: Moderating, body: Act) -> Change:
    return await _remove(now, await now.shown(body.comment))


async def _remove(now: Moderating, said: Spoken) -> Change:
    await now.enter(kinds.COMMENT_REMOVED, _of(said))
    rules = await moderation_view.rules(now.tx, now.session_id)
    if rules.pinned_seq == said.entry.seq:
        await now.lay_down(rules, pinned_seq=None)
        await now.enter(kinds.COMMENT_UNPINNED, _of(said) | {"removed": True})
    return Change(removed=[said.id])


async def release(now: Moderating, body: Act) -> Change:
    held = await now.comment(body.comment)
    await now.settle(held, "held", "released")
    await now.enter(kinds.COMMENT_RELEASED, _of(held))
    # Shown from now on: an entry like any other comment's, at this moment.
    if "text" not in held.private():  # erased meanwhile
        raise Refused(NOT_FOUND)
    data = {name: value for name, value in held.entry.data.items() if name != "held" and not isinstance(value, dict)}
    draft = Draft(kinds.COMMENT, held.entry.actor, data, held.private())
    [entry] = await now.trail.append(now.tx, now.session_id, draft)
    texts = {(entry.seq, name): text for name, text in held.private().items()}
    return Change(restored=[await spoken.shown(now.tx, now.session_id, Spoken(entry, texts))])


async def reject(now: Moderating, body: Act) -> Change:
    held = await now.comment(body.comment)
    await now.settle(held, "held", "rejected")
    await now.enter(kinds.COMMENT_REJECTED, _of(held))
    return PRIVATE


async def pin(now: Moderating, body: Act) -> Change:
    said = await now.shown(body.comment)
    if said.is_hidden:
        raise Refused(ACT_OVERTAKEN)
    rules = await moderation_view.rules(now.tx, now.session_id)
    if rules.pinned_seq == said.entry.seq:
        raise Refused(ACT_OVERTAKEN)
    return await _pin(now, rules, said)


async def _pin(now: Moderating, rules: Rules, said: Spoken) -> Change:
    await now.lay_down(rules, pinned_seq=said.entry.seq)
    before = {} if rules.pinned_seq is None else {"before": rules.pinned_seq}
    await now.enter(kinds.COMMENT_PINNED, _of(said) | before)
    return Change()


async def unpin(now: Moderating, _body: Act) -> Change:
    rules = await moderation_view.rules(now.tx, now.session_id)
    return await _unpin(now, rules)


async def _unpin(now: Moderating, rules: Rules) -> Change:
    said = await _pinned(now, rules.pinned_seq)
    if said is None:
        raise Refused(ACT_OVERTAKEN)
    await now.lay_down(rules, pinned_seq=None)
    await now.enter(kinds.COMMENT_UNPINNED, _of(said))
    return Change()


async def _pinned(now: Moderating, seq: int | None) -> Spoken | None:
    return None if seq is None else (await spoken.several(now.tx, now.session_id, [seq])).get(seq)


async def mute(now: Moderating, body: Act) -> Change:
    until = None if body.minutes is None else now.clock.now() + timedelta(minutes=body.minutes)
    return await _sanction(now, body, "mute", kinds.PERSON_MUTED, until)


async def ban(now: Moderating, body: Act) -> Change:
    return await _sanction(now, body, "ban", kinds.PERSON_BANNED)


async def shadow(now: Moderating, body: Act) -> Change:
    return await _sanction(now, body, "shadow", kinds.PERSON_SHADOWED)


async def _sanction(now: Moderating, body: Act, kind: str, entered: str, until: Any = None) -> Change:
    said = await now.comment(body.comment)
    person_id = said.person_id
    if person_id is None:
        raise Refused(NOT_FOUND)
    if said.host:
        raise Refused(HOST_STAYS)
    mine = (sanctions.c.session_id == now.session_id) & (sanctions.c.person_id == person_id) & (sanctions.c.kind == kind)
    standing = select(sanctions.c.act).where(mine, sanctions.c.forgiven_at.is_(None), sanctions.c.until.is_(None)).limit(1)
    if (await now.tx.execute(standing)).one_or_none() is not None:
        raise Refused(ACT_OVERTAKEN)
    data = {**_of(said), "author_tag": said.author_tag, "until": None if until is None else to_text(until)}
    entry = await now.enter(entered, data, {"author": said.author, "person": person_id})
    await now.tx.execute(
        insert(sanctions).values(
            session_id=now.session_id, act=entry.seq, kind=kind, person_id=person_id, author_tag=said.author_tag,
            by_id=now.by.id, at=entry.at, until=until,
        )
    )  # fmt: skip
    return Change(public=False, expelled=person_id if kind == "ban" else None)


async def rules(now: Moderating, body: Act) -> Change:
    before = await moderation_view.rules(now.tx, now.session_id)
    slow_s = before.shown.slow_s if body.slow_s is None else body.slow_s
    premoderated = before.shown.premoderated if body.premoderated is None else body.premoderated
    return await _rules(now, before, RoomRules(slow_s, premoderated))


async def _rules(now: Moderating, before: Rules, after: RoomRules) -> Change:
    if after == before.shown:
        raise Refused(ACT_OVERTAKEN)
    await now.lay_down(before, slow_s=after.slow_s, premoderated=after.premoderated)
    if not after.slow_s:
        await moderation_judging.forget(now.tx, now.session_id)
    was = {"slow_s_before": before.shown.slow_s, "premoderated_before": before.shown.premoderated}
    data = {"slow_s": after.slow_s, "premoderated": after.premoderated, **was}
    await now.enter(kinds.ROOM_RULES_CHANGED, data)
    return Change()


DO: Final[dict[ActName, Callable[[Moderating, Act], Awaitable[Change]]]] = {
    "remove": remove,
    "release": release,
    "reject": reject,
    "pin": pin,
    "unpin": unpin,
    "mute": mute,
    "ban": ban,
    "shadow": shadow,
    "rules": rules,
}

# --- undoing ---------------------------------------------------------------------------------------------------------------


async def undo(now: Moderating, act: int) -> Change:
    """Undo the act of that number. Raises Refused: NOT_FOUND when there is none, ACT_OVERTAKEN."""
    page = await now.trail.entries(now.tx, now.session_id, act - 1, 1)
    if not page or page[0].seq != act or page[0].kind not in UNDOABLE:
        raise Refused(NOT_FOUND)
    if await _is_undone(now, act):
        raise Refused(ACT_OVERTAKEN)
    return await _UNDO[page[0].kind](now, page[0])


async def _is_undone(now: Moderating, act: int) -> bool:
    query = select(trail_entries.c.body, trail_entries.c.hash).where(
        trail_entries.c.session_id == now.session_id,
        trail_entries.c.kind.in_(sorted(ACTS)),
        trail_entries.c.seq > act,
        trail_entries.c.body.contains(f'"undoes":{act}', autoescape=True),
    )
    return any(read_entry(row.body, row.hash).data.get("undoes") == act for row in await now.tx.execute(query))


async def _put_back(now: Moderating, act: Entry) -> Change:
    said = await now.comment(act.data["id"])
    if not await spoken.is_removed(now.tx, now.session_id, said.id):
        raise Refused(ACT_OVERTAKEN)
    await now.enter(kinds.COMMENT_RESTORED, _of(said))
    return Change(restored=[] if said.is_hidden else [await spoken.shown(now.tx, now.session_id, said)])


async def _take_back(now: Moderating, act: Entry) -> Change:
    return await _remove(now, await now.shown(act.data["id"]))


async def _hold_again(now: Moderating, act: Entry) -> Change:
    held = await now.comment(act.data["id"])
    await now.settle(held, "rejected", "held")
    await now.enter(kinds.COMMENT_RESTORED, _of(held))
    return PRIVATE


async def _pin_before(now: Moderating, act: Entry) -> Change:
    rules = await moderation_view.rules(now.tx, now.session_id)
    if rules.pinned_seq != act.data["comment"]:
        raise Refused(ACT_OVERTAKEN)
    before = await _pinned(now, act.data.get("before"))
    if before is None or await spoken.is_removed(now.tx, now.session_id, before.id):
        return await _unpin(now, rules)
    return await _pin(now, rules, before)


async def _pin_again(now: Moderating, act: Entry) -> Change:
    rules = await moderation_view.rules(now.tx, now.session_id)
    said = await now.shown(act.data["id"])
    if rules.pinned_seq is not None:
        raise Refused(ACT_OVERTAKEN)
    return await _pin(now, rules, said)


async def _forgive(now: Moderating, act: Entry) -> Change:
    mine = (sanctions.c.session_id == now.session_id) & (sanctions.c.act == act.seq) & sanctions.c.forgiven_at.is_(None)
    row = (await now.tx.execute(select(sanctions).where(mine))).one_or_none()
    if row is None:
        raise Refused(ACT_OVERTAKEN)
    await now.tx.execute(update(sanctions).where(mine).values(forgiven_at=now.clock.now()))
    data = {name: act.data[name] for name in ("id", "comment", "author_tag")}
    texts = await spoken.texts_of(now.tx, now.session_id, [act.seq])
    named = {name: texts[act.seq, name] for name in ("author", "person") if (act.seq, name) in texts}  # unless erased meanwhile
    await now.enter(kinds.PERSON_FORGIVEN, data, named)
    return PRIVATE


async def _rules_before(now: Moderating, act: Entry) -> Change:
    standing = await moderation_view.rules(now.tx, now.session_id)
    data = act.data
    if standing.shown != RoomRules(data["slow_s"], data["premoderated"]):
        raise Refused(ACT_OVERTAKEN)
    return await _rules(now, standing, RoomRules(data["slow_s_before"], data["premoderated_before"]))


_UNDO: Final[dict[str, Callable[[Moderating, Entry], Awaitable[Change]]]] = {
    kinds.COMMENT_REMOVED: _put_back,
    kinds.COMMENT_RELEASED: _take_back,
    kinds.COMMENT_REJECTED: _hold_again,
    kinds.COMMENT_PINNED: _pin_before,
    kinds.COMMENT_UNPINNED: _pin_again,
    kinds.PERSON_MUTED: _forgive,
    kinds.PERSON_BANNED: _forgive,
    kinds.PERSON_SHADOWED: _forgive,
    kinds.ROOM_RULES_CHANGED: _rules_before,
}
