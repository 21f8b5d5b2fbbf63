"""A diagnosis in words: the question and answer that the triad scores, and the query that searches the knowledge."""

from __future__ import annotations

import re

from core.incident import Diagnosis
from knowledge.catalogue import FailureClass

QUESTION = "Why did the run fail?"
_NOISE = re.compile(r"0x[0-9a-f]{6,}|[0-9a-f]{8}-[0-9a-f-]{20,}|\b\d{4,}\b|\d{2}:\d{2}:\d{2}[.,]?\d*")
_QUERY = 700


def answer(diagnosis: Diagnosis) -> str:
    """The diagnosis as the sentences that a reviewer reads, each of which the evidence should support."""
    return diagnosis.root_cause


def query(diagnosis: Diagnosis, failure_class: FailureClass, *, widen: int = 0) -> str:
    """What to search runbooks and past incidents with; each try after the first says less and so finds more."""
    parts = [failure_class.title, diagnosis.root_cause]
    if widen == 0 and diagnosis.evidence:
        parts.append(diagnosis.evidence[0].text[:300])
    if widen >= 2:
        parts = [failure_class.title, failure_class.family.replace("_", " "), diagnosis.category.value]
    return " ".join(_NOISE.sub(" ", " ".join(parts)).split())[:_QUERY]
