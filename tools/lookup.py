"""What an error names (a table, a schema, a column) is looked up, and what was found goes into the diagnosis.

What is found are names that somebody gave to tables, so they are evidence and nothing more: redacted, looked at for
orders, and short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.incident import Diagnosis, Evidence
from core.run import TaskOutput
from tools.injection import suspected
from tools.redaction import redact

SOURCE = "unity_catalog"
#: Classes of which something is missing, what kind of thing, and the fact that names it.
_KINDS = {
    "table_not_found": ("table", "table"),
    "delta_table_missing": ("table", "table"),
    "schema_not_found": ("schema", "schema"),
    "unresolved_column": ("column", "column"),
}
#: The end of a trace that is searched for the tables that a column may be in, in characters.
_TRACE = 20_000
_MAX_TABLES = 2
#: `spark.table("a.b.c")`, `FROM a.b.c`, `JOIN a.b.c`; three parts only, since only these say which table it is.
_MENTIONED = re.compile(
    r"(?:(?i:\b(?:from|join|into|update|table)\b)|\btable\()\s*[\"'`(]{0,2}"
    r"(?P<name>(?:`?[A-Za-z_][\w-]{0,99}`?\.){2}`?[A-Za-z_][\w-]{0,99}`?)(?![\w.(])"
)


@dataclass(frozen=True)
class Wanted:
    """What an error names: a `table`, `schema` (or catalog) or `column`; of a column the tables it may be in."""

    kind: str
    name: str
    tables: Sequence[str] = ()


@dataclass
class Found:
    """What is said of it: lines for the evidence, a sentence (empty when nothing was learnt), and what could not be
    found out, and why."""

    lines: list[str] = field(default_factory=list)
    sentence: str = ""
    missing: list[str] = field(default_factory=list)


class Lookup(Protocol):
    """Somewhere to look things up (see `tools.databricks.unity_catalog`)."""

    async def look_up(self, wanted: Wanted) -> Found:
        """What is there of it; never raises for what the other side says or fails to say."""
        ...


def wanted(diagnosis: Diagnosis, outputs: Iterable[TaskOutput]) -> Wanted | None:
    """What is worth looking up for a diagnosis; None when it names nothing."""
    kind, fact = _KINDS.get(diagnosis.failure_class, ("", ""))
    name = diagnosis.facts.get(fact, "")
    if not name:
        return None
    if kind != "column":
        return Wanted(kind, name)
    texts = [text for o in outputs for text in (o.source, o.error_trace[-_TRACE:])]
    tables = tables_in("\n".join(texts))
    return Wanted(kind, name, tables) if tables else None


def tables_in(text: str) -> list[str]:
    """The first tables with three-part names that a text reads from or writes to."""
    names = (match["name"].replace("`", "") for match in _MENTIONED.finditer(text))
    return list(dict.fromkeys(names))[:_MAX_TABLES]


def enriched(diagnosis: Diagnosis, found: Found) -> Diagnosis:
    """The diagnosis with what was found: a line of the cause, a range of evidence, and the fact `unity_catalog`,
    which also says what could not be found out."""
    text = redact("\n".join(found.lines)).text
    if suspected(text):
        return diagnosis.model_copy(update={"injection_suspected": True})
    said = redact("; ".join(filter(None, [found.sentence, *found.missing]))).text
    if not said:
        return diagnosis
    facts = {**diagnosis.facts, SOURCE: said[:400]}
    if not found.sentence:
        return diagnosis.model_copy(update={"facts": facts})
    evidence = Evidence(source=SOURCE, line_start=1, line_end=len(found.lines), text=text)
    return diagnosis.model_copy(
        update={
            "root_cause": f"{diagnosis.root_cause} In Unity Catalog {redact(found.sentence).text}.",
            "evidence": [*diagnosis.evidence, evidence],
            "facts": facts,
        }
    )
