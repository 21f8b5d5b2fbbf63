"""The text of a notebook that was exported as HTML.

An exported page holds no text but a script: `__DATABRICKS_NOTEBOOK_MODEL = '...'`, base64 of percent-encoded
JSON with the notebook's commands, each with its source, its result and its error.
"""

from __future__ import annotations

import base64
import binascii
import html.parser
import json
import re
import urllib.parse
from typing import Any

MAX_TEXT = 2_000_000
_MODEL = re.compile(r"__DATABRICKS_NOTEBOOK_MODEL\s*=\s*['\"]([A-Za-z0-9+/=\s]+)['\"]")


def page_text(page: str) -> str:
    """The commands of an exported notebook in order, each with what it printed and how it failed; the visible
    text of any other page."""
    match = _MODEL.search(page)
    model = _model(match[1]) if match else None
    text = _commands(model) if model is not None else _visible(page)
    return text[:MAX_TEXT]


def _model(encoded: str) -> dict[str, Any] | None:
    try:
        model = json.loads(urllib.parse.unquote(base64.b64decode(encoded).decode("utf-8")))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return model if isinstance(model, dict) else None


def _commands(model: dict[str, Any]) -> str:
    commands = [c for c in model.get("commands") or [] if isinstance(c, dict)]
    commands.sort(key=lambda c: c["position"] if isinstance(c.get("position"), int | float) else 0)
    parts: list[str] = []
    for number, command in enumerate(commands, start=1):
        results = command.get("results")
        said = [_plain(part) for part in _strings(results.get("data") if isinstance(results, dict) else None)]
        failed = [_plain(str(command[key])) for key in ("errorSummary", "error") if command.get(key)]
        shown = [text for text in dict.fromkeys([*said, *failed]) if text.strip()]
        if command.get("command") or shown:
            parts += [f"# Cell {number}", str(command.get("command") or ""), *shown, ""]
    return "\n".join(parts)


def _strings(data: Any) -> list[str]:
    """Every text in a result, in order."""
    if isinstance(data, str):
        return [data]
    if isinstance(data, list):
        return [text for item in data for text in _strings(item)]
    if isinstance(data, dict):
        return _strings(data.get("data"))
    return []


def _plain(text: str) -> str:
    """The text of a result, which may be HTML."""
    return _visible(text) if re.match(r"\s*<(?:!doctype|html|div|pre|table|span|p)\b", text, re.I) else text


def _visible(page: str) -> str:
    reader = _Visible()
    reader.feed(page)
    reader.close()
    return re.sub(r"\n\s*\n+", "\n", "".join(reader.parts)).strip()


class _Visible(html.parser.HTMLParser):
    """Collects text outside of scripts and styles, a line for each block."""

    _BLOCKS = frozenset({"p", "div", "br", "li", "tr", "pre", "h1", "h2", "h3", "h4", "table"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style") and self._hidden:
            self._hidden -= 1
        elif tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
