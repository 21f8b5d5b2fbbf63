"""A team's own knowledge: its runbooks and its history, kept in the data folder so that the index can be made again.

The folder holds pages (`*.md`, as in `knowledge/runbooks`) and `incidents.jsonl`. Everything is redacted on its way in.
Taken are text (markdown, plain) through langchain-community's loader, and tables through `knowledge.tables`. Word, PDF,
HTML and spreadsheets are not: they are named, with what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, Field, ValidationError

from core.errors import ConfigurationError, InvalidInput
from core.incident import Category
from knowledge.history import Reader, unknown_class
from knowledge.incident_memory import IncidentMemory
from knowledge.runbooks import MAX_CHARS, Runbook, load_runbooks, parse_runbook
from knowledge.tables import TABLES, records

INCIDENTS = "incidents.jsonl"
TEXTS = frozenset({".md", ".markdown", ".txt"})
#: Kinds in which teams keep post-mortems too, and which are not read.
DOCUMENTS = frozenset({".docx", ".doc", ".odt", ".rtf", ".pdf", ".html", ".htm", ".xlsx", ".xls", ".ods"})
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)


class Taken(BaseModel):
    """What an import brought in, and what it left out, one sentence each with the file and the line."""

    incidents: int = 0
    pages: int = 0
    #: Of these, those that were there already, word for word.
    unchanged: int = 0
    #: Rows and files that were left out.
    skipped: list[str] = Field(default_factory=list)
    #: Values that were left out of rows that were taken.
    notes: list[str] = Field(default_factory=list)


class TeamKnowledge:
    """The folder of one team.

    Args:
        folder: Made on the first write.
        redact: Takes secrets out of a text.
        classes: Gives the failure classes there are, with their categories; asked when something is taken in.
    """

    def __init__(
        self,
        folder: Path,
        redact: Callable[[str], str],
        classes: Callable[[], Mapping[str, Category]],
    ) -> None:
        self._folder = folder
        self._redact = redact
        self._classes = classes

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
            ConfigurationError: It has no head, or a wrong one, or names a class that there is not.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The runbook {file} can't be read: {error}.") from error
        page = parse_runbook(_slug(file.stem), self._redact(text), where=str(file))
        self._check_classes(page, file)
        self._keep(page)
        return page

    def take(self, path: Path) -> Taken:
        """Take in a file of incidents (JSON lines, JSON, CSV), a page or post-mortem, or a folder of these.

        What was imported before is replaced by its id, and the same again changes nothing. Rows and files that can't
        be used are named, not fatal.

        Raises:
            InvalidInput: The path does not exist, or is of a kind that can't be read.
        """
        if not path.exists():
            raise InvalidInput(f"{path} does not exist.")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        known = [file for file in files if file.suffix.lower() in TEXTS | TABLES]
        if not known:
            kinds = ", ".join(sorted(TEXTS | TABLES))
            raise InvalidInput(
                f"Nothing in {path} can be imported.",
                hint=f"It reads {kinds}. Save documents and spreadsheets as one of these.",
            )
        taken, memories, names = Taken(), dict[str, IncidentMemory](), dict[str, Path]()
        for file in known:
            if file.suffix.lower() in TEXTS:
                self._take_text(file, path, taken, names)
            else:
                self._take_table(file, taken, memories)
        for file in files:
            if file.suffix.lower() in DOCUMENTS:
                taken.skipped.append(f"{file}: {file.suffix} is not read; save it as markdown, text or CSV")
        taken.incidents = len(memories)
        self._merge(memories, taken)
        return taken

    def _take_text(self, file: Path, root: Path, taken: Taken, names: dict[str, Path]) -> None:
        from langchain_community.document_loaders import TextLoader

        try:
            text = TextLoader(file, encoding="utf-8").load()[0].page_content
        except RuntimeError:
            taken.skipped.append(f"{file}: it is not UTF-8 text; save it as UTF-8")
            return
        # Pages of one name in two folders are two pages.
        name = _slug(file.stem)
        if names.setdefault(name, file) != file:
            name = _slug("_".join(file.relative_to(root).with_suffix("").parts))
        try:
            page = self._page(file, name, self._redact(text[:MAX_CHARS]))
            self._check_classes(page, file)
        except ConfigurationError as error:
            taken.skipped.append(f"{file}: {error}")
            return
        if len(text) > MAX_CHARS:
            taken.notes.append(
                f"{file}: only its first {MAX_CHARS:,} characters were taken; cut it into pages"
            )
        taken.pages += 1
        taken.unchanged += not self._keep(page)

    def _check_classes(self, page: Runbook, file: Path) -> None:
        classes = self._classes() if page.classes else {}
        for name in page.classes:
            if name not in classes:
                raise ConfigurationError(f"{file}: classes: {unknown_class(name, classes)}.")

    def _page(self, file: Path, name: str, text: str) -> Runbook:
        """A page as it is, or a post-mortem under its first heading."""
        if text.replace("\r\n", "\n").startswith("---\n"):
            return parse_runbook(name, text, where=str(file))
        if not text.strip():
            raise ConfigurationError(f"{file} is empty.")
        heading = _HEADING.search(text)
        title = heading[1].strip() if heading else file.stem.replace("-", " ").replace("_", " ")
        return Runbook(id=name, title=title[:300], text=text.strip())

    def _take_table(self, file: Path, taken: Taken, memories: dict[str, IncidentMemory]) -> None:
        reader, places = Reader(self._redact, self._classes()), dict[str, str]()
        try:
            for place, row, fault in records(file):
                read = reader.read(row) if row is not None else None
                if read is None or read.memory is None:
                    taken.skipped.append(f"{file}: {place}: {fault or (read.fault if read else '')}")
                    continue
                taken.notes += [f"{file}: {place}: {note}" for note in read.notes]
                memory = read.memory
                if memory.id in places and memories[memory.id] != memory:
                    taken.notes.append(
                        f"{file}: {place}: it has the id of {places[memory.id]}, and replaces it"
                    )
                places[memory.id] = place
                memories[memory.id] = memory
        except OSError as error:
            taken.skipped.append(f"{file}: {error}")

    def _keep(self, page: Runbook) -> bool:
        """Write a page; whether that changed anything."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = {"title": page.title, "classes": page.classes, "category": page.category.value}
        text = f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{page.text}\n"
        return _replace(self._folder / f"{page.id}.md", text)

    def _merge(self, fresh: Mapping[str, IncidentMemory], taken: Taken) -> None:
        there = {memory.id: memory for memory in self.incidents()}
        same = sum(there.get(memory.id) == memory for memory in fresh.values())
        taken.unchanged += same
        if same == len(fresh):
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        merged = there | dict(fresh)
        _replace(
            self._folder / INCIDENTS, "".join(f"{memory.model_dump_json()}\n" for memory in merged.values())
        )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:80] or "page"


def _replace(file: Path, text: str) -> bool:
    """Write beside and rename, so that a killed process leaves the old file or the new one; whether it is another."""
    data = text.encode()
    if file.exists() and file.read_bytes() == data:
        return False
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(data)
    beside.replace(file)
    return True
