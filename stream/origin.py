"""Where a channel's packets come from: a publisher that is connected here, or one that is relayed from another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stream.repair import SenderClock
from stream.rtp import MediaPacket


class Origin(Protocol):
    """What a channel and its subscribers use of it."""

    on_packet: Callable[[MediaPacket], bool] | None
    """Takes each packet; answers False for one that came before."""
    senders: SenderClock
    epoch: int

    @property
    def profile(self) -> str:
        """The H.264 profile being sent, empty without video."""
        ...

    @property
    def has_low(self) -> bool:
        """Whether there is a second, lower video."""
        ...

    def request_keyframe(self, low: bool = False) -> None:
        """Asks for a keyframe of one video, merged with everybody else's wish."""
        ...
