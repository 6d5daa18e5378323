"""The shapes of moderation on the wire: what a moderator sees, and what he does."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from rooms.wire import Comment, Id, In, RoomRules

ActName = Literal["remove", "release", "reject", "pin", "unpin", "mute", "ban", "shadow", "rules"]
SanctionKind = Literal["mute", "ban", "shadow"]

SLOW_MAX_S = 600
MUTE_MAX_MINUTES = 24 * 60
REASON_MAX = 200


class Act(In, frozen=True):
    """What a moderator does. All but `unpin` and `rules` name a comment, and mute, ban and shadow by it its author.

    `minutes` is how long a mute lasts; without it to the end of the show. `slow_s` and `premoderated` are the rules to be
    changed; what is left out stays.
    """

    act: ActName
    comment: Id | None = None
    minutes: Annotated[int, Meta(ge=1, le=MUTE_MAX_MINUTES)] | None = None
    reason: Annotated[str, Meta(max_length=REASON_MAX)] = ""
    slow_s: Annotated[int, Meta(ge=0, le=SLOW_MAX_S)] | None = None
    premoderated: bool | None = None


class HeldComment(Struct, frozen=True):
    """A comment that waits for a moderator: why, and the words the lexicon found in it."""

    comment: Comment
    reason: Literal["lexicon", "premoderated"]
    flags: list[str]


class Sanction(Struct, frozen=True):
    """Somebody is muted, banned or in the shadow, by the act of that number; `until` null: to the end of the show."""

    act: int
    kind: SanctionKind
    author: str
    author_tag: str
    at: str
    until: str | None
    by: str
    reason: str


class ModerationAct(Struct, frozen=True):
    """Something a moderator has done; `kind` is the trail's word for it, `author` and `text` those of the comment.

    `undoes` is the act that this one has undone. One that may be undone itself is `undoable`.
    """

    act: int
    at: str
    kind: str
    by: str
    comment: str | None
    author: str | None
    text: str | None
    reason: str
    rules: RoomRules | None
    undoes: int | None
    undoable: bool


class Moderation(Struct, frozen=True):
    """What a moderator of a show sees: the oldest comments that wait and how many there are, who is sanctioned now, the last
    acts, newest first, and the rules."""

    session: str
    seq: int
    held: list[HeldComment]
    waiting: int
    sanctions: list[Sanction]
    acts: list[ModerationAct]
    rules: RoomRules
    pinned_comment: Comment | None


class QueueChanged(Struct, frozen=True):
    """To the host and supervisors: there is something new for moderators (`GET /api/sessions/{id}/moderation`)."""

    session: str
    seq: int
