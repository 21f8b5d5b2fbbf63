"""A team's own knowledge: its runbooks and its history, kept in the data folder so that the index can be made again.

The folder holds pages (`*.md`, as in `knowledge/runbooks`) and `incidents.jsonl`. Everything is redacted on its way in.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from core.errors import ConfigurationError, InvalidInput
from knowledge.memory import IncidentMemory
from knowledge.runbooks import MAX_CHARS, Runbook, load_runbooks, parse_runbook

INCIDENTS = "incidents.jsonl"
TEXTS = frozenset({".md", ".markdown", ".txt"})
TABLES = frozenset({".jsonl", ".ndjson", ".json", ".csv"})
#: Names that other trackers give to what we keep, the first one found wins.
COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "incident_id", "key", "number", "ticket"),
    "title": ("title", "summary", "name", "subject", "short_description", "incident"),
    "root_cause": ("root_cause", "cause", "reason", "description", "analysis"),
    "evidence": ("evidence", "error", "error_message", "message", "log", "stacktrace", "trace"),
    "fingerprint": ("fingerprint",),
    "failure_class": ("failure_class", "class", "type"),
    "category": ("category",),
    "job": ("job", "job_name", "pipeline", "service"),
    "action": ("action",),
    "outcome": ("outcome", "status", "result"),
    "finished_at": ("finished_at", "resolved_at", "closed_at", "ended_at", "date", "created_at"),
    "note": ("note", "resolution", "fix", "lesson", "lessons", "comment", "comments", "notes"),
}
_LIMITS = {"title": 500, "root_cause": 2_000, "evidence": 4_000, "note": 2_000}
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)


class Taken(BaseModel):
    """What an import brought in, and what it left out, one sentence each."""

    incidents: int = 0
    pages: int = 0
    skipped: list[str] = Field(default_factory=list)


class TeamKnowledge:
    """The folder of one team.

    Args:
        folder: Made on the first write.
        redact: Takes secrets out of a text.
    """

    def __init__(self, folder: Path, redact: Callable[[str], str]) -> None:
        self._folder = folder
        self._redact = redact

    def pages(self) -> list[Runbook]:
        """The team's pages. Raises: ConfigurationError: One was changed by hand and is wrong."""
        return load_runbooks(self._folder)

    def incidents(self) -> Iterator[IncidentMemory]:
        """The imported incidents, oldest import first. Raises: ConfigurationError: The file was damaged."""
        file = self._folder / INCIDENTS
        if not file.exists():
            return
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield IncidentMemory.model_validate_json(line)
                except ValidationError as error:
                    raise ConfigurationError(
                        f"{file}:{number} is no incident.", hint="Remove the line."
                    ) from error

    def add(self, file: Path) -> Runbook:
        """Copy one page into the folder, replacing the one of the same name.

        Raises:
            ConfigurationError: It has no head, or a wrong one.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The runbook {file} can't be read: {error}.") from error
        return self._keep(parse_runbook(_slug(file.stem), self._redact(text), where=str(file)))

    def take(self, path: Path) -> Taken:
        """Take in a file of incidents (JSON lines, JSON, CSV), a page or post-mortem, or a folder of these.

        What was imported before is replaced by its id. Rows and files that can't be used are named, not fatal.

        Raises:
            InvalidInput: The path does not exist, or is of a kind that can't be read.
        """
        if not path.exists():
            raise InvalidInput(f"{path} does not exist.")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        known = [file for file in files if file.suffix.lower() in TEXTS | TABLES]
        if not known:
            kinds = ", ".join(sorted(TEXTS | TABLES))
            raise InvalidInput(f"Nothing in {path} can be imported.", hint=f"It reads {kinds}.")
        taken, memories = Taken(), dict[str, IncidentMemory]()
        for file in known:
            if file.suffix.lower() in TEXTS:
                self._take_text(file, taken)
            else:
                self._take_table(file, taken, memories)
        self._merge(memories)
        return taken

    def _take_text(self, file: Path, taken: Taken) -> None:
        from langchain_community.document_loaders import TextLoader

        try:
            text = TextLoader(file, autodetect_encoding=False, encoding="utf-8").load()[0].page_content
            self._keep(self._page(file, self._redact(text[:MAX_CHARS])))
        except (RuntimeError, ConfigurationError) as error:
            taken.skipped.append(f"{file}: {error}")
        else:
            taken.pages += 1

    def _page(self, file: Path, text: str) -> Runbook:
        """A page as it is, or a post-mortem under its first heading."""
        if text.startswith("---\n"):
            return parse_runbook(_slug(file.stem), text, where=str(file))
        if not text.strip():
            raise ConfigurationError(f"{file} is empty.")
        heading = _HEADING.search(text)
        title = heading[1].strip() if heading else file.stem.replace("-", " ").replace("_", " ")
        return Runbook(id=_slug(file.stem), title=title[:300], text=text.strip())

    def _take_table(self, file: Path, taken: Taken, memories: dict[str, IncidentMemory]) -> None:
        try:
            for number, row in enumerate(_rows(file), start=1):
                memory = self._memory(row)
                if memory is None:
                    taken.skipped.append(f"{file}: record {number} has neither title, cause nor message")
                    continue
                memories[memory.id] = memory
                taken.incidents += 1
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error, TypeError) as error:
            taken.skipped.append(f"{file}: {error}")

    def _memory(self, row: Mapping[str, Any]) -> IncidentMemory | None:
        lowered = {str(key).strip().lower().replace(" ", "_"): value for key, value in row.items() if key}
        found: dict[str, str] = {}
        for field, names in COLUMNS.items():
            value = next((lowered[name] for name in names if lowered.get(name) not in (None, "", [])), None)
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                found[field] = self._redact(text.strip())[: _LIMITS.get(field, 200)]
        said = found.get("title") or found.get("root_cause") or found.get("evidence")
        if not said:
            return None
        found["title"] = said.splitlines()[0][:200]
        digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
        return IncidentMemory.model_validate({**found, "id": f"imported-{found.get('id') or digest}"})

    def _keep(self, page: Runbook) -> Runbook:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = {"title": page.title, "classes": page.classes, "category": page.category.value}
        text = f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{page.text}\n"
        _replace(self._folder / f"{page.id}.md", text)
        return page

    def _merge(self, fresh: Mapping[str, IncidentMemory]) -> None:
        if not fresh:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        merged = {memory.id: memory for memory in self.incidents()} | dict(fresh)
        _replace(
            self._folder / INCIDENTS, "".join(f"{memory.model_dump_json()}\n" for memory in merged.values())
        )


def _rows(file: Path) -> Iterable[Mapping[str, Any]]:
    """The records of a table; a file that is not one raises what its reader raises, or TypeError."""
    kind = file.suffix.lower()
    with file.open(encoding="utf-8-sig", newline="") as stream:
        if kind == ".csv":
            yield from csv.DictReader(stream)
            return
        found = (
            json.load(stream) if kind == ".json" else (json.loads(line) for line in stream if line.strip())
        )
        for row in found.get("incidents", []) if isinstance(found, dict) else found:
            if not isinstance(row, dict):
                raise TypeError("a record is not an object")
            yield row


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:80] or "page"


def _replace(file: Path, text: str) -> None:
    """Write beside and rename, so that a killed process leaves the old file or the new one."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)
