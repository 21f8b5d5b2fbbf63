"""The signals: what a line has to hold for the reader to look closer. `signals.yaml` lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from core.errors import ConfigurationError
from tools.log_reader.blocks import Kind

#: A line's start, after what CI systems, containers and schedulers put before each line.
_START = (
    r"^(?:[\w.:+-]{8,40} +|[\w.-]{1,40} +\| |\[[^\]\n]{1,80}\] (?:\{[^}\n]{1,60}\} )?(?:[A-Z]{4,8} - )?)?"
)


@dataclass(frozen=True, slots=True)
class Signal:
    """One pattern, for lines as bytes.

    Args:
        name: Of the signal.
        pattern: Matches within one line; hyperscan and `re` read it alike.
        needles: Literals of which every matching line holds at least one, in lower case where `caseless`; the slow
            scanner looks for those first.
        kind: Of the block that a line makes on its own.
        weight: How much such a line says about the primary failure when nothing else is known, 0..1.
        symptom: It says that something failed, not what, and gives way to any block that does say it.
        caseless: The pattern ignores case.
        exact: What the line must match besides, once it is a text.
    """

    name: str
    pattern: bytes
    needles: tuple[bytes, ...]
    kind: Kind
    weight: float
    symptom: bool = False
    caseless: bool = False
    exact: re.Pattern[str] | None = None


def load_signals(path: Path) -> tuple[Signal, ...]:
    """The signals of a YAML file. Raises ConfigurationError with the entry that is wrong."""
    entries = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return tuple(_signal(entry, path) for entry in entries)


def _signal(entry: dict[str, Any], path: Path) -> Signal:
    try:
        find = entry["find"].encode("latin-1")
        flags = re.IGNORECASE if entry.get("ignore_case") else 0
        re.compile(find, flags)
        exact = entry.get("exact")
        if entry["kind"] not in get_args(Kind):
            raise KeyError(f"kind {entry['kind']}")
        return Signal(
            name=entry["name"],
            pattern=find,
            needles=tuple(_bytes(needle) for needle in entry["needles"]),
            kind=entry["kind"],
            weight=float(entry["weight"]),
            symptom=bool(entry.get("symptom", False)),
            caseless=bool(flags),
            exact=re.compile(exact.replace("{start}", _START), flags) if exact else None,
        )
    except (KeyError, TypeError, ValueError, re.error, UnicodeEncodeError) as error:
        raise ConfigurationError(
            f"{path.name}: the signal {entry.get('name', entry)!r} is wrong: {error}.",
            hint="See the head of the file.",
        ) from error


def _bytes(needle: str) -> bytes:
    return (
        needle.encode("latin-1").decode("unicode_escape").encode("latin-1")
        if "\\x" in needle
        else needle.encode()
    )


SIGNALS = load_signals(Path(__file__).with_name("signals.yaml"))
