"""What a piece of asynchronous work costs its thread, whoever else has had a turn meanwhile."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Meter:
    """CPU seconds of the thread, added up."""

    cpu_s: float = 0.0


@types.coroutine
def metered(work: Coroutine[Any, Any, T], meter: Meter) -> Generator[Any, Any, T]:
    """What `work` answers or raises. Not counted is where it waits, and what it starts in other tasks and threads."""
    step: Callable[[], Any] = partial(work.send, None)
    while True:
        began = time.thread_time()
        try:
            waits_for = step()
        except StopIteration as end:
            answer: T = end.value
            return answer
        finally:
            meter.cpu_s += time.thread_time() - began
        try:
            come = yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # cancelled, for one: it is the work's to answer
            step = partial(work.throw, error)
        else:
            step = partial(work.send, come)
