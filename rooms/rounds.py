"""What is told once a second and not with each event: a rush of buyers or callers then costs everybody one telling."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from commerce.lifecycle import State
from commerce.order_book import OrderChanged
from rooms.wire import Comment

ROUND_S: Final = 1.0
# A host sees orders tick by; of more in a second the last ones, and the sum of all.
LATEST_MAX: Final = 20


@dataclass(slots=True)
class Sold:
    """What happened to one session's orders: the latest that were placed, oldest first, and whatever changed last."""

    last: OrderChanged
    placed: deque[OrderChanged] = field(default_factory=lambda: deque(maxlen=LATEST_MAX))


@dataclass(slots=True)
class Untold:
    """Comments that were taken down, and those that are shown again."""

    removed: list[str] = field(default_factory=list)
    restored: list[Comment] = field(default_factory=list)


@dataclass(slots=True)
class Round:
    """What has changed since the last round was told."""

    sold: dict[str, Sold] = field(default_factory=dict)
    """By session: its shelf has another amount left, its host's sum is another."""
    moderated: dict[str, Untold] = field(default_factory=dict)
    """By session: what moderators changed that could not be told when it was done."""
    queues: set[str] = field(default_factory=set)
    """Sessions whose moderators could not be told that there is something new."""
    line: bool = False
    """Somebody came into the waiting line, left it or moved up, or an adviser became free."""

    def order(self, changed: OrderChanged) -> None:
        """An order was placed or moved on."""
        sold = self.sold.setdefault(changed.order.session_id, Sold(changed))
        sold.last = changed
        if changed.order.state is State.PLACED:
            sold.placed.append(changed)

    def moderators(self, session_id: str, removed: list[str], restored: list[Comment]) -> None:
        """What they changed could not be told."""
        untold = self.moderated.setdefault(session_id, Untold())
        untold.removed.extend(removed)
        untold.restored.extend(restored)

    def again(self, session_id: str, untold: Sold) -> None:
        """It could not be told: the next round tells it with what came since."""
        since = self.sold.get(session_id)
        self.sold[session_id] = untold
        if since is not None:
            untold.last = since.last
            untold.placed.extend(since.placed)
