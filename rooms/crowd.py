"""Everybody in a room, to be written to as one: the fan-out of comments.

A ready frame goes to each client's socket at once, in one loop of the interpreter's own. By way of the transports it costs a
sixth more, and a look at each client beforehand about as much (docs/decisions/0016). What must arrive goes the ordinary way
(`Outlet.put`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import compress, repeat

from rooms.frames import Message
from rooms.outlet import Outlet, Traffic


class Crowd:
    """The outlets of one room. It is made anew when somebody comes or goes."""

    def __init__(self, outlets: Sequence[Outlet], traffic: Traffic) -> None:
        self.outlets = outlets
        self._traffic = traffic
        self._seen = -1  # the traffic's changes, when this was last looked at
        self._direct: list[Outlet] = []
        self._files: list[int] = []
        self._others: list[Outlet] = []

    def offer(self, message: Message) -> int:
        """What may be left out, to everybody; answers for how many it was, because they are behind."""
        if self._seen != self._traffic.changes:
            self._look()
        direct, files, others = self._direct, self._files, self._others
        busy = self._traffic.settle()
        if busy and not busy.isdisjoint(direct):
            free = [out not in busy for out in direct]
            others = [*others, *(out for out in direct if out in busy)]
            direct, files = list(compress(direct, free)), list(compress(files, free))
        left_out = sum(not out.offer(message) for out in others)
        _write(direct, files, message.frame)
        return left_out

    def _look(self) -> None:
        """Who can be written to directly: a file that was closed must not be among them, because its number is used again."""
        self._seen = self._traffic.changes
        self._direct = [out for out in self.outlets if out.file >= 0]
        self._files = [out.file for out in self._direct]
        self._others = [out for out in self.outlets if out.file < 0]


def _write(direct: Sequence[Outlet], files: Sequence[int], frame: bytes) -> None:
    """One frame to each file; what the kernel does not take goes the transport's way."""
    size, place = len(frame), 0
    writing = map(os.write, files, repeat(frame))
    while place < len(files):
        try:
            for taken in writing:
                if taken < size:
                    direct[place].push(frame[taken:])
                place += 1
        except BlockingIOError:
            direct[place].push(frame)
            place += 1
        except OSError:  # reset by the client; the transport would find out with its next read
            direct[place].abort()
            place += 1
