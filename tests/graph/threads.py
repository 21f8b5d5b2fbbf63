"""Running the real graph over fakes: start a thread, wake it, look at where it waits."""

from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from core.incident import Approval, Decision, DecisionKind, Reviewer
from graph.build import build
from graph.checkpointer import strict_serializer
from tests.fakes.parts import World, failed_run

ANNA = Reviewer(name="anna@example.com", role="approver", channel="test")
BEN = Reviewer(name="ben@example.com", role="approver", channel="test")


class Caller:
    """A reviewer as LangGraph's authentication names them."""

    is_authenticated = True

    def __init__(self, reviewer: Reviewer) -> None:
        self.identity = self.display_name = reviewer.name
        self.permissions = [f"role:{reviewer.role}"]


@dataclass
class Thread:
    """One thread of the graph in a world of fakes."""

    world: World = field(default_factory=World)
    run_id: int = 7
    thread_id: str = "t1"
    saver: BaseCheckpointSaver[Any] = field(default_factory=lambda: InMemorySaver(serde=strict_serializer()))

    def __post_init__(self) -> None:
        self.world.workspace.runs.setdefault(self.run_id, [failed_run(self.run_id)])
        self.graph: CompiledStateGraph = build(self.world.context, self.saver)

    @property
    def config(self) -> Any:
        return {"configurable": {"thread_id": self.thread_id}, "max_concurrency": 4}

    async def start(self) -> dict[str, Any]:
        """Begin with a run id, as Studio would."""
        return await self.graph.ainvoke({"run_id": self.run_id}, self.config)

    async def wake(self, value: Any = None) -> dict[str, Any]:
        """Resume the interrupt that pends."""
        pending = (await self.graph.aget_state(self.config)).interrupts
        payload = value if value is not None else {"wake": True}
        return await self.graph.ainvoke(Command(resume={pending[0].id: payload}), self.config)

    async def answer(self, value: Any, reviewer: Reviewer = BEN) -> dict[str, Any]:
        """Answer the interrupt as a client of LangGraph's server does, which says who is signed in."""
        signed_in = {**self.config["configurable"], "langgraph_auth_user": Caller(reviewer)}
        config: Any = {**self.config, "configurable": signed_in}
        return await self.graph.ainvoke(Command(resume=value), config)

    async def decide(self, kind: DecisionKind = DecisionKind.APPROVE, **fields: Any) -> Approval:
        """Record a decision on the newest approval, as the service does."""
        return await self.world.store.decide(self.approval.id, Decision(kind=kind, **fields), ANNA)

    @property
    def approval(self) -> Approval:
        return list(self.world.store.approvals.values())[-1]

    @property
    def incident(self) -> Any:
        return next(iter(self.world.store.rows.values()))

    async def waits_at(self) -> tuple[str, ...]:
        """The nodes that come next."""
        return (await self.graph.aget_state(self.config)).next

    async def values(self) -> dict[str, Any]:
        return (await self.graph.aget_state(self.config)).values

    def runs(self, *states: Any) -> None:
        """What the workspace says from now on, one answer after the other."""
        self.world.workspace.runs[self.run_id] = list(states)
