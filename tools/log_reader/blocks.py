"""What the log reader hands out: lines, causes, blocks of evidence, and the reading of one source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "python_traceback",
    "java_stack",
    "spark_error",
    "sql_error",
    "log4j_error",
    "executor_lost",
    "exit_code",
    "oom_killer",
    "shell",
    "pip",
    "dbt",
    "r",
    "maven",
    "build",
    "native_crash",
    "cluster_event",
    "notebook_exit",
    "exit_json",
    "message",
]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a source, cleaned of colours and control characters. `timestamp` is seconds since 1970, UTC."""

    number: int
    text: str
    level: str | None = None
    timestamp: float | None = None
    template_id: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One exception of a chain. `line` is where its class and message stand; `text` is the message's lines.

    `user_frames` are the frames in the user's own code (`file:function`), outermost first.
    """

    exception: str | None
    message: str
    line: int
    text: str
    line_end: int = 0
    language: Literal["python", "java", "r", "other"] = "other"
    link: Literal["", "cause", "context", "caused_by", "suppressed", "inline", "group"] = ""
    user_frames: tuple[str, ...] = ()


@dataclass(slots=True)
class Block:
    """One extracted piece of evidence. Lines count from 1 and ranges include both ends.

    `exception`, `message`, `error_class` and `sqlstate` are those of the decisive (root) exception; `chain` runs
    from the outermost exception to the root; `decisive` are the root's own lines within `source`.
    `weight` (0..1) says how likely this block is the primary failure of its source. `count` is how many times
    the same thing was seen.
    """

    kind: Kind
    source: str
    line_start: int
    line_end: int
    text: str
    exception: str | None = None
    message: str = ""
    error_class: str | None = None
    sqlstate: str | None = None
    chain: list[Cause] = field(default_factory=list)
    decisive: tuple[int, int] = (0, 0)
    level: str | None = None
    timestamp: float | None = None
    recovered: bool = False
    weight: float = 0.0
    logger: str | None = None
    count: int = 1
    truncated: bool = False
    fingerprint: str = ""


@dataclass(slots=True)
class Reading:
    """What one source held. `blocks` are in document order; `templates` counts the templates of notable lines."""

    source: str
    lines: int = 0
    bytes: int = 0
    blocks: list[Block] = field(default_factory=list)
    fingerprint: str = ""
    head: list[Line] = field(default_factory=list)
    tail: list[Line] = field(default_factory=list)
    templates: dict[str, int] = field(default_factory=dict)
    #: A line of it gives orders to whoever reads it (see `tools.injection`); False where nobody looked.
    orders: bool = False
