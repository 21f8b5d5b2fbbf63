"""The diagnoses that the triad is fitted on: what the catalogue's engine says of messages that services really print.

The messages are those that the engine is tested with, one or more a class; every other one gets a place in a program,
as a trace would show it. A good answer is the engine's root cause. Bad ones are the root cause of another message at
the same place, with the runbook that would then have been retrieved, and the right sentence with a name or number of
another failure in it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.incident import Diagnosis
from knowledge.catalogue import load_catalogue
from knowledge.runbooks import Runbook, load_runbooks
from tools.diagnosis import Engine, case_of_texts

MESSAGES = Path(__file__).parents[2] / "tests" / "unit" / "diagnosis"
QUESTION = "Why did the run fail?"
SEED = 7
#: As much of a runbook as retrieval gives.
PAGE = 1_500
_VALUE = re.compile(r"\b[\w./:-]*[\d_./:][\w./:-]*\w\b")


@dataclass(frozen=True)
class Diagnosed:
    """An answer to a failure's question over its contexts, the evidence first."""

    message: int
    contexts: list[str]
    answer: str
    good: bool
    #: How many of the contexts, from the first, are about this failure.
    serving: int

    @property
    def held_back(self) -> bool:
        """Whether it is for the report and not for fitting."""
        return self.message % 3 == 2


def read_diagnoses() -> list[Diagnosed]:
    """Good and bad answers for every message that the engine knows."""
    engine = Engine(load_catalogue())
    texts = [
        message["text"]
        for file in sorted(MESSAGES.glob("messages_*.yaml"))
        for message in yaml.safe_load(file.read_text(encoding="utf-8"))
        if message["expect"] != "unknown"
    ]
    found = [engine.diagnose(case_of_texts({"driver.log": text})) for text in texts]
    rng, pages = random.Random(SEED), load_runbooks()  # noqa: S311
    return [row for number in range(len(found)) for row in _answers(number, found, pages, rng)]


def _answers(
    number: int, found: list[Diagnosis], pages: list[Runbook], rng: random.Random
) -> Iterator[Diagnosed]:
    own, place = found[number], _place(number)
    evidence = [e.text for e in own.evidence]
    if place is not None:
        evidence[0] += f'\n  File "/Workspace/Repos/data-eng/{place[0]}", line {place[1]}, in <module>'
    same_side = [d for n, d in enumerate(found) if (n % 3 == 2) == (number % 3 == 2) and n != number]

    def contexts(diagnosis: Diagnosis) -> list[str]:
        page = [p.text[:PAGE] for p in pages if diagnosis.failure_class in p.classes][:1]
        return [*evidence, *page, *(p.text[:PAGE] for p in rng.sample(pages, 2))]

    with_page = len(evidence) + any(own.failure_class in page.classes for page in pages)
    # With the vector store away, there is the evidence alone.
    right = _answer(own, place)
    yield Diagnosed(number, evidence, right, True, len(evidence))
    yield Diagnosed(number, contexts(own), right, True, with_page)
    near = [d for d in same_side if d.category == own.category and d.failure_class != own.failure_class]
    for other in (rng.choice(near or same_side), rng.choice(same_side)):
        if other.failure_class != own.failure_class:
            wrong = _answer(other, place)
            yield Diagnosed(number, evidence, wrong, False, len(evidence))
            yield Diagnosed(number, contexts(other), wrong, False, len(evidence))
    values = [value for d in same_side for value in _VALUE.findall(d.root_cause)]
    matches = list(_VALUE.finditer(right))
    if matches and (value := rng.choice(values)) != (match := rng.choice(matches))[0]:
        changed = right[: match.start()] + value + right[match.end() :]
        yield Diagnosed(number, evidence, changed, False, len(evidence))
        yield Diagnosed(number, contexts(own), changed, False, with_page)


def _place(number: int) -> tuple[str, int] | None:
    """A program and a line for every other message."""
    names = ("orders_daily.py", "load_events.py", "build_features.py", "sync_crm.py", "ledger_close.py")
    return (names[number % len(names)], 3 + number % 71) if number % 2 else None


def _answer(diagnosis: Diagnosis, place: tuple[str, int] | None) -> str:
    """The root cause, at that place where there is one."""
    if place is None:
        return diagnosis.root_cause
    return diagnosis.root_cause.replace(diagnosis.facts["where"], f"{place[0]} (line {place[1]})")
