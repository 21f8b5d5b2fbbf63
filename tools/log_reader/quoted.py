"""The exceptions that a single line names: a Java exception's head or cause, and those that messages quote."""

from __future__ import annotations

import re

from tools.log_reader.raised import Language, Link, Raised
from tools.log_reader.stack_lines import (
    EXCEPTION_NAME,
    IN_THREAD,
    INLINE,
    JAVA_CAUSED,
    JAVA_EXCEPTION,
    PY4J_CALL,
    QUOTED,
    SCRIPT_ERROR,
    STAGE_FAILURE,
)


def exceptions_in(text: str) -> list[Raised]:
    """The exceptions that a single line names, outermost first: itself and those that its message quotes."""
    return java_head(text, 0)


def java_head(text: str, at: int) -> list[Raised]:
    """The exception(s) named in a line: itself, and those that its message quotes."""
    match = (
        IN_THREAD.search(text)
        or JAVA_CAUSED.match(text)
        or JAVA_EXCEPTION.match(text)
        or SCRIPT_ERROR.match(text)
    )
    if not match and STAGE_FAILURE.search(text):
        return _quoted(text, at, "java")
    if not match:
        match = INLINE.search(text)
    if not match:
        return []
    head = Raised(match["name"], [match["message"] or ""], at, at, "java")
    return [head, *peel(head)]


def peel(raised: Raised) -> list[Raised]:
    """The exceptions quoted in the first line of a message, which keeps only what stands before them."""
    first = raised.message[0] if raised.message else ""
    quoted = _quoted(first, raised.index, raised.language)
    if quoted:
        raised.message[0] = first[: len(first) - len(quoted[0].quote)].rstrip(": ")
    return quoted


def _quoted(text: str, at: int, language: Language) -> list[Raised]:
    found = STAGE_FAILURE.search(text) or PY4J_CALL.search(text) or QUOTED.match(text)
    if not found or len(found["message"] or "") + len(found["name"]) > len(text):
        return []
    inner = Raised(
        found["name"], [found["message"] or ""], at, at, language, "inline", quote=text[found.start("name") :]
    )
    return [inner, *peel(inner)]


def java_cause(match: re.Match[str], at: int) -> list[Raised]:
    link: Link = "suppressed" if match["what"] == "Suppressed" or match["indent"] else "caused_by"
    name, message = match["name"], match["message"]
    if message is None:
        # Some exceptions print a sentence in place of their class.
        name, message = (None, f"{name} {match['tail']}") if match["tail"] else (name, "")
    elif not EXCEPTION_NAME.match(name):
        name, message = None, f"{name}: {message}"
    raised = Raised(name, [message], at, at, "java", link)
    return [raised, *peel(raised)]
