"""One incident over fakes, at the point where a single node is called by hand."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import ExecutionInfo, Runtime

from core.incident import Approval, Decision, DecisionKind, Reviewer
from nodes.context import Context
from nodes.decide import decide
from nodes.fetch import bounded
from nodes.state import State
from tests.fakes.parts import World, failed_run

ANNA = Reviewer(name="anna@example.com", role="approver", channel="test")
THREAD = "t1"
Node = Callable[[State, Runtime[Context]], Awaitable[dict[str, Any]]]


@dataclass
class Desk:
    """A world of fakes, the state of one thread in it, and the means to call a node on them."""

    world: World = field(default_factory=World)
    state: State = field(default_factory=lambda: State(run_id=7))

    def __post_init__(self) -> None:
        self.world.workspace.runs.setdefault(7, [failed_run(7)])

    async def call(self, node: Node) -> dict[str, Any]:
        """The node's update; the state stays as it was."""
        before = repr(self.state)
        info = ExecutionInfo(checkpoint_id="c", checkpoint_ns="", task_id="x", thread_id=THREAD)
        update = await node(self.state, Runtime(context=self.world.context, execution_info=info))
        assert repr(self.state) == before, "a node changed the state in place"
        return update

    async def diagnosed(self) -> "Desk":
        """As if every node up to `predict` had run."""
        row = await self.world.store.open_incident(failed_run(7), thread_id=THREAD)
        diagnosis = self.world.investigator.diagnosis.model_dump(mode="json")
        self.state = State(
            incident_id=row.id,
            run_id=7,
            attempt=1,
            revision=1,
            retrievals=1,
            run=bounded(failed_run(7)),
            tasks={},
            diagnosis=diagnosis,
        )
        return self

    async def proposed(self) -> "Desk":
        """As if `decide` had run too."""
        await self.diagnosed()
        self.state = {**self.state, **(await self.call(decide))}  # type: ignore[typeddict-item]
        return self

    async def decided(self, kind: DecisionKind = DecisionKind.APPROVE, **more: Any) -> "Desk":
        """As if a person had decided on what was proposed."""
        await self.proposed()
        await self.world.store.decide(self.approval.id, Decision(kind=kind, **more), ANNA)
        return self

    @property
    def approval(self) -> Approval:
        return list(self.world.store.approvals.values())[-1]

    @property
    def incident(self) -> Any:
        return next(iter(self.world.store.rows.values()))

    def kinds(self) -> list[str]:
        """The kinds of the incident's events so far."""
        return self.world.store.kinds(self.incident.id)
