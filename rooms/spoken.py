"""Comments found again in the trail: by their number, by their id, and with what was done to them since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import to_text
from core.ids import is_id
from recording import kinds
from recording.chain import read_entry
from recording.tables import trail_entries, trail_texts
from recording.trail import Entry
from rooms.wire import Answered, Comment, CommentKind

# How often a page of the last comments is followed by the one before it: what is hidden there makes room for no more.
PAGES_MAX = 4
# The order of the record, said so that of several kinds each is found by its index: to have them in the order of the column
# itself SQLite goes through all of the trail, of which comments and orders are nearly all.
IN_ORDER: Final = trail_entries.c.seq + literal_column("0")
Texts = Mapping[tuple[int, str], str]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A comment as its entry and its texts have it."""

    entry: Entry
    texts: Texts

    @property
    def id(self) -> str:
        return str(self.entry.data["id"])

    @property
    def host(self) -> bool:
        return bool(self.entry.data["host"])

    @property
    def held(self) -> bool:
        """Whether this entry holds it for a moderator; one that was released has a later entry."""
        return self.entry.kind == kinds.COMMENT_HELD

    @property
    def author(self) -> str:
        """The masked name."""
        return self.texts.get((self.entry.seq, "author"), "**")

    @property
    def author_tag(self) -> str:
        return str(self.entry.data["author_tag"])

    @property
    def person_id(self) -> str | None:
        """Who said it; None where that was erased."""
        return self.texts.get((self.entry.seq, "person"))

    @property
    def is_hidden(self) -> bool:
        """Whether others were never shown it: it is held, or its author in the shadow."""
        return self.held or bool(self.entry.data.get("shadow"))

    def quoted(self, *, gone: bool = False) -> Answered:
        """As an answer to it quotes it."""
        return Answered(self.id, self.author, "" if gone else self.texts.get((self.entry.seq, "text"), ""))

    def private(self) -> dict[str, str]:
        """Its personal texts, for another entry of the same comment."""
        return {field: text for (seq, field), text in self.texts.items() if seq == self.entry.seq}

    def comment(self, quoted: Mapping[int, Answered] | None = None) -> Comment:
        """As it is shown. `quoted` are the comments that answers are to, by number."""
        data, at = self.entry.data, self.entry
        return Comment(
            id=self.id,
            at=to_text(at.at),
            media_ms=at.media_ms,
            author=self.author,
            author_tag=self.author_tag,
            text=self.texts.get((at.seq, "text"), ""),
            host=self.host,
            kind=kind_of(host=self.host, question=bool(data.get("question")), answers="answers" in data),
            answers=(quoted or {}).get(int(data.get("answers_seq", 0))),
            mentions=list(data.get("mentions", ())),
        )


def kind_of(*, host: bool, question: bool, answers: bool) -> CommentKind:
    """What a comment is to those who read it."""
    if host:
        return "answer" if answers else "comment"
    return "question" if question else "comment"


async def find(tx: AsyncConnection, session_id: str, comment_id: str) -> Spoken | None:
    """The comment by its id, from its latest entry; None when the session has none. Reads what the session has of them: for
    moderators' acts, not for each comment."""
    if not is_id(comment_id, "cmt"):
        return None
    entry = await _last_of(tx, session_id, comment_id, (kinds.COMMENT, kinds.COMMENT_HELD), trail_entries.c.seq)
    if entry is None:
        return None
    return Spoken(entry, await texts_of(tx, session_id, [entry.seq]))


async def several(tx: AsyncConnection, session_id: str, numbers: Collection[int]) -> dict[int, Spoken]:
    """The comments that these entries are, by number; what is none is left out."""
    if not numbers:
        return {}
    mine = (trail_entries.c.session_id == session_id) & trail_entries.c.seq.in_(sorted(numbers))
    query = select(trail_entries.c.body, trail_entries.c.hash).where(mine)
    rows = await tx.execute(query.where(trail_entries.c.kind.in_((kinds.COMMENT, kinds.COMMENT_HELD))))
    entries = [read_entry(row.body, row.hash) for row in rows]
    texts = await texts_of(tx, session_id, [entry.seq for entry in entries])
    return {entry.seq: Spoken(entry, texts) for entry in entries}


async def texts_of(tx: AsyncConnection, session_id: str, numbers: Collection[int]) -> dict[tuple[int, str], str]:
    """The personal texts of these entries, by number and field; erased ones are missing."""
    said = (trail_texts.c.session_id == session_id) & trail_texts.c.seq.in_(sorted(numbers)) & trail_texts.c.text.is_not(None)
    return {(row.seq, row.field): row.text for row in await tx.execute(select(trail_texts).where(said))}


async def is_removed(tx: AsyncConnection, session_id: str, comment_id: str) -> bool:
    """Whether it was taken down and not put back."""
    last = await _last_of(tx, session_id, comment_id, (kinds.COMMENT_REMOVED, kinds.COMMENT_RESTORED), IN_ORDER)
    return last is not None and last.kind == kinds.COMMENT_REMOVED


async def shown(tx: AsyncConnection, session_id: str, spoken: Spoken) -> Comment:
    """As it is shown, with what it answers."""
    return spoken.comment(await quoted(tx, session_id, [spoken.entry]))


async def quoted(tx: AsyncConnection, session_id: str, entries: Iterable[Entry]) -> dict[int, Answered]:
    """What the answers among these entries are to, by number."""
    asked = await several(tx, session_id, {int(entry.data["answers_seq"]) for entry in entries if "answers_seq" in entry.data})
    if not asked:
        return {}
    gone = await gone_since(tx, session_id, min(asked))
    return {seq: one.quoted(gone=one.id in gone) for seq, one in asked.items()}


@dataclass(frozen=True, slots=True)
class Latest:
    """The last comments, oldest first, each with whether it is shown to its author alone."""

    comments: list[tuple[Comment, bool]]

    @property
    def own_tags(self) -> frozenset[str]:
        """The tags of those who are shown more than others."""
        return frozenset(comment.author_tag for comment, own in self.comments if own)

    def seen_by(self, tag: str | None = None) -> list[Comment]:
        """What the one with this author tag is shown; without it what everybody is."""
        return [comment for comment, own in self.comments if not own or comment.author_tag == tag]


async def latest(tx: AsyncConnection, session_id: str, limit: int) -> Latest:
    """The last comments that everybody is shown, and what is shown to its author alone among them. Those that were taken down
    or erased are left out.

    However many there were before, about as many rows are read as are asked for, by the index.
    """
    kept: list[Entry] = []
    public = 0
    texts: dict[tuple[int, str], str] = {}
    before: int | None = None
    for _ in range(PAGES_MAX):
        page = await _page(tx, session_id, limit, before)
        if page:
            before = page[-1].seq
            gone = await gone_since(tx, session_id, before)
            texts |= await texts_of(tx, session_id, [entry.seq for entry in page])
            for entry in page:
                if public < limit and entry.data["id"] not in gone and (entry.seq, "text") in texts:
                    kept.append(entry)
                    public += not entry.data.get("shadow")
        if len(page) < limit or public >= limit:
            break
    answered = await quoted(tx, session_id, kept)
    return Latest([(Spoken(one, texts).comment(answered), bool(one.data.get("shadow"))) for one in reversed(kept)])


async def _page(tx: AsyncConnection, session_id: str, limit: int, before: int | None) -> Sequence[Entry]:
    said = select(trail_entries.c.body, trail_entries.c.hash).where(
        trail_entries.c.session_id == session_id, trail_entries.c.kind == kinds.COMMENT
    )
    if before is not None:
        said = said.where(trail_entries.c.seq < before)
    rows = await tx.execute(said.order_by(trail_entries.c.seq.desc()).limit(limit))
    return [read_entry(row.body, row.hash) for row in rows]


async def gone_since(tx: AsyncConnection, session_id: str, seq: int) -> Mapping[str, None]:
    """Ids of what was taken down after entry `seq` and not put back, the latest last."""
    query = select(trail_entries.c.body, trail_entries.c.hash).where(
        trail_entries.c.session_id == session_id,
        trail_entries.c.kind.in_((kinds.COMMENT_REMOVED, kinds.COMMENT_RESTORED)),
        trail_entries.c.seq > seq,
    )
    gone: dict[str, None] = {}
    for row in await tx.execute(query.order_by(IN_ORDER)):
        entry = read_entry(row.body, row.hash)
        gone.pop(str(entry.data.get("id")), None)
        if entry.kind == kinds.COMMENT_REMOVED:
            gone[str(entry.data.get("id"))] = None
    return gone


async def _last_of(
    tx: AsyncConnection, session_id: str, comment_id: str, of: Sequence[str], order: ColumnElement[int]
) -> Entry | None:
    """The last entry of these kinds that names the comment: canonical JSON says so in exactly these characters.

    `order`: the column for what the trail is full of, looked for from its end; IN_ORDER for what is rare.
    """
    named = trail_entries.c.body.contains(f'"id":"{comment_id}"', autoescape=True)
    query = (
        select(trail_entries.c.body, trail_entries.c.hash)
        .where(trail_entries.c.session_id == session_id, trail_entries.c.kind.in_(of), named)
        .order_by(order.desc())
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else read_entry(row.body, row.hash)
