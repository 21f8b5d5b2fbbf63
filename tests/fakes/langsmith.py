"""A LangSmith-compatible server on a real socket: what the client's dataset, experiment and feedback calls need."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import zstandard
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.serving import serving

Json = dict[str, Any]
TENANT = str(UUID(int=1))


@dataclass
class LangSmith:
    """What has been uploaded."""

    datasets: dict[str, Json] = field(default_factory=dict)
    examples: dict[str, Json] = field(default_factory=dict)
    sessions: dict[str, Json] = field(default_factory=dict)
    runs: dict[str, Json] = field(default_factory=dict)
    feedback: list[Json] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    #: Every body as it came in, unpacked: for looking for what must not be there.
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _parts(body: bytes, content_type: str) -> dict[str, bytes]:
    """The parts of a multipart body by name."""
    boundary = parse_options_header(content_type.encode())[1][b"boundary"]
    found: dict[str, bytes] = {}
    state: dict[str, Any] = {"header": b"", "value": b"", "name": "", "data": b""}

    def header_end() -> None:
        if state["header"].lower() == b"content-disposition":
            state["name"] = parse_options_header(state["value"])[1][b"name"].decode()
        state["header"] = state["value"] = b""

    def part_end() -> None:
        found[state["name"]] = state["data"]
        state["data"] = b""

    def add(key: str) -> Any:
        def more(data: bytes, start: int, end: int) -> None:
            state[key] += data[start:end]

        return more

    parser = MultipartParser(
        boundary,
        {
            "on_header_field": add("header"),
            "on_header_value": add("value"),
            "on_header_end": header_end,
            "on_part_data": add("data"),
            "on_part_end": part_end,
        },
    )
    parser.write(body)
    parser.finalize()
    return found


def _app(box: LangSmith) -> Starlette:
    async def body_of(request: Request) -> bytes:
        raw = await request.body()
        if request.headers.get("content-encoding") == "zstd":
            raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
        box.requests.append((request.method, request.url.path))
        box.bodies.append(raw)
        return raw

    async def info(request: Request) -> Response:
        limits = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_971_520}
        return JSONResponse(
            {
                "version": "0.14.0",
                "batch_ingest_config": {
                    **limits,
                    "scale_up_qsize_trigger": 1000,
                    "scale_up_nthreads_limit": 16,
                    "scale_down_nempty_trigger": 4,
                },
                "instance_flags": {
                    "zstd_compression_enabled": True,
                    "dataset_examples_multipart_enabled": True,
                },
            }
        )

    async def datasets(request: Request) -> Response:
        if request.method == "POST":
            given = json.loads(await body_of(request))
            row = {
                **given,
                "id": str(given.get("id") or uuid4()),
                "tenant_id": TENANT,
                "created_at": _now(),
                "modified_at": _now(),
            }
            box.datasets[row["id"]] = row
            return JSONResponse(row)
        name = request.query_params.get("name")
        return JSONResponse([d for d in box.datasets.values() if name in (None, d["name"])])

    async def upload(request: Request) -> Response:
        parts = _parts(await body_of(request), request.headers["content-type"])
        dataset = request.path_params["dataset"]
        changed: dict[str, Json] = {}
        for name, data in parts.items():
            id, _, kind = name.partition(".")
            row = changed.setdefault(id, dict(box.examples.get(id, {"id": id, "created_at": _now()})))
            row["dataset_id"] = dataset
            value = json.loads(data)
            if kind:
                row[kind] = value
            else:
                row["metadata"] = value.get("metadata")
            row["modified_at"] = _now()
        box.examples |= changed
        return JSONResponse({"example_ids": list(changed), "count": len(changed)})

    async def examples(request: Request) -> Response:
        wanted = request.query_params.get("dataset")
        rows = [e for e in box.examples.values() if wanted in (None, e["dataset_id"])]
        first = int(request.query_params.get("offset", 0))
        return JSONResponse(rows[first : first + int(request.query_params.get("limit", 100))])

    async def example(request: Request) -> Response:
        row = box.examples[request.path_params["id"]]
        if request.method == "PATCH":
            given = json.loads(await body_of(request))
            row |= {k: v for k, v in given.items() if v is not None} | {"modified_at": _now()}
        return JSONResponse(row)

    async def sessions(request: Request) -> Response:
        if request.method == "POST":
            given = json.loads(await body_of(request))
            row = {
                **given,
                "id": str(given.get("id") or uuid4()),
                "tenant_id": TENANT,
                "start_time": given.get("start_time") or _now(),
            }
            box.sessions[row["id"]] = row
            return JSONResponse(row)
        name = request.query_params.get("name")
        return JSONResponse([s for s in box.sessions.values() if name in (None, s["name"])])

    async def session(request: Request) -> Response:
        row = box.sessions.setdefault(request.path_params["id"], {"id": request.path_params["id"]})
        if request.method == "PATCH":
            row |= {k: v for k, v in json.loads(await body_of(request)).items() if v is not None}
        return JSONResponse(row)

    async def runs(request: Request) -> Response:
        parts = _parts(await body_of(request), request.headers["content-type"])
        for name, data in parts.items():
            kind, id, *rest = name.split(".")
            if kind == "feedback":
                box.feedback.append(json.loads(data))
                continue
            row = box.runs.setdefault(id, {})
            value = json.loads(data)
            if rest:
                row[rest[0]] = value
            else:
                row |= value
        return JSONResponse({}, status_code=202)

    async def feedback(request: Request) -> Response:
        given = json.loads(await body_of(request))
        box.feedback.append(given)
        return JSONResponse({**given, "created_at": _now(), "modified_at": _now()})

    return Starlette(
        routes=[
            Route("/info", info),
            Route("/datasets", datasets, methods=["GET", "POST"]),
            Route("/v1/platform/datasets/{dataset}/examples", upload, methods=["POST", "PATCH"]),
            Route("/examples", examples),
            Route("/examples/{id}", example, methods=["GET", "PATCH"]),
            Route("/sessions", sessions, methods=["GET", "POST"]),
            Route("/sessions/{id}", session, methods=["GET", "PATCH"]),
            Route("/runs/multipart", runs, methods=["POST"]),
            Route("/feedback", feedback, methods=["POST"]),
        ]
    )


@contextlib.contextmanager
def running_langsmith() -> Iterator[LangSmith]:
    """The server, for the length of a block."""
    box = LangSmith()
    with serving(_app(box)) as box.url:
        yield box
