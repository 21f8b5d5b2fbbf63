"""Checks what a model answered: a class that exists, ids that were shown, a sentence that holds to the evidence."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from core.errors import ModelError
from core.incident import Diagnosis
from knowledge.catalogue import UNKNOWN, Catalogue, FailureClass
from tools.llm import Opinion, Suggestion
from tools.prompt import clean

_CAUSE_CHARS = 400
#: A setting's name and a value that is only a number with a unit, or a word.
_SETTING = re.compile(r"[A-Za-z][\w.\[\]-]{1,80}")
_VALUE = re.compile(r"[\w.+-]{1,40}")
_MAX_SUGGESTIONS = 5
_LINK = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S*|\bwww\.\S+", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,200}>")
_MARKDOWN = re.compile(r"!?\[([^\]\n]{0,200})\]\([^)\n]{0,300}\)")
_MARKS = re.compile(r"[`*#|<>]+|(?<!\w)_+|_+(?!\w)")
#: Names and numbers: what a sentence must have from the evidence.
_NAME = re.compile(r"[A-Za-z_][\w$]*(?:[._/-][\w$]+)+|\b[A-Z]\w*[A-Z]\w*|\b\w*\d\w*")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|[_.]")
_WORD = re.compile(r"[a-z]{4,}")
_RELATED = 24


@dataclass(frozen=True)
class Checked:
    """An opinion that can be weighed."""

    failure_class: FailureClass
    cited: tuple[str, ...]
    root_cause: str
    #: Whether every name and number in the root cause stands in the evidence.
    grounded: bool
    confidence: float
    suggestions: tuple[Suggestion, ...]

    def facts(self) -> dict[str, Any]:
        """For the record, and for the reviewer."""
        return {
            "failure_class": self.failure_class.name,
            "confidence": self.confidence,
            "root_cause": self.root_cause,
            "evidence": list(self.cited),
            "suggestions": [s.model_dump() for s in self.suggestions],
        }


def checked(
    opinion: Opinion, shown: frozenset[str], catalogue: Catalogue, local: Diagnosis, *, trusted: bool
) -> Checked:
    """The opinion, its texts made harmless.

    Args:
        shown: The ids that the model was shown.
        trusted: Nothing in the evidence tries to steer the reader; else no value is taken over.

    Raises:
        ModelError: It names a class that does not exist, or cites nothing or what was not shown.
    """
    name = opinion.failure_class.strip()
    if name not in catalogue:
        raise ModelError("The model named a failure class that does not exist.")
    cited = tuple(dict.fromkeys(i.strip().strip("[]").upper() for i in opinion.evidence))
    if not shown.issuperset(cited):
        raise ModelError("The model cited evidence that does not exist.")
    if name != UNKNOWN and not any(i.startswith("E") for i in cited):
        raise ModelError("The model cited no evidence.")
    cause = plain(opinion.root_cause)
    if not cause:
        raise ModelError("The model gave no root cause.")
    found = catalogue.classes[name]
    return Checked(
        failure_class=found,
        cited=cited,
        root_cause=cause,
        grounded=trusted and _grounded(cause, local),
        confidence=opinion.confidence,
        suggestions=_allowed(opinion, found) if trusted else (),
    )


def plain(text: str) -> str:
    """One line of plain text without secrets, links or markup, of at most 400 characters."""
    text = _MARKDOWN.sub(r"\1", clean(text[: 10 * _CAUSE_CHARS]))
    text = _MARKS.sub("", _TAG.sub("", _LINK.sub("", text)))
    text = " ".join(text.split())
    return text if len(text) <= _CAUSE_CHARS else text[: _CAUSE_CHARS - 1].rsplit(" ", 1)[0] + "…"


def related(text: str, catalogue: Catalogue, *, without: set[str]) -> list[FailureClass]:
    """The classes whose words occur in a text, those with the rarer words first."""
    words = _words(text[-50_000:])
    of_class = {
        c.name: _words(" ".join([c.name, c.title, *c.cause, *_named(c)])) for c in catalogue.classes.values()
    }
    in_classes = Counter(word for own in of_class.values() for word in own)
    scored = []
    for name, own in of_class.items():
        # Inverse document frequency, and longer descriptions not favoured (Salton's tf-idf with binary tf).
        score = sum(math.log(len(of_class) / in_classes[word]) for word in own & words) / math.sqrt(
            1 + len(own)
        )
        if score > 0 and name not in without and name != UNKNOWN:
            scored.append((-score, name))
    return [catalogue.classes[name] for _, name in sorted(scored)[:_RELATED]]


def _words(text: str) -> set[str]:
    """Words of four letters and more, also those within snake_case and CamelCase."""
    return set(_WORD.findall(_HUMP.sub(" ", text).lower()))


def _named(found: FailureClass) -> list[str]:
    return [name for rule in found.recognise for name in (*rule.condition, *rule.exception)]


def _allowed(opinion: Opinion, found: FailureClass) -> tuple[Suggestion, ...]:
    """Suggestions for settings that the class may change at all; how far is for the proposal to say."""
    changes = {change.setting for change in found.change}
    kept = [
        s
        for s in opinion.suggestions
        if _SETTING.fullmatch(s.setting) and _VALUE.fullmatch(s.value) and s.setting in changes
    ]
    return tuple(kept[:_MAX_SUGGESTIONS])


def _grounded(cause: str, local: Diagnosis) -> bool:
    known = " ".join(
        [local.root_cause, *(e.text for e in local.evidence), *(e.source for e in local.evidence)]
    ).lower()
    return all(name.lower() in known for name in _NAME.findall(cause))
