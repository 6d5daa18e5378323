"""Which packets leave the machine together. Pure.

UDP_SEGMENT (Linux 4.18) takes several datagrams in one call; all but the last must have the same size, the last may be shorter.
The kernel's work for each call is most of what a packet costs, so the packets of a frame are levelled by RTP padding (RFC 3550
section 5.1) where a few bytes do it: Chromium cuts a frame into packets that differ by one byte.
"""

from __future__ import annotations

from collections.abc import Sequence

# UDP_MAX_SEGMENTS of older kernels is 64, and an IP packet holds 64 KiB.
MAX_SEGMENTS = 60
MAX_BYTES = 60_000
# Bytes that may be added to a packet to level it: 16 in 1,200 is 1.3 %, and the next 10 µs of CPU are worth more than that.
MAX_PADDING = 16


def level(sizes: Sequence[int]) -> list[int]:
    """How many bytes of padding to add to each packet, so that neighbours of about the same size have the same."""
    padding = [0] * len(sizes)
    start = 0
    while start < len(sizes):
        low = high = sizes[start]
        end = start + 1
        while end < len(sizes):
            lower, higher = min(low, sizes[end]), max(high, sizes[end])
            if higher - lower > MAX_PADDING:
                break
            low, high, end = lower, higher, end + 1
        for i in range(start, end):
            padding[i] = high - sizes[i]
        start = end
    return padding


def runs(sizes: Sequence[int], overhead: int) -> list[int]:
    """How many packets, in this order, go out in each call. `overhead`: bytes that encryption and header add to each."""
    lengths: list[int] = []
    count = total = 0
    segment = 0
    closed = True
    for size in sizes:
        fits = not closed and size <= segment and count < MAX_SEGMENTS and total + size + overhead <= MAX_BYTES
        if not fits:
            if count:
                lengths.append(count)
            count, total, segment, closed = 1, size + overhead, size, False
            continue
        count += 1
        total += size + overhead
        closed = size < segment
    if count:
        lengths.append(count)
    return lengths
