"""The lexicon's file of this installation: in force from the start, and anew when it has changed.

A file that can't be used when the process starts is told and the process does not start; later the last good rules hold, which
is told once in the log, and in readiness and figures for as long as it is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import Gauge

from app.process import CannotStart
from app.settings import PREFIX, Settings
from compliance.lexicon import in_force, put_in_force
from compliance.lexicon_file import LexiconError, read_lexicon

log = structlog.get_logger()

LOOK_EVERY_S: Final = 5.0

RULES = Gauge("tellercast_lexicon_rules", "Rules of the lexicon in force")
REFUSED = Gauge("tellercast_lexicon_refused", "1 while the lexicon's file can't be used and the last good rules hold")


class LexiconWatch:
    """Keeps the rules in force those of `path`; without one the built-in rules hold."""

    def __init__(self, path: Path | None) -> None:
        """Puts the file's rules in force. Raises LexiconError."""
        self._path, self.refused = path, False
        self._seen = self._state()
        self._wanted = asyncio.Event()
        put_in_force(None if path is None else read_lexicon(path))
        self._tell()

    async def run(self) -> None:
        """Looks every few seconds, and at once on SIGHUP, until cancelled."""
        with self._listening():
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), LOOK_EVERY_S)
                asked = self._wanted.is_set()
                self._wanted.clear()
                await self.look(asked=asked)

    async def look(self, *, asked: bool = False) -> None:
        """Takes the file's rules if it has changed, or was `asked` to."""
        state = await asyncio.to_thread(self._state)
        if self._path is None or (state == self._seen and not asked):
            return
        self._seen = state
        try:
            fresh = await asyncio.to_thread(read_lexicon, self._path)
        except LexiconError as error:
            self.refused = True
            log.error(
                "the lexicon's file can't be used; the last good rules hold", error=str(error), lexicon=in_force().version
            )
        else:
            self.refused = False
            put_in_force(fresh)
            log.info("the lexicon's file is in force", lexicon=fresh.version, rules=len(fresh.terms))
        self._tell()

    def _state(self) -> tuple[int, ...]:
        """What changes with the file; nothing while it is away."""
        if self._path is None:
            return ()
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def _tell(self) -> None:
        RULES.set(len(in_force().terms))
        REFUSED.set(self.refused)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._wanted.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one of `tellercast serve` is born with it blocked
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def open_lexicon(settings: Settings) -> LexiconWatch:
    """The watch over the file that the settings name. Raises CannotStart when it can't be used."""
    try:
        return LexiconWatch(Path(settings.lexicon) if settings.lexicon else None)
    except LexiconError as error:
        raise CannotStart(f"{PREFIX}LEXICON: {error}; `tellercast lexicon FILE` checks it") from error
