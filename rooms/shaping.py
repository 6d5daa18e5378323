"""What of a tick's comments everybody is shown, when there are more than a person can read. Pure.

A question to the host, his answers, and whatever a host says are always shown. Of the rest as many as fit: first those whose
authors have waited longest to be seen, so that nobody is crowded out by who writes more; among equals evenly over the tick, so
that neither the first nor the last to come are favoured. Whoever wrote a comment sees it in any case (`rooms/comments.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rooms.rate import Bucket

# Beyond this the eye gives up: a danmaku layer holds some 30 lines, each on the way for 8 to 10 s, and a list shows ten.
READABLE_PER_S: Final = 40.0
READABLE_BURST: Final = 20.0
_AUTHORS_MAX: Final = 5_000
_SESSIONS_MAX: Final = 1_000
_NEVER: Final = float("-inf")


class Shapings:
    """One for each session that was commented lately."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, Shaping] = OrderedDict()

    def of(self, session_id: str, now: float) -> Shaping:
        """The session's; a forgotten one begins anew, with a full allowance."""
        found = self._of.get(session_id)
        if found is None:
            found = self._of[session_id] = Shaping(now)
            if len(self._of) > _SESSIONS_MAX:
                self._of.popitem(last=False)
        else:
            self._of.move_to_end(session_id)
        return found


class Shaping:
    """One session's; it remembers when each author was last shown."""

    def __init__(self, now: float) -> None:
        self._allowance = Bucket(READABLE_BURST, READABLE_PER_S, now)
        self._shown_at: OrderedDict[str, float] = OrderedDict()

    def choose(self, authors: Sequence[str], always: Sequence[bool], now: float) -> list[bool]:
        """For each comment of a tick, in the order they came, whether everybody is shown it. `now` is in seconds."""
        shown = list(always)
        room = self._allowance.take_up_to(len(authors) - sum(shown), now)
        rest = [place for place, one in enumerate(shown) if not one]
        for place in rest if room >= len(rest) else self._fair(rest, authors, room):
            shown[place] = True
        for author, one in zip(authors, shown, strict=True):
            if one:
                self._remember(author, now)
        return shown

    def _fair(self, places: Sequence[int], authors: Sequence[str], room: int) -> list[int]:
        """So many of the places."""
        turns: dict[str, int] = {}
        ranked = []
        for place in places:
            author = authors[place]
            turns[author] = turns.get(author, 0) + 1
            # Everybody's first before anybody's second; among first ones, whoever was shown longest ago.
            ranked.append((turns[author], self._shown_at.get(author, _NEVER), place))
        chosen: list[int] = []
        for _, equals in groupby(sorted(ranked), key=lambda one: one[:2]):
            group = [place for *_, place in equals]
            take = min(room - len(chosen), len(group))
            chosen += [group[number * len(group) // take] for number in range(take)]
            if len(chosen) == room:
                break
        return chosen

    def _remember(self, author: str, now: float) -> None:
        self._shown_at[author] = now
        self._shown_at.move_to_end(author)
        if len(self._shown_at) > _AUTHORS_MAX:
            self._shown_at.popitem(last=False)
