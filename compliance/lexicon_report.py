"""What `tellercast lexicon` says of a file's rules and of the texts tried against them. Pure."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from compliance.lexicon import Lexicon, masked, strictest
from compliance.lexicon_rules import Action, Kind


def counted(lexicon: Lexicon) -> str:
    """One line: how many rules of each kind and action, and their version."""
    kinds = Counter(term.kind for term in lexicon.terms)
    actions = Counter(term.action for term in lexicon.terms)
    of_kind = ", ".join(f"{kinds[kind]} {kind}" for kind in get_args(Kind))
    of_action = ", ".join(f"{actions[action]} {action.name.lower()}" for action in Action)
    sounding = sum(term.pinyin for term in lexicon.terms)
    return f"{len(lexicon.terms)} rules ({of_kind}; {of_action}; {sounding} with pinyin), version {lexicon.version}"


def tried(lexicon: Lexicon, text: str) -> str:
    """What would become of a comment, and each hit with its place, counted from 1."""
    found = lexicon.hits(text)
    action = strictest(found)
    lines = [f"{text!r}: {action.name.lower() if action is not None else 'nothing found'}"]
    lines += [
        f"  {hit.action.name.lower()} {hit.start + 1}-{hit.end} {text[hit.start : hit.end]!r} says {hit.term!r} ({hit.source})"
        for hit in found
    ]
    if action is Action.MASK:
        lines.append(f"  shown as {masked(text, found)!r}")
    return "\n".join(lines)
