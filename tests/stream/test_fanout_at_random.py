"""Whatever happens, in whatever order: no number is given to two contents, and none is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import ManualClock
from stream import fanout, rtcp, subscriber
from stream.ice import MediaPort
from tests.stream.watchers import House, unbroken

STEP = st.one_of(
    st.tuples(st.just("frame"), st.lists(st.integers(1, 1200), min_size=1, max_size=8), st.booleans()),
    st.tuples(st.just("low"), st.lists(st.integers(1, 300), min_size=1, max_size=3), st.booleans()),
    st.tuples(st.just("sound"), st.just([]), st.just(False)),
    st.tuples(st.just("half"), st.lists(st.integers(1000, 1020), min_size=2, max_size=5), st.booleans()),
    st.tuples(st.just("late"), st.lists(st.integers(1, 1200), min_size=2, max_size=8), st.booleans()),
    st.tuples(st.just("join"), st.just([]), st.booleans()),
    st.tuples(st.just("wish"), st.lists(st.integers(0, 40), min_size=2, max_size=2), st.just(False)),
    st.tuples(st.just("nack"), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20), st.just(False)),
    st.tuples(st.just("leave"), st.lists(st.integers(0, 40), min_size=1, max_size=1), st.just(False)),
    st.tuples(st.just("return"), st.just([]), st.just(False)),
    st.tuples(st.just("turn"), st.just([]), st.just(False)),
)


class Play:
    """Does what a step says."""

    def __init__(self, apart: int, port: MediaPort | None = None) -> None:
        self.house = House(port)
        self.house.channel.lanes["high"].numbering.highest += apart
        self.viewers = [self.house.join(), self.house.join(rtx=True)]

    async def step(self, what: str, numbers: list[int], flag: bool) -> None:
        house = self.house
        house.clock.advance(0.03)
        if what in ("frame", "low"):
            house.push(house.frame(*numbers, lane="low" if what == "low" else "high", key=flag))
        elif what == "half":  # the end is lost
            house.push(house.frame(*numbers, key=flag)[:-1])
        elif what == "late":
            frame = house.frame(*numbers, key=flag)
            house.push([*frame[1:], frame[0]])
        elif what == "sound":
            house.channel.push(house.sound())
        elif what == "return":
            house.run += 1
        elif what == "turn":
            for _ in range(3):
                await asyncio.sleep(0)
        else:
            self._viewer(what, numbers, flag)

    def _viewer(self, what: str, numbers: list[int], flag: bool) -> None:
        house = self.house
        if what == "join":
            self.viewers.append(house.join(rtx=flag, payload_type=96 if flag else 102))
        elif what == "leave" and len(self.viewers) > 1:
            house.channel.leave(self.viewers.pop(numbers[0] % len(self.viewers))[0])
        elif what == "wish":
            viewer, _wire = self.viewers[numbers[0] % len(self.viewers)]
            viewer.choice.wish = (["auto", "high", "low", "audio"] * 11)[numbers[1]]  # type: ignore[assignment]
            viewer.choose()
        elif what == "nack":
            for viewer, wire in self.viewers:
                known = [p.sequence for p in house.video(wire)[:10]]
                viewer.on_rtcp(rtcp.nack(1, house.channel.ssrc("video"), sorted({*numbers, *known})))


async def _play(steps: Sequence[tuple[str, list[int], bool]], apart: int, port: MediaPort | None = None) -> None:
    play = Play(apart, port)
    for step in steps:
        await play.step(*step)
    house, viewers = play.house, play.viewers
    house.channel.flush()
    for wire in house.wires:  # of those who left, too
        wire.take_in()
        wire.close()
    for viewer, wire in viewers:
        assert wire.ended is None
        # Numbers may come late or again, but none is left out, but for what a publisher itself left out.
        sound = wire.of(house.channel.ssrc("audio"))
        assert unbroken(sound)
        seen = {p.sequence for p in house.video(wire)}
        if seen and viewer.video is not None:
            first = house.video(wire)[0].sequence
            offsets = {(s - first) & 0xFFFF for s in seen}
            assert max(o for o in offsets if o < 0x8000) < len(offsets) + sum(s[0] in ("late", "half") for s in steps) * 8


async def _play_over_sockets(steps: Sequence[tuple[str, list[int], bool]], apart: int) -> None:
    port = MediaPort(ManualClock())
    await port.open("127.0.0.1", 0)
    assert port.sender is not None
    assert port.sender.roster is not None, "this machine has no libcrypto.so.3"
    try:
        await _play(steps, apart, port)
    finally:
        port.close()


@pytest.mark.parametrize("play", [_play, _play_over_sockets], ids=["python", "compiled"])
@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=40), crowd=st.sampled_from([2, 16]), apart=st.integers(0, 200_000))
def test_no_number_carries_two_contents_whatever_happens(
    play: Callable[..., Coroutine[Any, Any, None]], steps: list[tuple[str, list[int], bool]], crowd: int, apart: int
) -> None:
    # Nothing waits but for the next turn of the loop, so that a replay and a half frame can meet whatever comes between.
    quick = (
        patch.multiple(fanout, _CROWD=crowd, _HOLD_S=0.0, _FRAME_S=0.0),
        patch.multiple(subscriber, _BURST=2, _BURST_EVERY_S=0.0, _CHANGES_AT_ONCE=1000),
    )
    with quick[0], quick[1]:
        asyncio.run(play(steps, apart))
