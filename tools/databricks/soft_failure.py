"""Whether a notebook that "succeeded" says in its exit value that it failed.

Exit values are what `dbutils.notebook.exit(...)` was given: mostly JSON, sometimes a Python dict's `str`,
sometimes a word.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

MAX_TEXT = 200_000
MAX_DEPTH = 12

_STATUS_KEYS = frozenset({"status", "state", "result", "result_state", "outcome", "run_status", "job_status"})
_BAD = frozenset(
    {
        "FAILED",
        "FAIL",
        "FAILURE",
        "FAILURES",
        "ERROR",
        "ERRORS",
        "ERRORED",
        "PARTIAL_FAILURE",
        "PARTIALLY_FAILED",
        "SUCCESS_WITH_FAILURES",
        "COMPLETED_WITH_ERRORS",
        "COMPLETED_WITH_FAILURES",
        "TIMEDOUT",
        "TIMED_OUT",
        "TIMEOUT",
        "ABORTED",
    }
)
_GOOD = frozenset({"SUCCESS", "SUCCEEDED", "SUCCESSFUL", "OK", "PASSED", "PASS", "COMPLETED", "DONE"})
_FLAG_KEYS = frozenset({"success", "succeeded", "ok", "passed", "is_success"})
#: Counts (or lists) of things that failed. Rows and records that were rejected are a notebook's daily bread.
_COUNT_KEYS = re.compile(
    r"(?:num_|n_|number_of_|total_)?(?:failed|failures?|errors?)(?:_(?:count|tasks?|jobs?|tables?|items?|steps?"
    r"|notebooks?|files?|partitions?|batch(?:es)?|runs?|checks?|tests?|list|names?))?"
)
_TOTAL_KEYS = ("total", "total_count", "count", "total_tasks", "total_tables", "total_items", "total_files")
_WORD = re.compile(r"\W*(failed|failure|error)\b", re.IGNORECASE)


def soft_failure(text: str) -> str | None:
    """In what way an exit value reports a failure, in a few words of our own; None when it does not.

    >>> soft_failure('{"status": "FAILED"}')
    'status is FAILED'
    >>> soft_failure('{"failed": 5, "total": 25}')
    '5 of 25 failed'
    """
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        return None
    value = _parsed(text)
    if isinstance(value, dict | list):
        return _verdict(value, 0)
    word = _WORD.match(value if isinstance(value, str) else text)
    return f"the exit value says {word[1].upper()}" if word else None


def _parsed(text: str) -> Any:
    """The value in the text: JSON, JSON in a JSON string, or a Python literal; None when it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if not text.startswith(("{", "[")):
            return None
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
    return _parsed(value) or value if isinstance(value, str) and value.startswith(("{", "[")) else value


def _verdict(value: Any, depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, dict):
        fields = {_normal(key): item for key, item in value.items()}
        own = _status(fields) or _counted(fields)
        if own or _says_good(fields):
            # What is inside something that calls itself good (a retried step, say) does not count.
            return own
        return next((found for item in value.values() if (found := _verdict(item, depth + 1))), None)
    if isinstance(value, list):
        found = [reason for item in value if (reason := _verdict(item, depth + 1))]
        if found:
            return f"{len(found)} of {len(value)} failed" if len(value) > 1 else found[0]
    return None


def _status(fields: dict[str, Any]) -> str | None:
    for key, value in fields.items():
        if key in _STATUS_KEYS and isinstance(value, str) and _word(value) in _BAD:
            return f"{key} is {_word(value)}"
        if key in _FLAG_KEYS and value is False:
            return f"{key} is false"
    return None


def _counted(fields: dict[str, Any]) -> str | None:
    for key, value in fields.items():
        if not _COUNT_KEYS.fullmatch(key):
            continue
        if key == "error" and isinstance(value, str) and value.strip():
            return "error is set"
        number = _number(value)
        if number > 0:
            total = next((n for name in _TOTAL_KEYS if (n := _number(fields.get(name))) >= number), 0)
            return f"{number} of {total} failed" if total else f"{key} is {number}"
    return None


def _number(value: Any) -> int:
    """A count: a whole number, its digits, or the length of a list; 0 for anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list | dict):
        return len(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else 0
    if isinstance(value, str):
        return int(value) if value.strip().isascii() and value.strip().isdigit() and len(value) < 10 else 0
    return value if isinstance(value, int) else 0


def _says_good(fields: dict[str, Any]) -> bool:
    return any(
        (key in _STATUS_KEYS and isinstance(value, str) and _word(value) in _GOOD)
        or (key in _FLAG_KEYS and value is True)
        for key, value in fields.items()
    )


def _word(text: str) -> str:
    return re.sub(r"[\s-]+", "_", text.strip()).upper()


def _normal(key: Any) -> str:
    """camelCase, kebab-case and snake_case names as snake_case."""
    return re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(key))).lower()
