"""What a route that changes something needs, in one piece: the parts, who asks, and an answer given once."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.responses import Response
from pydantic import BaseModel

from server.deps import Approver, MetricsDep, RuntimeDep, Viewer
from server.idempotency import OnceDep
from store.idempotency import Keep


class Errand:
    """One request that changes something, by a caller who is signed in; who may do it is the store's to say."""

    def __init__(
        self, runtime: RuntimeDep, caller: Viewer, metrics: MetricsDep, once: OnceDep, response: Response
    ) -> None:
        self.runtime = runtime
        self.caller = caller
        self._metrics = metrics
        self._once = once
        self._response = response

    async def answer(self, work: Callable[[Keep], Awaitable[BaseModel]]) -> BaseModel | Response:
        """What `work` gives, once for each `Idempotency-Key`. Raises: as `server.idempotency.Once.answer`."""
        return await self._once.answer(work, self._response)

    async def decision(self, kind: str, work: Callable[[Keep], Awaitable[BaseModel]]) -> BaseModel | Response:
        """The same for a decision, which is counted by its kind and door when it was taken."""

        async def counted(keep: Keep) -> BaseModel:
            decided = await work(keep)
            self._metrics.decisions.labels(kind, self.caller.channel).inc()
            return decided

        return await self.answer(counted)


class ApproversErrand(Errand):
    """One that takes an approver to begin with."""

    def __init__(
        self, runtime: RuntimeDep, caller: Approver, metrics: MetricsDep, once: OnceDep, response: Response
    ) -> None:
        super().__init__(runtime, caller, metrics, once, response)


ErrandDep = Annotated[Errand, Depends()]
ApproversErrandDep = Annotated[ApproversErrand, Depends()]
