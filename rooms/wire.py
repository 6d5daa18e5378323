"""The shapes of rooms on the wire, over HTTP and over Socket.IO alike. Times are RFC 3339 UTC, money integer minor units.

What comes in forbids unknown fields, so that a misspelt one is refused and not ignored. Products and orders are commerce's
shapes; those of calls stand in `call_wire.py`, those of a show seen again in `replay_wire.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from commerce.wire import Order, ProductClass, ShelfProduct, Tally

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(min_length=1, max_length=120)]
Summary = Annotated[str, Meta(max_length=2000)]
ShowState = Literal["scheduled", "live", "paused", "ended", "cancelled"]

COMMENT_MAX = 100  # characters; longer ones get a code of their own, so the shape itself allows more
_COMMENT_SHAPE_MAX = 2000


class In(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends."""


# --- shows -----------------------------------------------------------------------------------------------------------------


class PersonRef(Struct, frozen=True):
    """Somebody by id and the name others see."""

    id: str
    name: str


class Show(Struct, frozen=True):
    """A programme in the lobby. `viewers` are in it now; `viewers_peak` the most there were; `mine` when the asker hosts it.

    `replay_ms` is the length of its replay, null while there is none; `poster` an address.
    """

    id: str
    session: str
    title: str
    summary: str
    host: PersonRef
    state: ShowState
    starts_at: str
    started_at: str | None
    ended_at: str | None
    product_class: ProductClass | None
    viewers: int
    viewers_peak: int
    poster: str | None
    replay_ms: int | None
    mine: bool


class Lobby(Struct, frozen=True):
    """All shows: live (and paused) first, the next ones by start, the ended ones newest first (at most 50 each)."""

    live: list[Show]
    upcoming: list[Show]
    replays: list[Show]


class NewShow(In, frozen=True):
    """A show to be created; `starts_at` RFC 3339 with a zone."""

    title: Title
    starts_at: Annotated[str, Meta(min_length=10, max_length=40)]
    summary: Summary = ""
    product_class: ProductClass | None = None


class ShelfBody(In, frozen=True):
    """The products offered in a session, in order. At most 50."""

    products: Annotated[list[Id], Meta(max_length=50)]


class ShelfView(Struct, frozen=True):
    """A shelf, and which product is being explained now."""

    products: list[ShelfProduct]
    pinned: str | None


class PinBody(In, frozen=True):
    """The product to bring to the front; null takes it back."""

    product: Id | None = None


# --- sessions --------------------------------------------------------------------------------------------------------------


class StreamState(Struct, frozen=True):
    """One stream of a session: publishing | lost | left | failed | closed, or none when nobody has published it yet."""

    name: str
    status: str


class Replay(Struct, frozen=True):
    """An ended show to be seen again: where film and poster are, the media time of the film's beginning, its length in ms."""

    mp4: str
    poster: str | None
    offset_ms: int
    duration_ms: int


class SaleView(Struct, frozen=True):
    """Whether orders are taken at this moment. `reason` is a code ("" while open); `sentence` is in the asked language."""

    open: bool
    reason: str | None
    sentence: str
    sentence_en: str
    sentence_zh: str


class RoomRules(Struct, frozen=True):
    """What holds for comments: one a person in `slow_s` seconds (0: no such rule); whether a moderator sees each first."""

    slow_s: int = 0
    premoderated: bool = False


class SessionView(Struct, frozen=True):
    """A session as its pages need it. Products are commerce's `Product` with `pinned` (bool) added."""

    id: str
    kind: Literal["show", "call"]
    state: ShowState
    title: str
    started_at: str | None
    ended_at: str | None
    required: list[str]
    streams: list[StreamState]
    recording: bool
    media_boot: str | None
    sale: SaleView
    shelf: list[ShelfProduct]
    pinned: str | None
    host: PersonRef
    me_role: Literal["host", "viewer", "adviser", "customer", "supervisor"]
    show: str | None
    call: str | None
    replay: Replay | None
    rules: RoomRules
    pinned_comment: Comment | None


class ShowSummary(Struct, frozen=True):
    """The numbers of a show, for its host; duration in ms, the average number of viewers over it to a tenth.

    `amount` and `currency` are those of the largest sum, `amounts` has one tally per currency.
    """

    session: str
    viewers_peak: int
    viewers_average: float
    comments: int
    orders: int
    amount: int
    currency: str
    amounts: list[Tally]
    duration_ms: int


# --- comments and the room -------------------------------------------------------------------------------------------------


AuthorTag = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
CommentKind = Literal["comment", "question", "answer"]


class Answered(Struct, frozen=True):
    """The comment that an answer is to. `text` is empty where it has been taken down or erased."""

    id: str
    author: str
    text: str


class Comment(Struct, frozen=True):
    """A bullet comment as others see it: masked name, and a tag that is the same for one author within one session only.

    A question is one that its author asks the host; an answer is the host's, to what `answers` says.
    """

    id: str
    at: str
    media_ms: int | None
    author: str
    author_tag: str
    text: str
    host: bool
    kind: CommentKind = "comment"
    answers: Answered | None = None
    mentions: list[str] = []


class Join(In, frozen=True):
    """Enter a session's room; with `after` (a trail seq) the answer brings the own orders changed since.

    `lang` is the language from now on of all that this connection hears; without it the connection's own stays.
    """

    session: Id
    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    lang: Literal["en", "zh"] | None = None


class Leave(In, frozen=True):
    """Leave a session's room."""

    session: Id


class Say(In, frozen=True):
    """A comment of 1 to 100 characters; a question is asked of the host, and never left out for others.

    `answers` is the id of the comment it answers, for the host alone; `mentions` are author tags of those it speaks to.
    """

    session: Id
    text: Annotated[str, Meta(min_length=1, max_length=_COMMENT_SHAPE_MAX)]
    question: bool = False
    answers: Id | None = None
    mentions: Annotated[list[AuthorTag], Meta(max_length=3)] = []


class Joined(Struct, frozen=True):
    """The answer to `join`: everything to draw the room. `author_tag` is what the own comments carry, `tally` the host's.

    `removed` are the comments that were taken down since `after`: they may still stand where they were seen before.
    """

    seq: int
    session: SessionView
    comments: list[Comment]
    orders: list[Order]
    viewers: int
    author_tag: str
    tally: list[Tally] | None
    removed: list[str] = []


class Comments(Struct, frozen=True):
    """One tick's comments (every 100 to 250 ms), in the order of the record.

    When there are more than can be read, `skipped` of them are not here; whoever wrote one gets it in a batch of his own.
    """

    session: str
    comments: list[Comment]
    skipped: int = 0


class Moderated(Struct, frozen=True):
    """What moderators have changed. `removed` are no longer shown, `restored` are (again), where their time puts them.

    The pinned comment and the rules are those that hold now.
    """

    session: str
    seq: int
    removed: list[str]
    restored: list[Comment]
    pinned_comment: Comment | None
    rules: RoomRules


class Banned(Struct, frozen=True):
    """To one who may not be in the session any more: he has left it. The sentences are in his language."""

    session: str
    seq: int
    code: str
    title: str
    next: str


ReactionKind = Literal["like", "heart", "clap", "flower"]
REACTIONS_MOST = 20


class React(In, frozen=True):
    """Taps on one reaction, gathered for half a second. What is more than hands can do does not count."""

    session: Id
    kind: ReactionKind
    count: Annotated[int, Meta(ge=1, le=REACTIONS_MOST)] = 1


class ReactionSums(Struct, frozen=True):
    """Everybody's taps since the last time, by reaction; at most once a second, without `seq`, and not on the record."""

    session: str
    counts: dict[ReactionKind, int]


class Presence(Struct, frozen=True):
    """How many viewers are in, at most once a second."""

    session: str
    viewers: int


class State(Struct, frozen=True):
    """A session changed: its state, its sale, its streams, whether it is being recorded, whether it can be seen again."""

    session: str
    seq: int
    state: ShowState
    sale: SaleView
    streams: list[StreamState]
    recording: bool
    media_boot: str | None
    call: str | None = None
    replay: Replay | None = None


class Notice(Struct, frozen=True):
    """Something to tell everybody in the session, in both languages."""

    session: str
    seq: int
    kind: str
    text_en: str
    text_zh: str


class Shelf(Struct, frozen=True):
    """The shelf as it now is (texts in the receiver's language)."""

    session: str
    seq: int
    products: list[ShelfProduct]


class Pinned(Struct, frozen=True):
    """What is being explained now; null for nothing."""

    session: str
    seq: int
    product: ShelfProduct | None


class OrderChanged(Struct, frozen=True):
    """An own order, on every change."""

    session: str
    seq: int
    order: Order


class LatestOrder(Struct, frozen=True):
    """The newest order as the host sees it: masked name."""

    name: str
    product: str
    amount: int


class HostOrder(Struct, frozen=True):
    """What a host hears of orders: the sum, never who; `latest` only with an order that was just placed."""

    session: str
    seq: int
    tally: Tally
    latest: LatestOrder | None
