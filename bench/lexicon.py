"""What it costs to look a comment over for forbidden phrases, beside the least that a search for the same phrases costs.

The product: `Lexicon.hits` of comments of 100 characters, with a thousand rules that are found by sound as well. Ordinary ones
repeat their characters; the worst are picked at random, from all of Chinese and from all of Unicode, so that hardly a character
is met twice. The floor: one automaton of the same phrases over the ordinary comments as they stand, without any folding.
Microseconds of CPU for a comment, the best of several rounds; `cold` is a process's first round of Chinese at random.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import ahocorasick

from compliance.lexicon import TERMS, Action, Lexicon, Term

RULES: Final = 1_000
LETTERS: Final = 100
ROUNDS: Final = 7
_SEED: Final = 9
_HAN: Final = [chr(code) for code in range(0x4E00, 0xA000)]
_SAID: Final = (
    "老师您好,请问这个产品的起购金额是多少?我想了解一下它的历史业绩和费用,谢谢!今天讲得真清楚,再讲一遍吧。",
    "I missed the beginning: what is the minimum, and how long is the money tied up? ",
)


def measure(comments: int) -> dict[str, Any]:
    """The figures over so many comments of each kind."""
    at_random = random.Random(_SEED)  # noqa: S311 - the same comments each time
    phrases = ["".join(at_random.choices(_HAN, k=at_random.randint(3, 6))) for _ in range(RULES)]
    lexicon = Lexicon([*TERMS, *(Term(phrase, Action.FLAG, "bench", pinyin=True) for phrase in phrases)])
    ordinary = [(_SAID[number % len(_SAID)] * 2)[:LETTERS] for number in range(comments)]
    chinese = ["".join(at_random.choices(_HAN, k=LETTERS)) for _ in range(comments)]
    unicode = ["".join(_anything(at_random) for _ in range(LETTERS)) for _ in range(comments)]
    cold = _us(lexicon.hits, chinese, rounds=1)
    search = _search([term.text for term in lexicon.terms])
    usual, floor = _us(lexicon.hits, ordinary), _us(search, ordinary)
    return {
        "rules": len(lexicon.terms),
        "comments": comments,
        "ordinary_us": round(usual, 1),
        "random_chinese_us": round(_us(lexicon.hits, chinese), 1),
        "random_unicode_us": round(_us(lexicon.hits, unicode), 1),
        "cold_us": round(cold, 1),
        "floor_us": round(floor, 2),
        "floor_ratio": round(usual / floor, 1),
    }


def _anything(at_random: random.Random) -> str:
    """Any character but half of one."""
    code = at_random.randrange(0x20, 0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)


def _search(phrases: Sequence[str]) -> Callable[[str], object]:
    automaton = ahocorasick.Automaton()
    for phrase in phrases:
        automaton.add_word(phrase.encode().decode("latin-1"), len(phrase))
    automaton.make_automaton()
    return lambda text: list(automaton.iter(text.encode().decode("latin-1")))


def _us(search: Callable[[str], object], texts: Sequence[str], rounds: int = ROUNDS) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time_ns()
        for text in texts:
            search(text)
        best = min(best, time.process_time_ns() - began)
    return best / len(texts) / 1_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lexicon", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--comments", type=int, default=1_000, help="of each kind")
    arguments = parser.parse_args()
    found = measure(arguments.comments)
    print(
        f"a comment: {found['ordinary_us']} µs; of Chinese at random {found['random_chinese_us']} µs, of Unicode at random "
        f"{found['random_unicode_us']} µs; the floor {found['floor_us']} µs"
    )
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
