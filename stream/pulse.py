"""The regular work of a media process, and how late it comes to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

TICK_S = 0.02
_TICKS_A_COUNT = 50


class Pulse:
    """Calls `tick(turn)` fifty times a second, `count()` once, and tells `lagged(lag, interval)` how late each timer fired."""

    def __init__(self, tick: Callable[[int], None], count: Callable[[], None], lagged: Callable[[float, float], None]) -> None:
        self._tick = tick
        self._count = count
        self._lagged = lagged

    async def run(self) -> None:
        """Until cancelled."""
        turn = 0
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_S)
            self._lagged(max(0.0, time.monotonic() - before - TICK_S), TICK_S)
            turn += 1
            self._tick(turn)
            if turn % _TICKS_A_COUNT == 0:
                self._count()
