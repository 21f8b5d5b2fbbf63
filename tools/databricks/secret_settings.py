"""A job's settings without what looks like a secret.

Two signs count: the name of a setting, and the shape of a value. A reference to a secret scope
(`{{secrets/scope/key}}`) is no secret and stays.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "[secret]"
#: `task_key`, `job_cluster_key` and their like name things; `account.key` and `secret.key` are keys.
_NAME = re.compile(
    r"passw(?:or)?d|pwd$|secret|token(?!iz)|credential|bearer|authorization|connection[._-]?string"
    r"|(?:api|access|account|private|shared|signing|encryption|storage|master|host)[._-]?key"
    r"|(?:^|[._-])sas(?:$|[._-])",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\{\{\s*secrets/[^}]+\}\}")
_VALUE = re.compile(
    r"\bdapi[0-9a-f]{32}(?:-\d+)?\b"
    r"|\bdose[0-9a-f]{32}\b"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(?:ghp|gho|ghs|ghu|github_pat)_\w{20,}"
    r"|\bsk-[\w-]{20,}"
    r"|\bxox[abprs]-[\w-]{10,}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?<=[?&]sig=)[^&\s]+"
    r"|(?<=AccountKey=)[^;\s]+"
    r"|(?<=SharedAccessSignature=)[^;\s]+"
)
_OPTION = re.compile(r"-{0,2}([\w.-]+)=")


def named_like_a_secret(name: str) -> bool:
    """Whether a setting, a parameter or an option of this name holds a secret."""
    return bool(_NAME.search(name))


def without_secrets(value: Any) -> Any:
    """The same JSON with each string that looks like a secret replaced by `[secret]`."""
    if isinstance(value, dict):
        return {key: _by_name(str(key), item) for key, item in value.items()}
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, str):
        return _VALUE.sub(MASK, value)
    return value


def _by_name(name: str, value: Any) -> Any:
    if isinstance(value, str) and value and named_like_a_secret(name):
        return value if _REFERENCE.fullmatch(value.strip()) else MASK
    return without_secrets(value)


def _list(values: list[Any]) -> list[Any]:
    """A list may be a command line: `--password hunter2` and `--password=hunter2`. It may also hold
    `{"name": ..., "default": ...}` pairs."""
    clean: list[Any] = []
    hide_next = False
    for value in values:
        option = _OPTION.match(value) if isinstance(value, str) else None
        if hide_next and isinstance(value, str) and not value.startswith("-"):
            clean.append(MASK)
        elif option and named_like_a_secret(option[1]):
            clean.append(value[: option.end()] + MASK)
        elif isinstance(value, dict) and named_like_a_secret(str(value.get("name", ""))):
            shown = {"name": without_secrets(value["name"])}
            clean.append(shown | {key: MASK for key in ("default", "value") if value.get(key)})
        else:
            clean.append(without_secrets(value))
        hide_next = (
            isinstance(value, str) and value.startswith("-") and named_like_a_secret(value) and not option
        )
    return clean
