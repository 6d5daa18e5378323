"""The shapes of a show that is seen again: what was said and how the shelf changed, by media time (ms, see recording)."""

from __future__ import annotations

from msgspec import Struct

from rooms.wire import Comment


class ReplayComments(Struct, frozen=True):
    """What was said from one media time (ms) up to another, in its order; of a rush all questions, what the host said, and an
    even choice of the rest, without `left_out` more."""

    from_ms: int
    to_ms: int
    comments: list[Comment]
    left_out: int


class ReplayMark(Struct, frozen=True):
    """From this media time on: the ids of the products on the shelf, and of the one being explained."""

    at_ms: int
    products: list[str]
    pinned: str | None


class ReplayMarks(Struct, frozen=True):
    """How the shelf changed during a show, in order, and whether what stands there can be bought while it is seen again."""

    marks: list[ReplayMark]
    sells: bool
