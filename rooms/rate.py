"""Token buckets in a bounded table: how often one person or one socket may do something. Pure; time is an argument."""

from __future__ import annotations

from collections import OrderedDict


class Bucket:
    """Holds up to `burst` tokens and gains `per_s` a second."""

    __slots__ = ("_burst", "_level", "_per_s", "_seen")

    def __init__(self, burst: float, per_s: float, now: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._level, self._seen = burst, now

    def take(self, now: float) -> float:
        """0.0 when a token was there and is taken; otherwise the seconds until there is one."""
        self._fill(now)
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / self._per_s

    def take_up_to(self, most: int, now: float) -> int:
        """As many whole tokens as there are, at most so many; answers how many it took."""
        self._fill(now)
        taken = min(most, int(self._level))
        self._level -= taken
        return taken

    def _fill(self, now: float) -> None:
        self._level = min(self._burst, self._level + max(0.0, now - self._seen) * self._per_s)
        self._seen = now


class Buckets:
    """One bucket a key; at most `capacity` of them, the longest unused forgotten first."""

    def __init__(self, burst: float, per_s: float, capacity: int) -> None:
        self._burst, self._per_s, self._capacity = burst, per_s, capacity
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """As `Bucket.take`, for `key`."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._burst, self._per_s, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)

    def __len__(self) -> int:
        return len(self._buckets)
