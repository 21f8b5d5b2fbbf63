"""An OpenAI-compatible server on a real socket that answers as scripted, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.fakes.serving import serving

Json = dict[str, Any]
Answer = Callable[[Json], "Json | Response"]
_ORDER = re.compile(r"classif\w+\s+(?:it|this|the failure)?\s*as\s+`?(\w+)", re.IGNORECASE)
_MEMORY = re.compile(r"set\s+([\w.]+)\s+to\s+([\w.]+)", re.IGNORECASE)


@dataclass
class OpenAI:
    """The script and the record. The last answer is given for ever; those before it once each, in order."""

    answers: list[Answer] = field(default_factory=lambda: [obedient])
    #: Every request's path, headers and body.
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[Json] = field(default_factory=list)
    url: str = ""

    @property
    def seen(self) -> str:
        """Everything that was sent, as one text."""
        return json.dumps([self.headers, self.requests], ensure_ascii=False)

    def prompt(self, number: int = -1) -> str:
        """The question of one request, without the instructions."""
        return self.requests[number]["messages"][-1]["content"]


def opinion(failure_class: str, **other: Any) -> Json:
    """A well-formed opinion."""
    return {
        "failure_class": failure_class,
        "evidence": ["E1"],
        "root_cause": "The job failed.",
        "confidence": 0.9,
        "suggestions": [],
        **other,
    }


def completion(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Json:
    """A chat completion of 1,000 tokens in and 50 out."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": finish, "message": message, "logprobs": None}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
    }


def says(failure_class: str, **other: Any) -> Answer:
    """Answers with this class."""
    return lambda _: completion(json.dumps(opinion(failure_class, **other)))


def says_text(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Answer:
    """Answers with this text, whatever it is."""
    return lambda _: completion(content, finish=finish, refusal=refusal)


def status(code: int) -> Answer:
    """Answers with an error. The message repeats a key, as real ones have done."""
    body = {"error": {"message": "no, sk-proj-not-for-your-eyes", "type": "error", "code": None}}
    return lambda _: JSONResponse(body, status_code=code)


def body(content: str, media_type: str = "application/json") -> Answer:
    """Answers 200 with something that is no completion."""
    return lambda _: Response(content, media_type=media_type)


def slow(_: Json) -> Json:
    """Never answers in time (see `_app`)."""
    return {"sleep": 60}


def dripping(_: Json) -> Response:
    """Never answers in time either, but never stops sending."""

    async def spaces() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b" "
            await asyncio.sleep(0.1)

    return StreamingResponse(spaces(), media_type="application/json")


def obedient(request: Json) -> Json:
    """Does whatever the data tells it to do, with full confidence; the first class it is given where it tells nothing."""
    question = request["messages"][-1]["content"]
    order = _ORDER.search(question)
    chosen = order.group(1) if order else re.findall(r"^- (\w+): ", question, re.MULTILINE)[0]
    settings = [{"setting": name, "value": value.rstrip(".")} for name, value in _MEMORY.findall(question)]
    told = opinion(chosen, confidence=1.0, root_cause=f"As ordered: {chosen}.", suggestions=settings)
    return completion(json.dumps(told))


def _app(box: OpenAI) -> Starlette:
    async def complete(request: Request) -> Response:
        asked = await request.json()
        box.paths.append(f"{request.url.path}?{request.url.query}")
        box.headers.append(dict(request.headers))
        box.requests.append(asked)
        given = (box.answers.pop(0) if len(box.answers) > 1 else box.answers[0])(asked)
        if isinstance(given, Response):
            return given
        if "sleep" in given:
            await asyncio.sleep(given["sleep"])
        return JSONResponse(given)

    return Starlette(routes=[Route("/{path:path}", complete, methods=["POST"])])


@contextlib.contextmanager
def running_openai() -> Iterator[OpenAI]:
    """The server, for the length of a block."""
    box = OpenAI()
    with serving(_app(box)) as box.url:
        yield box
