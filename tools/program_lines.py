"""The program's own lines around the one that failed, as evidence for whoever reviews the diagnosis."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.incident import Diagnosis, Evidence
from core.run import TaskOutput
from tools.injection import suspected

#: Lines shown on either side of the failing one.
AROUND = 5
#: What `tools.databricks.source.excerpt` writes: `# /etl/load.py, line 12`, then `>   12 | df.write...`.
_HEADER = re.compile(r"# (?P<path>.+), line (?P<line>\d+)$")
_ROW = re.compile(r"(?P<mark>[> ]) *(?P<number>\d+) \| (?P<text>.*)$")


def with_program(diagnosis: Diagnosis, outputs: Iterable[TaskOutput]) -> Diagnosis:
    """The diagnosis with the program's lines as its last evidence, the failing one marked by `>`.

    Nothing is added where the evidence shows that line already, or no program could be read. Lines that give orders to
    whoever reads them are flagged and left out.
    """
    told = [o for o in outputs if o.source]
    told.sort(key=lambda o: o.task_key not in diagnosis.task_keys)
    shown = _evidence(told[0].source) if told else None
    if shown is None:
        return diagnosis
    if suspected(told[0].source):
        return diagnosis.model_copy(update={"injection_suspected": True})
    evidence, failing = shown
    if any(failing in line for e in diagnosis.evidence for line in e.text.split("\n") if "->" in line):
        return diagnosis
    return diagnosis.model_copy(update={"evidence": [*diagnosis.evidence, evidence]})


def _evidence(source: str) -> tuple[Evidence, str] | None:
    """The lines as evidence, and the failing line's text; None when it is no excerpt, or nothing stands there."""
    first, *rest = source.split("\n")
    header = _HEADER.match(first)
    rows = [row for line in rest if (row := _ROW.match(line))]
    failing = next((n for n, row in enumerate(rows) if row["mark"] == ">"), None)
    if header is None or failing is None or not rows[failing]["text"].strip():
        return None
    kept = rows[max(0, failing - AROUND) : failing + AROUND + 1]
    text = "\n".join(f"{row['mark']} {row['text']}" for row in kept)
    evidence = Evidence(
        source=header["path"],
        line_start=int(kept[0]["number"]),
        line_end=int(kept[-1]["number"]),
        text=text,
    )
    return evidence, rows[failing]["text"].strip()
