"""What is evaluated: the real graph over a sandbox workspace, from the failed run to the incident's end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from core.errors import LeaseLost
from core.incident import FINISHED, LEFT_TO_PEOPLE, ApprovalStatus, Decision, DecisionKind, Reviewer
from core.settings import Settings
from graph.build import build
from graph.checkpointer import make_saver
from sandbox.control import Control
from sandbox.process import running_sandbox
from sandbox.scenario import Scenario
from wiring.runtime import Runtime, open_runtime

REVIEWER = Reviewer(name="evals", role="admin", channel="evals")
#: Scenario seconds in a real one.
CLOCK = 60.0
#: An incident that takes longer is reported as it stands.
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.2


class Target:
    """Plays one scenario through the graph, deciding as the scenario's reviewer would."""

    def __init__(self, runtime: Runtime, sandbox: Control, chosen: list[Scenario]) -> None:
        self._runtime = runtime
        self._sandbox = sandbox
        self._scenarios = {s.name: s for s in chosen}

    async def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Category, class, first action, outcome, the nodes passed, tokens and cost, and seconds."""
        scenario = self._scenarios[inputs["scenario"]]
        began = time.monotonic()
        run_id = (await asyncio.to_thread(self._sandbox.start, scenario.name))["run_id"]
        if not any(event.when == "started" for event in scenario.events):
            await asyncio.to_thread(self._sandbox.finish, run_id)
        run = await self._runtime.workspace.run(run_id)
        row = await self._runtime.store.open_incident(run, thread_id=None, source="evals")
        await self._follow(scenario, row.id)
        return {**await self._answer(row.id), "seconds": round(time.monotonic() - began, 2)}

    async def _follow(self, scenario: Scenario, incident_id: str) -> None:
        """Advance the incident, and decide when it asks, until it has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(LeaseLost):
                await self._runtime.advance(incident_id)
            detail = await self._runtime.queries.incident(incident_id)
            if detail.incident.status in FINISHED | LEFT_TO_PEOPLE:
                return
            waiting = [a for a in detail.approvals if a.status is ApprovalStatus.PENDING]
            if waiting and scenario.expect.decision != "none":
                await self._runtime.store.decide(waiting[0].id, _decision(scenario, waiting[0]), REVIEWER)
                continue
            await asyncio.sleep(LOOK_SECONDS)

    async def _answer(self, incident_id: str) -> dict[str, Any]:
        detail = await self._runtime.queries.incident(incident_id)
        diagnosis = detail.incident.facts.get("diagnosis", {})
        return {
            "category": diagnosis.get("category"),
            "failure_class": diagnosis.get("failure_class"),
            "confidence": diagnosis.get("confidence"),
            "triad": detail.incident.facts.get("triad"),
            "action": detail.approvals[0].proposal.action.value if detail.approvals else None,
            "outcome": detail.incident.outcome or detail.incident.status,
            "nodes": await self._nodes(detail.incident.thread_id or incident_id),
            "usd": detail.model_usd,
        }

    async def _nodes(self, thread_id: str) -> list[str]:
        """The nodes the thread passed, in order, each loop once for each time round; from its checkpoints."""
        graph = build(self._runtime.context(), make_saver(self._runtime.checkpoints))
        config: Any = {"configurable": {"thread_id": thread_id}}
        history = [snapshot async for snapshot in graph.aget_state_history(config)]
        passed: list[str] = []
        for snapshot in reversed(history):
            for node in dict.fromkeys(snapshot.next):
                if node != "__start__" and passed[-1:] != [node]:
                    passed.append(node)
        return passed


def _decision(scenario: Scenario, approval: Any) -> Decision:
    expect = scenario.expect
    params = {**approval.proposal.params, **expect.edit} if expect.decision == "edit" else None
    then = (expect.model_extra or {}).get("then", "nothing")
    return Decision(kind=DecisionKind(expect.decision), params=params, then=then)


@contextlib.asynccontextmanager
async def open_target(settings: Settings, chosen: list[Scenario], policy: Path) -> AsyncIterator[Target]:
    """A target over a sandbox of its own and, where no database is named, an embedded one of its own."""
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox(clock_speed=CLOCK))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pitstop-evals-")))
        await asyncio.to_thread(folder.chmod, 0o755)  # the embedded database may run as another user
        given = {
            "data_dir": folder,
            "databricks_host": sandbox.url,
            "databricks_token": sandbox.token,
            "policy": policy,
            "watch_seconds": 1.0,
        }
        async with open_runtime(settings.model_copy(update=_typed(settings, given))) as runtime:
            yield Target(runtime, sandbox.control, chosen)


def _typed(settings: Settings, given: dict[str, Any]) -> dict[str, Any]:
    """The values as the settings hold them (a token as a secret)."""
    fresh = type(settings).model_validate({**settings.model_dump(), **given})
    return {name: getattr(fresh, name) for name in given}
