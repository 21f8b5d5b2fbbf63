"""Runbooks: one short markdown page for each family of failure classes, with a head in YAML.

The head has `title`, `classes` (names from the catalogue) and `category`. A team's own pages have the same form.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigurationError
from core.incident import Category

FOLDER = Path(__file__).parent
MAX_CHARS = 200_000
#: About what the embedding model reads of a text.
SECTION_CHARS = 1_000

_HEAD = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)
_SECTION = re.compile(r"^## ", re.MULTILINE)


class Runbook(BaseModel):
    """One page. `text` is markdown without the head; `id` is the file's name without `.md`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    title: str = Field(min_length=1, max_length=300)
    classes: list[str] = Field(default_factory=list)
    category: Category = Category.UNKNOWN
    text: str = Field(min_length=1, max_length=MAX_CHARS)

    def sections(self) -> list[str]:
        """The page cut at its second-level headings, and further where long: one vector can't stand for a long text."""
        parts = [part.strip() for part in _SECTION.split(self.text) if part.strip()]
        if all(len(part) <= SECTION_CHARS for part in parts):
            return parts
        from langchain_text_splitters import MarkdownTextSplitter

        splitter = MarkdownTextSplitter(chunk_size=SECTION_CHARS, chunk_overlap=100)
        return [piece for part in parts for piece in splitter.split_text(part)]


def load_runbooks(folder: Path = FOLDER) -> list[Runbook]:
    """Every `*.md` of a folder, by name.

    Raises:
        ConfigurationError: A page has no head, or a wrong one; the message names the file and the key.
    """
    return [read_runbook(file) for file in sorted(folder.glob("*.md"))]


def read_runbook(file: Path) -> Runbook:
    """One page.

    Raises:
        ConfigurationError: It can't be read, or its head is missing or wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The runbook {file} can't be read: {error}.") from error
    return parse_runbook(file.stem, text, where=str(file))


def parse_runbook(id: str, text: str, *, where: str) -> Runbook:
    """A page from its text; `where` names it in messages.

    Raises:
        ConfigurationError: Its head is missing or wrong.
    """
    match = _HEAD.match(text.replace("\r\n", "\n"))
    try:
        head = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"The head of the runbook {where} is not YAML: {error}.") from error
    if match is None or not isinstance(head, dict):
        raise ConfigurationError(
            f"The runbook {where} has no head.", hint="Begin it with title, classes and category."
        )
    try:
        return Runbook(**{**head, "id": id, "text": match[2].strip()})
    except (ValidationError, TypeError) as error:
        raise ConfigurationError(f"The runbook {where} has a wrong head: {error}.") from error
