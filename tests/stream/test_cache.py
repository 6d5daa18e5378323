"""What a joiner is shown, and what can be sent again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.cache import PacketCache
from stream.rtp import MediaPacket


def packet(sequence: int, timestamp: int, *, key: bool = False, size: int = 10, run: int = 1) -> MediaPacket:
    return MediaPacket("video", run, sequence, timestamp, False, bytes(size), key, 0.0)


def test_the_group_begins_at_the_last_keyframe() -> None:
    cache = PacketCache()
    assert cache.add(packet(10, 0))
    assert cache.group == []
    key = packet(11, 100, key=True)
    cache.add(key)
    assert cache.begins_group(key)
    cache.add(packet(12, 100, key=True))  # the picture after its parameter sets: the same frame
    cache.add(packet(13, 200))
    assert [p.sequence for p in cache.group] == [11, 12, 13]
    before = cache.group
    cache.add(packet(14, 300, key=True))
    assert [p.sequence for p in cache.group] == [14]
    assert [p.sequence for p in before] == [11, 12, 13]
    cache.add(packet(9, 50, key=True))  # a late one from before
    assert [p.sequence for p in cache.group] == [14]


def test_a_repeat_and_one_too_old_are_refused() -> None:
    cache = PacketCache(max_packets=5)
    for sequence in range(100, 110):
        assert cache.add(packet(sequence, sequence))
    assert not cache.add(packet(109, 109))
    assert not cache.add(packet(104, 104))
    assert cache.get(1, 109) is not None
    assert cache.get(1, 104) is None
    assert cache.get(2, 109) is None


def test_a_group_that_grows_too_long_is_given_up_until_the_next_keyframe() -> None:
    cache = PacketCache(max_group_packets=3)
    for i in range(6):
        cache.add(packet(i, i * 10, key=i == 0))
    assert cache.overflowed
    assert cache.group == []
    cache.add(packet(6, 60, key=True))
    assert not cache.overflowed
    assert len(cache.group) == 1


def test_another_source_starts_afresh_and_a_gone_one_is_forgotten() -> None:
    cache = PacketCache()
    cache.add(packet(500, 0, key=True))
    cache.add(packet(3, 0, key=True, run=2))
    assert [p.run for p in cache.group] == [2]
    assert cache.get(1, 500) is None
    cache.forget()
    assert cache.group == []


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.integers(0, 50)), max_size=300))
def test_it_stays_within_its_bounds_whatever_comes(arrivals: list[tuple[int, bool, int]]) -> None:
    cache = PacketCache(max_packets=40, max_bytes=900, max_group_packets=20, max_group_bytes=500)
    accepted: set[int] = set()
    for sequence, key, size in arrivals:
        if cache.add(packet(sequence, sequence * 10, key=key, size=size)):
            accepted.add(sequence)
        kept = [cache.get(1, s) for s in range(401)]
        present = [p for p in kept if p is not None]
        assert len(present) <= 40
        assert sum(len(p.payload) for p in present) <= 900
        assert len(cache.group) <= 20
        assert not cache.group or cache.group[0].keyframe
        assert all(p.sequence in accepted for p in cache.group)


def test_what_was_forgotten_can_not_come_again_as_something_else() -> None:
    cache = PacketCache(max_packets=5)
    assert cache.add(packet(104, 1))  # far ahead of its like, so the first to be forgotten
    for sequence in range(100, 104):
        assert cache.add(packet(sequence, 1))
    assert cache.add(packet(105, 1))
    assert cache.get(1, 104) is None
    assert not cache.add(packet(104, 2))
