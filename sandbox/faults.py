"""Faults on demand: what goes wrong with which requests."""

from __future__ import annotations

import itertools
import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FaultKind = Literal["401", "403", "429", "500", "503", "slow", "drop_before", "drop_after", "garbage"]

#: What a status says in the words of the service.
MESSAGES = {
    "401": ("UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API."),
    "403": ("PERMISSION_DENIED", "User does not have permission to perform this operation."),
    "429": (
        "REQUEST_LIMIT_EXCEEDED",
        "Your request was rejected since your organization has exceeded the rate limit.",
    ),
    "500": ("INTERNAL_ERROR", "Internal server error."),
    "503": (
        "TEMPORARILY_UNAVAILABLE",
        "The service at /api is temporarily unavailable. Please try again later.",
    ),
}


class Fault(BaseModel):
    """A fault for the requests that it matches.

    `method` (any without) and `path` (a part of the request's path) say which; of these `skip` pass first, then
    `count` are hit (all without), during `for_seconds` real seconds (for ever without). `slow` waits `seconds`
    and goes on; `drop_before` closes the connection without a look at the request; `drop_after` lets it take
    effect and closes the connection instead of answering; `garbage` answers `status` with `body` and does
    nothing. 429 and 503 carry `retry_after` seconds when it is given.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str | None = None
    path: str = "/api/"
    skip: int = Field(default=0, ge=0)
    count: int | None = Field(default=1, ge=1)
    for_seconds: float | None = Field(default=None, gt=0)
    retry_after: int | None = Field(default=None, ge=0)
    seconds: float = Field(default=1.0, ge=0, le=600)
    status: int = Field(default=200, ge=200, le=599)
    body: str = "<html><body>upstream connect error</body></html>"
    id: int = 0
    hits: int = 0


class Faults:
    """The faults in force, asked for each request in the order in which they were set."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._until: dict[int, float] = {}
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; the answer has its id."""
        fault = fault.model_copy(update={"id": next(self._ids), "hits": 0})
        self.active.append(fault)
        if fault.for_seconds is not None:
            self._until[fault.id] = time.monotonic() + fault.for_seconds
        return fault

    def clear(self) -> None:
        """Take all faults back."""
        self.active.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, if any; it is counted."""
        now = time.monotonic()
        self.active = [fault for fault in self.active if self._until.get(fault.id, now) >= now]
        for fault in self.active:
            if fault.path not in path or (fault.method and fault.method.upper() != method):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            if fault.count is not None and fault.hits >= fault.count:
                self.active.remove(fault)
            return fault
        return None
