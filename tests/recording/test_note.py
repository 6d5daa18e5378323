"""Signed notes and checkpoints: the examples of the Go implementation, and everything that must not pass."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from recording.note import (
    BadNote,
    Checkpoint,
    Signer,
    Unverified,
    VerifierKey,
    open_note,
    read_checkpoint,
    read_key,
    sign_note,
    split_note,
)

# From the documentation of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)  # fmt: skip
PETERS_NOTE = TEXT + (
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)  # fmt: skip


def signer(name: str = "tellercast", seed: int = 1) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def test_a_note_signed_by_another_implementation_opens() -> None:
    key = read_key(PETER)
    assert str(key) == PETER
    assert key.label == "PeterNeumann+c74f20a3"
    assert open_note(PETERS_NOTE, [key]) == (TEXT, [key])


def test_several_signatures_and_unknown_ones() -> None:
    one, two, stranger = signer(seed=1), signer("witness", 2), signer("stranger", 3)
    note = sign_note("hello\n", one, stranger, two)
    assert open_note(note, [two.verifier, one.verifier]) == ("hello\n", [one.verifier, two.verifier])
    with pytest.raises(Unverified, match="no known key"):
        open_note(note, [signer(seed=9).verifier])
    with pytest.raises(Unverified, match="no known key"):
        open_note(note, [])


def test_a_known_keys_wrong_signature_condemns_the_note_though_another_is_right() -> None:
    one, two = signer(seed=1), signer("witness", 2)
    good = sign_note("hello\n", one)
    forged = good + sign_note("goodbye\n", two).partition("\n\n")[2]
    with pytest.raises(Unverified, match="wrong"):
        open_note(forged, [one.verifier, two.verifier])


@given(st.integers(0, 400), st.characters(codec="utf-8"))
def test_any_changed_character_is_found(at: int, char: str) -> None:
    key = signer()
    note = sign_note("tellercast/ses_1\n3\nhello\n", key)
    at %= len(note)
    changed = note[:at] + char + note[at + 1 :]
    if changed == note:
        return
    with pytest.raises((BadNote, Unverified)):
        open_note(changed, [key.verifier])


@pytest.mark.parametrize(
    "note",
    ["", "hello", "hello\n", "hello\n\n", "hello\n\n- x AAAA\n", "hello\n\n— x\n", "hello\n\n— x !!!!\n", "hello\n\n— x AAAA\n",
     "hello\n\n— a+b AAAAAAAAAAA=\n", "hello\n\n— x AAAAAAAAAAA=", "a\tb\n\n— x AAAAAAAAAAA=\n"],
)  # fmt: skip
def test_what_is_not_a_note(note: str) -> None:
    with pytest.raises(BadNote):
        split_note(note)


@pytest.mark.parametrize("text", ["no newline", "tab\there\n", "bell\x07\n"])
def test_what_is_never_signed(text: str) -> None:
    with pytest.raises(BadNote):
        sign_note(text, signer())


@pytest.mark.parametrize(
    "line",
    ["", "a+b", "a+00000000+AAAA", PETER.replace("c74f", "c74e"), PETER[:-4], PETER.replace("+AR", "+BR"), "a b+" + PETER],
)
def test_what_is_not_a_key(line: str) -> None:
    with pytest.raises(BadNote):
        read_key(line)


def test_a_name_of_two_words_names_no_key() -> None:
    with pytest.raises(BadNote):
        VerifierKey("two words", b"\0" * 32)


def test_a_printed_signer_shows_no_secret() -> None:
    key = signer()
    assert repr(key) == f"Signer({key.verifier.label})"


def test_a_checkpoint_reads_back() -> None:
    checkpoint = Checkpoint("tellercast/ses_1", 12, bytes(range(32)), ("fragments 3", "x"))
    assert read_checkpoint(checkpoint.text) == checkpoint
    assert checkpoint.text == "tellercast/ses_1\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nfragments 3\nx\n"


@pytest.mark.parametrize(
    "text",
    ["", "a\n1\n", "a\n1\nAAAA\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\n" + "A" * 43 + "=",
     "a\n1\n" + "A" * 43 + "=\n\nx\n", "\n1\n" + "A" * 43 + "=\n", "a\n1\n" + "A" * 42 + "B=\n"],
)  # fmt: skip
def test_what_is_not_a_checkpoint(text: str) -> None:
    with pytest.raises(BadNote):
        read_checkpoint(text)
