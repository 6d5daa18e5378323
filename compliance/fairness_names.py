"""Names that no field may have: of what the seller earns by a sale (invariant 7). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

# Words of what the seller earns. A field named with one of them, in any entry, would be a thumb on the scale (invariant 7).
FORBIDDEN: Final = frozenset(
    {"bonus", "commission", "discount", "incentive", "kickback", "margin", "markup", "profit", "rebate", "reward", "target"}
)
_MOST_NAMES: Final = 10_000
_MOST_TEXT: Final = 300
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


class Names:
    """Looks through the names of all fields, however deep, for one that tells what the seller earns.

    It remembers the names that don't: an entry has few that are new.
    """

    def __init__(self) -> None:
        self._clean: set[str] = set()

    def forbidden(self, data: Mapping[str, Any]) -> list[str]:
        """Those that do; `data` is of dicts and lists, as it was read."""
        found: list[str] = []
        clean = self._clean
        waiting: list[Any] = [data]
        for value in waiting:  # what stands inside is put at its end
            if type(value) is list:
                waiting += [one for one in value if type(one) is dict or type(one) is list]
                continue
            for name, one in value.items():
                if name not in clean and not self._is_clean(name):
                    found.append(name)
                if type(one) is dict or type(one) is list:
                    waiting.append(one)
        return found

    def _is_clean(self, name: str) -> bool:
        if is_forbidden(name):
            return False
        if len(self._clean) < _MOST_NAMES and len(name) <= _MOST_TEXT:
            self._clean.add(name)
        return True


def is_forbidden(name: str) -> bool:
    """Whether a field of this name would tell what the seller earns: "sales_target", "marginBps", "commissions"."""
    words = {word.lower() for word in _WORDS.findall(name)}
    return not FORBIDDEN.isdisjoint(
        words | {word.removesuffix("s") for word in words} | {word.removesuffix("es") for word in words}
    )
