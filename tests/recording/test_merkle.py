"""The tree against RFC 6962's own recursive definition, and against the test vectors of Certificate Transparency."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recording.merkle import EMPTY, Frontier, inclusion_proof, tree_root, verify_inclusion

# Inputs and roots of certificate-transparency's merkletree tests, for the first 0 to 8 leaves.
VECTORS = [
    bytes.fromhex(x)
    for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    n = len(leaves)
    if n == 0:
        return hashlib.sha256(b"").digest()
    if n == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1, word for word."""
    n = len(leaves)
    if n == 1:
        return []
    k = 1
    while k * 2 < n:
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


leaf_lists = st.lists(st.binary(max_size=40), max_size=70)


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    assert tree_root(VECTORS[:size]).hex() == ROOTS[size]


@given(leaf_lists)
def test_the_root_is_the_rfcs(leaves: list[bytes]) -> None:
    assert tree_root(leaves) == mth(leaves)


def test_the_root_stands_at_every_size() -> None:
    frontier, leaves = Frontier(), list[bytes]()
    assert frontier.root() == EMPTY
    for number in range(130):
        leaves.append(number.to_bytes(2, "big"))
        frontier.add(leaves[-1])
        assert (frontier.size, frontier.root()) == (len(leaves), mth(leaves))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12))
def test_full_subtrees_may_be_added_at_once(parts: list[tuple[int, bool]]) -> None:
    frontier, leaves = Frontier(), list[bytes]()
    for height, at_once in parts:
        more = [len(leaves).to_bytes(2, "big") + bytes([number]) for number in range(1 << height)]
        if at_once and frontier.size % len(more) == 0:
            frontier.add_subtree(mth(more), len(more))
        else:
            for leaf in more:
                frontier.add(leaf)
        leaves += more
        assert (frontier.size, frontier.root()) == (len(leaves), mth(leaves))


@pytest.mark.parametrize(("before", "size"), [(0, 0), (0, 3), (1, 2), (4, 8), (6, 4), (0, -1)])
def test_what_is_no_full_subtree_is_refused(before: int, size: int) -> None:
    frontier = Frontier()
    for number in range(before):
        frontier.add(bytes([number]))
    with pytest.raises(ValueError, match="no full subtree"):
        frontier.add_subtree(EMPTY, size)
    assert frontier.size == before


@given(leaf_lists.filter(bool), st.data())
def test_proofs_are_the_rfcs_and_verify(leaves: list[bytes], more: st.DataObject) -> None:
    index = more.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(index, leaves)
    assert proof == path(index, leaves)
    assert verify_inclusion(leaves[index], index, len(leaves), proof, mth(leaves))


@given(leaf_lists.filter(bool), st.data())
def test_a_proof_proves_nothing_else(leaves: list[bytes], more: st.DataObject) -> None:
    index = more.draw(st.integers(0, len(leaves) - 1))
    root, proof, size = mth(leaves), inclusion_proof(index, leaves), len(leaves)
    assert not verify_inclusion(leaves[index] + b"!", index, size, proof, root)
    assert not verify_inclusion(leaves[index], index, size, [*proof, root], root)
    assert not verify_inclusion(leaves[index], size, size, proof, root)
    assert not verify_inclusion(leaves[index], -1, size, proof, root)
    if proof:
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], root)
        assert not verify_inclusion(leaves[index], index, size, [b"\0" * 32, *proof[1:]], root)


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in (b"a", b"b"))
    assert tree_root([left + right]) != tree_root([b"a", b"b"])


def test_no_proof_for_what_is_not_there() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(1, [b"a"])
