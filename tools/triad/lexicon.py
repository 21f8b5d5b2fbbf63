"""English words that the triad knows by themselves: `lexicon.json`, read once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Lexicon:
    """`opposites` are pairs; `numbers` and `irregular` map a form to its value or base."""

    stop: frozenset[str]
    negations: frozenset[str]
    numbers: dict[str, str]
    irregular: dict[str, str]
    opposites: list[tuple[str, str]]


@cache
def lexicon() -> Lexicon:
    """The words of `lexicon.json`."""
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("lexicon.json").read_text(encoding="utf-8"))
    return Lexicon(
        stop=frozenset(" ".join(raw["stop"]).split()),
        negations=frozenset(" ".join(raw["negations"]).split()),
        numbers=raw["numbers"],
        irregular={form: base for base, forms in raw["irregular"].items() for form in forms.split()},
        opposites=[
            (left, right) for pair in " ".join(raw["opposites"]).split() for left, right in [pair.split("/")]
        ],
    )
