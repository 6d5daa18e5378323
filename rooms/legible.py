"""Whether a comment's characters are shown as they are judged, in one line and in their own place. Pure.

Who turns the direction of writing writes a forbidden phrase backwards: the lexicon reads it in the order it was sent, everybody
else the other way. Marks heaped on one character (a few are a script's own) stand over the lines above and below.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Unicode's controls of direction (UAX #9, 2.1 to 2.4); what is written from right to left needs none of them.
_DIRECTION: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_HALF: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = frozenset({"Cc", "Zl", "Zp"})
_MARKS: Final = frozenset({"Mn", "Me"})
_MARKS_MOST: Final = 4
# Of none of these anything is to be seen by itself; Hangul's fillers are letters by their category.
_UNSEEN: Final = frozenset({"Cf", "Mn", "Me", "Zs"})
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def fault(text: str) -> str | None:
    """What a comment may not hold; None where there is nothing of the kind."""
    if _HALF.search(text):  # JSON's escapes can say so; no text on the record can
        return "half a character"
    if _DIRECTION.search(text):
        return "a change of direction"
    marks = 0
    for letter in text:
        category = unicodedata.category(letter)
        if category in _CONTROL:
            return "control characters"
        marks = marks + 1 if category in _MARKS else 0
        if marks > _MARKS_MOST:
            return "marks on marks"
    return None


def is_seen(text: str) -> bool:
    """Whether anything of it is to be seen."""
    return any(letter not in _FILLERS and unicodedata.category(letter) not in _UNSEEN for letter in text)
