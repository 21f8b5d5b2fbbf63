"""Makes cases from what lies on disk: a log, a screenshot, a `run.json`, or a folder holding some of these."""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from core.errors import InvalidInput
from core.run import RunFacts
from tools.diagnosis.case import Case, TaskCase
from tools.log_reader import Reading, Templates, read_path, read_stream, read_text
from tools.ocr import PictureReader
from tools.ocr.picture import MAX_BYTES, SUFFIXES

#: Names of logs in a folder; a compressed one is read as it streams.
LOGS = ("*.log", "*.log.gz", "*.log.zst", "*.txt", "*.out", "*.err", "stdout", "stderr", "log4j*")
#: So many screenshots of a folder are read; each takes seconds.
_MAX_PICTURES = 8
_RUN = "run.json"
#: Texts inside a run.json: where they are, outermost key first.
_TEXTS = (
    ("error",),
    ("error_trace",),
    ("logs",),
    ("notebook_output", "result"),
    ("metadata", "state", "state_message"),
    ("state", "state_message"),
    ("metadata", "status", "termination_details", "message"),
    ("status", "termination_details", "message"),
)
_MAX_JSON = 64 << 20

Json = Mapping[str, Any]


@dataclass
class Found:
    """A case, and what of the path was not read."""

    case: Case
    notes: list[str] = field(default_factory=list)


@dataclass
class _Beside:
    """What lies beside a `run.json`: readings, secrets that were taken out, and what could not be read."""

    readings: list[Reading] = field(default_factory=list)
    secrets: int = 0
    notes: list[str] = field(default_factory=list)


def case_of_path(
    path: Path, *, good: Templates | None = None, pictures: PictureReader | None = None
) -> Found:
    """The case that a file or a folder makes. Screenshots are read by `pictures`; without it none is.

    Raises:
        InvalidInput: The path can't be read, or nothing in it can; the message says why.
    """
    if path.is_dir():
        return _of_folder(path, good, pictures)
    if path.name.endswith(".json"):
        return Found(_of_run(_json(path), path.name, [], good))
    if path.suffix.lower() in SUFFIXES:
        found = _Beside()
        _picture(path, found, pictures)
        return Found(Case((TaskCase("", found.readings),), secrets_redacted=found.secrets), found.notes)
    return Found(Case((TaskCase("", [_log(path, path.name, good)]),)))


def case_of_stream(stream: BinaryIO, name: str = "-", *, good: Templates | None = None) -> Found:
    """The case of a log that is piped in."""
    return Found(Case((TaskCase("", [read_stream(stream, name, good=good)]),)))


def good_templates(path: Path) -> Templates:
    """The line templates of a good run's log.

    Raises:
        InvalidInput: It can't be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return Templates.of(line.rstrip("\n") for line in lines)
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}.") from error


def _of_folder(folder: Path, good: Templates | None, pictures: PictureReader | None) -> Found:
    found = _Beside()
    for file in sorted({file for pattern in LOGS for file in folder.glob(pattern) if file.is_file()}):
        try:
            found.readings.append(_log(file, file.name, good))
        except InvalidInput as error:
            found.notes.append(str(error))
    shots = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    for shot in shots[:_MAX_PICTURES]:
        try:
            _picture(shot, found, pictures)
        except InvalidInput as error:
            found.notes.append(str(error))
    found.notes += [f"{shot.name}: too many pictures, not read" for shot in shots[_MAX_PICTURES:]]
    body: Json = {}
    if (folder / _RUN).is_file():
        try:
            body = _json(folder / _RUN)
        except InvalidInput as error:
            found.notes.append(str(error))
    if not body and not found.readings:
        detail = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise InvalidInput(f"{folder} holds no run.json, no *.log and no picture that can be read{detail}.")
    case = _of_run(body, _RUN, found.readings, good)
    return Found(replace(case, secrets_redacted=found.secrets), found.notes)


def _picture(path: Path, found: _Beside, pictures: PictureReader | None) -> None:
    """Add a screenshot's text. Raises: InvalidInput: it can't be read."""
    if pictures is None:
        raise InvalidInput(f"{path.name}: pictures are not read here.")
    try:
        with path.open("rb") as stream:
            body = stream.read(MAX_BYTES + 1)
        text = pictures.read(body)
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror or error}.") from error
    except InvalidInput as error:
        raise InvalidInput(f"{path.name}: {error.message}", hint=error.hint) from error
    found.readings.append(read_text(text.text, path.name))
    found.secrets += text.secrets_redacted
    found.notes += [f"{path.name}: {note}" for note in text.notes]


def _log(path: Path, name: str, good: Templates | None) -> Reading:
    try:
        return read_path(path, name, good=good)
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror or error}.") from error
    except (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise InvalidInput(f"{path} can't be decompressed: {error}.") from error


def _json(path: Path) -> Json:
    try:
        if path.stat().st_size > _MAX_JSON:
            raise InvalidInput(f"{path} is larger than a run's output can be.")
        body = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidInput(f"{path} is not what `databricks jobs get-run-output` prints.")
    return body


def _of_run(body: Json, name: str, readings: list[Reading], good: Templates | None) -> Case:
    """The case of a run's output with the logs that lie beside it."""
    inside = []
    for keys in _TEXTS:
        text = _at(body, keys)
        if isinstance(text, str) and text.strip():
            inside.append(read_text(text, f"{name}#{'.'.join(keys)}", good=good))
    metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else body
    run = run_of(metadata) if metadata else None
    codes = _codes(metadata) if metadata else ()
    return Case((TaskCase("", [*inside, *readings], (), codes),), run)


def run_of(metadata: Json) -> RunFacts:
    """What the metadata of a run's output says of the run. The task's cluster stands for the job's settings."""
    state, status = _dict(metadata, "state"), _dict(metadata, "status")
    details = _dict(status, "termination_details")
    key = str(metadata.get("task_key") or metadata.get("run_name") or "task")[:100]
    cluster = _dict(_dict(metadata, "cluster_spec"), "new_cluster")
    return RunFacts(
        workspace="",
        run_id=_number(metadata.get("run_id")),
        job_id=_number(metadata.get("job_id")) or None,
        run_name=str(metadata.get("run_name") or ""),
        life_cycle_state=str(status.get("state") or state.get("life_cycle_state") or ""),
        result_state=state.get("result_state") if isinstance(state.get("result_state"), str) else None,
        termination_code=details.get("code") if isinstance(details.get("code"), str) else None,
        termination_type=details.get("type") if isinstance(details.get("type"), str) else None,
        state_message=str(state.get("state_message") or ""),
        settings={"tasks": [{"task_key": key, "new_cluster": cluster}]} if cluster else {},
    )


def _codes(metadata: Json) -> tuple[str, ...]:
    details = _dict(_dict(metadata, "status"), "termination_details")
    found = (details.get("code"), details.get("type"), _dict(metadata, "state").get("result_state"))
    return tuple(code for code in found if isinstance(code, str))


def _at(body: Json, keys: tuple[str, ...]) -> Any:
    value: Any = body
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _dict(body: Json, key: str) -> Json:
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else 0
