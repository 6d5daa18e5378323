"""Merkle tree of RFC 6962 section 2.1: root, incrementally, and inclusion proofs. Pure.

Leaves of a trail's tree are the 32 raw bytes of the entries' hashes, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data): the prefix keeps a leaf from being passed off as a node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree in O(log n) memory: the roots of the full subtrees along its right edge, largest first."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        peak = sha256(b"\x00" + data).digest()
        # Each set low bit of the old size is a full subtree that the new leaf completes to one of twice its size.
        merges = self.size
        while merges & 1:
            peak = sha256(b"\x01" + self._peaks.pop() + peak).digest()
            merges >>= 1
        self._peaks.append(peak)
        self.size += 1

    def add_subtree(self, root: bytes, size: int) -> None:
        """Append `size` leaves at once by the root over them. Raises ValueError where they are no full subtree of this tree."""
        if size < 1 or size & (size - 1) or self.size % size:
            raise ValueError(f"no full subtree of {size} leaves begins at {self.size}")
        merges = self.size // size
        while merges & 1:
            root = node_hash(self._peaks.pop(), root)
            merges >>= 1
        self._peaks.append(root)
        self.size += size

    def root(self) -> bytes:
        """MTH over all leaves so far."""
        if not self._peaks:
            return EMPTY
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """MTH(leaves)."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(index, leaves): the siblings from the leaf up. Raises IndexError for a leaf that isn't there."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} of {len(leaves)}")
    level = [leaf_hash(leaf) for leaf in leaves]
    path: list[bytes] = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])  # the odd one moves up as it is
        level = paired
        index //= 2
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` is number `index` (from 0) of the tree with `size` leaves and `root` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and result == root
