"""What is told once a second and not with each event: a rush of buyers or callers then costs everybody one telling."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from commerce.order_book import OrderChanged

ROUND_S: Final = 1.0
# A host sees orders tick by; of more in a second the last ones, and the sum of all.
LATEST_MAX: Final = 20


@dataclass(slots=True)
class Round:
    """What has changed since the last round was told."""

    sold: dict[str, deque[OrderChanged]] = field(default_factory=dict)
    """By session: its shelf has less left, its host's sum is another."""
    line: bool = False
    """Somebody came into the waiting line, left it or moved up, or an adviser became free."""

    def order(self, changed: OrderChanged) -> None:
        """An order was placed or moved on."""
        self.sold.setdefault(changed.order.session_id, deque(maxlen=LATEST_MAX)).append(changed)
