"""Every kind of entry can be read, in both languages, whatever its data lacks."""

from __future__ import annotations

import pytest

from compliance.sentences import sentence
from recording import kinds


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_kind_has_its_sentence(kind: str, lang: str) -> None:
    said = sentence(kind, "someone", {}, frozenset(), lang)
    assert said
    assert said != kind


@pytest.mark.parametrize("reason", ["packets_lost", "nothing_sent", "abandoned", "undecodable", "cut_too_often", "disk_full"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reasons_are_said_in_words(reason: str, lang: str) -> None:
    assert reason not in sentence(kinds.GAP, "media", {"stream": "host", "reason": reason}, frozenset(), lang)


@pytest.mark.parametrize("what", ["opened", "timeline", "fairness", "downloaded", "played", "replayed"])
def test_what_was_looked_at_is_said_in_words(what: str) -> None:
    said = sentence(kinds.VIEWED, "reviewer-1", {"what": what}, frozenset(), "zh")
    assert said.startswith("reviewer-1 查看：")
    assert what not in said


def test_what_was_erased_is_said_to_be() -> None:
    data = {"author": None, "text": None}
    assert sentence(kinds.COMMENT, "customer", data, frozenset({"author", "text"}), "zh") == "[已删除]:[已删除]"


def test_braces_in_a_persons_text_mean_nothing() -> None:
    data = {"author": "李**", "text": "{actor.__class__} {0}"}
    assert sentence(kinds.COMMENT, "customer", data, frozenset(), "en") == "李**: {actor.__class__} {0}"


def test_an_unknown_kind_is_shown_by_its_name() -> None:
    assert sentence("from_the_future", "x", {}, frozenset(), "en") == "from_the_future"
