"""The parts of one sandbox, as its routes get them."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from sandbox.engine import Engine
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.outage import Outages
from sandbox.presentation import Presentation
from sandbox.stage import Stage
from sandbox.webhooks import Webhooks
from sandbox.workspace import Workspace


@dataclass(frozen=True)
class Box:
    """One sandbox. `token` is the bearer token of both the API and the control routes."""

    token: str
    workspace: Workspace
    journal: Journal
    engine: Engine
    presentation: Presentation
    webhooks: Webhooks
    faults: Faults
    stage: Stage
    outages: Outages


def box_of(request: Request) -> Box:
    """The sandbox that a request is for."""
    return request.app.state.box
