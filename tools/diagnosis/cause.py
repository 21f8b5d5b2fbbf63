"""Puts the root cause into a sentence: the class's template, filled with what the evidence says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from knowledge.catalogue import FailureClass
from knowledge.catalogue.model import placeholders
from tools.diagnosis.unit import Unit

_MESSAGE = 260
_FACT = 160
#: Where a message's first statement ends and a query plan, a stack or advice begins.
_REST = re.compile(
    r"\s*(?:;\s*line \d+ pos \d+|;\s*'|\s==\s*SQL|\n\s*'\w+ |\nDriver stacktrace|\n\s*at |JVM stacktrace|\n\n|Traceback \(|"
    r"\s*If necessary set |\nIt is possible the underlying files|\s*SQLSTATE: ?\w{5}).*",
    re.DOTALL,
)
_STAGE = re.compile(
    r"^Job aborted due to stage failure: .*?most recent failure: Lost task [^)]*\)(?: \([^)]*\))?: ",
    re.DOTALL,
)
#: What a user's own program lies in; generated classes and lambdas are nobody's line.
_PROGRAM = re.compile(r"\.(?:py|ipynb|scala|java|kt|r|sql|sh|js|ts)$|^<command-", re.IGNORECASE)
#: The program's own files stand in every trace and are never what is missing or broken.
_OWN_FILE = re.compile(r"\.pyx?$|site-packages|/lib/python3|<frozen")
_COMMAND = re.compile(r"<command-(\d+)>")


def facts_of(failure_class: FailureClass, units: Iterable[Unit]) -> dict[str, str]:
    """What the evidence says, by the class's own patterns; the first unit that says it counts."""
    units = list(units)
    found: dict[str, str] = {}
    for name, patterns in failure_class.facts.items():
        value = _first(patterns, units)
        if value:
            found[name] = value
    return found


def _first(patterns: Iterable[str], units: list[Unit]) -> str:
    compiled = [re.compile(pattern) for pattern in patterns]
    for texts in ([u.message for u in units], [u.text for u in units], [_prose(u.frame) for u in units]):
        for text in texts:
            for pattern in compiled:
                for match in pattern.finditer(text):
                    value = _tidy(next((group for group in match.groups() if group), ""))
                    if value and not _OWN_FILE.search(value):
                        return value
    return ""


def _prose(text: str) -> str:
    """A block without its frames and code lines, which name things that did not fail."""
    return "\n".join(line for line in text.split("\n") if not line.startswith(("  ", "\t")))


def _tidy(value: str) -> str:
    value = " ".join(value.split()).strip(" `'\"»«,;:").rstrip(".")
    return re.sub(r'[`"]', "", value)[:_FACT]


def sentence(failure_class: FailureClass, facts: Mapping[str, str], unit: Unit | None) -> str:
    """The root cause: the first of the class's templates whose facts are all known."""
    known = {**facts, "where": where(unit), "message": _message(unit), "exception": _exception(unit)}
    template = next(
        (t for t in failure_class.cause if placeholders(t) <= known.keys()), failure_class.cause[-1]
    )
    text = template
    for name in placeholders(template):
        text = text.replace("{" + name + "}", known[name])
    text = re.sub(r"([.:!?])\.$", r"\1", " ".join(text.split()))
    return f"The{text[3:]}" if text.startswith("the ") else text


def where(unit: Unit | None) -> str:
    """The place in the user's own code, as a person would say it."""
    if unit is None or unit.block is None:
        return "the run"
    for cause in (*[c for c in unit.block.chain if c.line == unit.line_start], *reversed(unit.block.chain)):
        for frame in reversed(cause.user_frames):
            file = frame.rsplit(":", 1)[0]
            if _PROGRAM.search(file):
                return _place(file, unit.block.text)
    command = _COMMAND.search(unit.block.text)
    return _place(command[0], unit.block.text) if command else "the run"


def _place(file: str, text: str) -> str:
    """A file or notebook cell with the line that the stack names."""
    command = _COMMAND.search(file)
    if command:
        line = re.search(rf"{re.escape(command[0])}(?::|, line )(\d+)", text)
        name = f"notebook cell {command[1]}"
    else:
        line = re.search(rf'File "[^"\n]*{re.escape(file)}", line (\d+)', text)
        name = file.rsplit("/", 1)[-1]
    return f"{name} (line {line[1]})" if line else name


def _exception(unit: Unit | None) -> str:
    return unit.exception.rsplit(".", 1)[-1] if unit and unit.exception else "an error"


def _message(unit: Unit | None) -> str:
    """The message in one line, without plans and stacks; with the exception's name where it says little."""
    if unit is None:
        return "nothing was logged"
    raw = _STAGE.sub("", unit.message or unit.text).strip()
    text = " ".join(_REST.sub("", raw).split()) or " ".join(raw.split())
    if len(text) > _MESSAGE:
        text = text[:_MESSAGE].rsplit(" ", 1)[0] + " [...]"
    text = text.strip(" .;:")
    if unit.exception and (len(text) < 25 or not text):
        name = _exception(unit)
        text = f"{name}: {text}" if text and not text.startswith(name) else (text or name)
    return text or "nothing was said"
