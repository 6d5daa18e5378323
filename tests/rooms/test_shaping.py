"""Which comments of a crowd everybody is shown: as many as can be read, and fairly. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rooms.shaping import READABLE_BURST, READABLE_PER_S, Shaping, Shapings

BURST = int(READABLE_BURST)


def test_few_are_all_shown() -> None:
    shaping = Shaping(0.0)
    assert shaping.choose(["a"] * BURST, [False] * BURST, 0.0) == [True] * BURST


def test_who_writes_more_crowds_nobody_out() -> None:
    """Four write once among a flood of one person's: they are all seen, however late they come."""
    shaping = Shaping(0.0)
    authors = ["flood"] * 100 + ["a", "b", "c", "d"]
    shown = shaping.choose(authors, [False] * len(authors), 0.0)
    assert shown[100:] == [True] * 4
    assert sum(shown[:100]) == BURST - 4


def test_who_has_waited_longest_comes_first() -> None:
    """Twice as many authors as there is room for, in every tick: all are shown equally often."""
    shaping = Shaping(0.0)
    authors = [f"author-{number}" for number in range(2 * BURST)]
    seen = dict.fromkeys(authors, 0)
    for tick in range(10):
        shown = shaping.choose(authors, [False] * len(authors), tick * READABLE_BURST / READABLE_PER_S)
        for author, one in zip(authors, shown, strict=True):
            seen[author] += one
    assert set(seen.values()) == {5}


def test_early_and_late_ones_have_the_same_chance() -> None:
    shown = Shaping(0.0).choose([str(number) for number in range(10 * BURST)], [False] * 10 * BURST, 0.0)
    places = [place for place, one in enumerate(shown) if one]
    assert places == list(range(0, 10 * BURST, 10))


def test_over_time_no_more_are_shown_than_can_be_read() -> None:
    shaping = Shaping(0.0)
    total = 0
    for tick in range(1, 101):
        total += sum(shaping.choose([f"{tick}-{number}" for number in range(50)], [False] * 50, tick / 10))
    assert total <= READABLE_BURST + READABLE_PER_S * 10
    assert total >= READABLE_PER_S * 10 - 1


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=80),
        max_size=12,
    ),
    st.lists(st.floats(0, 2), min_size=12, max_size=12),
)
def test_whatever_comes(ticks: list[list[tuple[str, bool]]], pauses: list[float]) -> None:
    """What is always shown is shown; of the rest never more than the allowance, and all of it as long as that lasts."""
    shaping, now, level = Shaping(0.0), 0.0, READABLE_BURST
    for tick, pause in zip(ticks, pauses, strict=False):
        now += pause
        level = min(READABLE_BURST, level + pause * READABLE_PER_S)
        shown = shaping.choose([author for author, _ in tick], [one for _, one in tick], now)
        assert all(one for one, (_, always) in zip(shown, tick, strict=True) if always)
        rest = [one for one, (_, always) in zip(shown, tick, strict=True) if not always]
        assert sum(rest) == min(len(rest), int(level + 1e-9)) or abs(level - round(level)) < 1e-6
        level -= sum(rest)


def test_sessions_forgotten_begin_anew() -> None:
    shapings = Shapings()
    first = shapings.of("first", 0.0)
    assert shapings.of("first", 1.0) is first
    for number in range(1_000):
        shapings.of(str(number), 1.0)
    assert shapings.of("first", 1.0) is not first
