"""The whole topology on one screen."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from core.errors import WorkspaceUnavailable
from graph.routing import fan_out, follow
from nodes.act import act
from nodes.analyze import analyze
from nodes.context import Context
from nodes.decide import decide
from nodes.evaluate import evaluate
from nodes.fetch import fetch
from nodes.fetch_task import fetch_task
from nodes.learn import learn
from nodes.predict import predict
from nodes.retrieve import retrieve
from nodes.review import review
from nodes.state import Input, State
from nodes.verify import verify

#: Reads may be tried again; nothing that changes the world is (its claim decides about that).
READS = RetryPolicy(
    initial_interval=0.5, backoff_factor=2.0, max_interval=8.0, max_attempts=3, retry_on=WorkspaceUnavailable
)


class StudioConfig(TypedDict, total=False):
    """What LangGraph Studio may set for a thread: nothing yet, since the policy file decides."""


Node = Callable[..., Awaitable[dict[str, Any]]]
#: Gives the context for one execution of the named node on this state, for as long as the node runs.
Around = Callable[[str, State], AbstractAsyncContextManager[Context]]


def build(
    ctx: Context | None = None,
    checkpointer: BaseCheckpointSaver | None = None,
    *,
    around: Around | None = None,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The agent's graph.

    Args:
        ctx: The real parts. Given, they are bound to the nodes, so that no client can replace them; without,
            the caller passes `context=` at each invocation, as the tests do.
        checkpointer: Where the state is kept between steps.
        around: Instead of `ctx`: makes each node's context just before it runs.
    """
    given = around or (_always(ctx) if ctx else None)

    def bound(node: Node) -> Node:
        return node if given is None else _with_context(node, given)

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(
        State, context_schema=StudioConfig if given else Context, input_schema=Input
    )
    graph.add_node("fetch", bound(fetch), retry_policy=READS)
    graph.add_node("fetch_task", bound(fetch_task), retry_policy=READS)
    graph.add_node("retrieve", bound(retrieve))
    graph.add_node("analyze", bound(analyze))
    graph.add_node("evaluate", bound(evaluate))
    graph.add_node("predict", bound(predict))
    graph.add_node("decide", bound(decide))
    graph.add_node("review", bound(review))
    graph.add_node("act", bound(act))
    graph.add_node("verify", bound(verify), retry_policy=READS)
    graph.add_node("learn", bound(learn))

    graph.add_edge(START, "fetch")
    graph.add_conditional_edges("fetch", fan_out, ["fetch_task", "retrieve", "verify", "learn", END])
    graph.add_edge("fetch_task", "retrieve")
    graph.add_edge("retrieve", "analyze")
    graph.add_edge("analyze", "evaluate")
    graph.add_conditional_edges("evaluate", follow, ["retrieve", "predict"])
    graph.add_edge("predict", "decide")
    graph.add_conditional_edges("decide", follow, ["review", "learn"])
    graph.add_conditional_edges("review", follow, ["review", "act", "analyze", "decide", "fetch", "learn"])
    graph.add_conditional_edges("act", follow, ["act", "verify", "review", "decide", "fetch", "learn"])
    graph.add_conditional_edges("verify", follow, ["verify", "act", "fetch", "decide", "review", "learn"])
    graph.add_edge("learn", END)
    return graph.compile(checkpointer=checkpointer, name="pitstop")


def _always(ctx: Context) -> Around:
    @asynccontextmanager
    async def same(name: str, state: State) -> AsyncIterator[Context]:
        yield ctx

    return same


def _with_context(node: Node, given: Around) -> Node:
    """The node with its context bound."""

    @wraps(node)
    async def with_context(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        async with given(node.__name__, state) as context:
            return await node(state, runtime.override(context=context))

    # `wraps` would lead LangGraph to the node's own annotations, and so to its context.
    del with_context.__wrapped__
    with_context.__annotations__ = {"state": node.__annotations__["state"], "runtime": Runtime}
    return with_context
