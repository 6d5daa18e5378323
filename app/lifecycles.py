"""Writes docs/lifecycles.md: every state machine as a diagram, from the table that runs it. `python -m app.lifecycles`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from commerce import lifecycle as orders
from compliance import lifecycle as cases
from recording import lifecycle as sessions
from rooms import lifecycle as calls

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "lifecycles.md"

MACHINES: tuple[tuple[str, str, Mapping[Any, Any]], ...] = (
    ("Session", "recording/lifecycle.py", sessions.TRANSITIONS),
    ("Call", "rooms/lifecycle.py", calls.TRANSITIONS),
    ("Order", "commerce/lifecycle.py", orders.TRANSITIONS),
    ("Case", "compliance/lifecycle.py", cases.TRANSITIONS),
)


def render() -> str:
    """The whole document."""
    parts = [
        "# Lifecycles\n",
        "Generated from the tables that run them by `python -m app.lifecycles`; a test compares. An event without an arrow is",
        "refused with `wrong_state` and changes nothing.\n",
    ]
    for name, file, table in MACHINES:
        parts += [f"## {name} (`{file}`)\n", "```mermaid", "stateDiagram-v2"]
        parts += [f"    {_word(start)} --> {_word(end)}: {_word(event)}" for (start, event), end in table.items()]
        parts += ["```\n"]
    return "\n".join(parts)


def _word(value: Any) -> str:
    return value.value if isinstance(value, StrEnum) else str(value)


if __name__ == "__main__":
    DOCUMENT.write_text(render())
    sys.stdout.write(f"{DOCUMENT}\n")
