"""docs/invariants.md names only tests that exist, and leaves no invariant without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "invariants.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


@pytest.mark.parametrize(("path", "test"), NAMED)
def test_what_it_names_exists(path: str, test: str) -> None:
    source = (ROOT / path).read_text()
    assert re.search(rf"def {test or 'test_'}", source)


def test_every_invariant_is_attacked_and_says_what_is_missing() -> None:
    chapters = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert [chapter.split(".")[0] for chapter in chapters] == [str(number) for number in range(1, 11)]
    for chapter in chapters:
        assert "`tests/" in chapter
        assert "*Missing:*" in chapter
