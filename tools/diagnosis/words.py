"""A diagnosis in words: the question and answer that the triad scores, and the query that searches the knowledge."""

from __future__ import annotations

import re

from core.incident import Diagnosis
from knowledge.catalogue import FailureClass

QUESTION = "Why did the run fail?"
_NOISE = re.compile(r"0x[0-9a-f]{6,}|[0-9a-f]{8}-[0-9a-f-]{20,}|\b\d{4,}\b|\d{2}:\d{2}:\d{2}[.,]?\d*")
_QUERY = 700
_LINE = 260
_SPEAKS = re.compile(r"Error|Exception|Failure|FATAL|failed|denied|refused|exit", re.IGNORECASE)
_SAYS_SO = ("The run failed", "The run is still", "Nothing that the run")
_ARTICLES = (
    "The ",
    "A ",
    "An ",
    "Another ",
    "Some ",
    "No ",
    "Two ",
    "Rows ",
    "Records ",
    "Types ",
    "Something ",
)


def answer(diagnosis: Diagnosis) -> str:
    """The diagnosis as the sentences that a reviewer reads: why the run failed, and the words that say so."""
    cause = diagnosis.root_cause
    if not cause.startswith(_SAYS_SO):
        plain = cause[:1].lower() + cause[1:] if cause.startswith(_ARTICLES) else cause
        cause = f"The run failed because {plain}"
    said = _decisive_line(diagnosis)
    return f"{cause} The log says: {said}." if said and said not in cause else cause


def _decisive_line(diagnosis: Diagnosis) -> str:
    """The line of the decisive evidence that says most, short enough to be read in a sentence."""
    lines = [line.strip() for line in diagnosis.evidence[0].text.split("\n")] if diagnosis.evidence else []
    spoken = [line for line in lines if _SPEAKS.search(line)] or [line for line in lines if line]
    line = " ".join(spoken[0].split()) if spoken else ""
    return (
        line.lstrip(": ").rstrip(" .;:")
        if len(line) <= _LINE
        else f"{line[:_LINE].rsplit(' ', 1)[0]} [...]".lstrip(": ")
    )


def query(diagnosis: Diagnosis, failure_class: FailureClass, *, widen: int = 0) -> str:
    """What to search runbooks and past incidents with; each try after the first says less and so finds more."""
    parts = [failure_class.title, diagnosis.root_cause]
    if widen == 0 and diagnosis.evidence:
        parts.append(diagnosis.evidence[0].text[:300])
    if widen >= 2:
        parts = [failure_class.title, failure_class.family.replace("_", " "), diagnosis.category.value]
    return " ".join(_NOISE.sub(" ", " ".join(parts)).split())[:_QUERY]
