"""Fakes of everything else a node is given, each scripted by plain attributes, and the Context made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from core.actions import Action, Proposal
from core.approvals import Claim, ClaimRequest, Sent
from core.errors import RunNotFound
from core.incident import Category, Diagnosis, Evidence, Prediction, Similar, Triad
from core.policy import Policy, Rules
from core.run import PastRun, RunFacts, TaskFacts, TaskOutput
from nodes.context import Context, RawOutput
from tests.fakes.store import FakeStore


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        """Move time on."""
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeOutput:
    """A raw output."""

    texts: dict[str, str] = field(default_factory=dict)
    cluster_events: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    logs_truncated: bool = False
    notebook_truncated: bool = False


class FakeWorkspace:
    """Runs by id; `results` of a run are served one after the other, the last for ever."""

    name = "sandbox"

    def __init__(self) -> None:
        self.runs: dict[int, list[RunFacts]] = {}
        self.outputs: dict[str, FakeOutput] = {}
        self.past: list[PastRun] = []
        self.good_runs: list[int | None] = []
        self.errors: list[Exception] = []

    async def run(self, run_id: int) -> RunFacts:
        if self.errors:
            raise self.errors.pop(0)
        if run_id not in self.runs:
            raise RunNotFound(f"There is no run {run_id}.")
        states = self.runs[run_id]
        return states.pop(0) if len(states) > 1 else states[0]

    async def task_output(
        self, run: RunFacts, task: TaskFacts, *, good_run_id: int | None = None
    ) -> FakeOutput:
        self.good_runs.append(good_run_id)
        return self.outputs.get(task.task_key, FakeOutput(texts={"error": f"{task.task_key} failed"}))

    async def exit_value(self, task: TaskFacts) -> str:
        found = self.outputs.get(task.task_key)
        return found.texts.get("notebook_result", "") if found else ""

    async def history(self, job_id: int, limit: int = 25) -> list[PastRun]:
        return self.past[:limit]

    async def find_job(self, name: str) -> int | None:
        return None


class FakeActions:
    """Records what is sent; `answers` are given one after the other, then `done`."""

    def __init__(self) -> None:
        self.sent: list[Claim] = []
        self.restored: list[Claim] = []
        self.answers: list[Sent | Exception] = []
        self.restore_answers: list[Sent] = []
        self.upstream: list[str] = []

    async def prepare(self, proposal: Proposal, run: RunFacts) -> list[ClaimRequest]:
        before = {"latest_repair_id": run.latest_repair_id}
        start = ClaimRequest(step="start", call="repair_run", before=before, request=proposal.params)
        if proposal.action is Action.TERMINATE:
            return [ClaimRequest(step="stop", call="cancel_run", before=before)]
        if proposal.action is Action.RUN_UPSTREAM:
            return [ClaimRequest(step="upstream", call="run_now", before=before), start]
        if proposal.params.get("settings"):
            return [ClaimRequest(step="apply", call="update_job", before=before), start]
        return [start]

    async def send(self, claim: Claim) -> Sent:
        self.sent.append(claim)
        answer = self.answers.pop(0) if self.answers else Sent(state="done", repair_id=900 + len(self.sent))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def upstream_state(self, claim: Claim) -> str:
        return self.upstream.pop(0) if self.upstream else "succeeded"

    async def restore(self, claim: Claim) -> Sent:
        self.restored.append(claim)
        return self.restore_answers.pop(0) if self.restore_answers else Sent(state="done")


class FakeInvestigator:
    """Answers with what the test set."""

    def __init__(self) -> None:
        self.diagnosis = Diagnosis(
            category=Category.NETWORK,
            failure_class="connection_reset",
            transient=True,
            root_cause="The connection to the warehouse was reset.",
            evidence=[Evidence(source="error", line_start=1, line_end=1, text="Connection reset by peer")],
            confidence=0.9,
            fingerprint="f1",
        )
        self.triads: list[Triad] = []
        self.proposal = Proposal(
            action=Action.RETRY, params={"task_keys": ["load"]}, reason="It passes.", confidence=0.9
        )
        self.hints: list[str] = []
        self.asked: list[dict[str, Any]] = []

    def clean(self, run: RunFacts) -> RunFacts:
        return run

    def redact(self, output: RawOutput, task: TaskFacts, run: RunFacts) -> tuple[TaskOutput, dict[str, str]]:
        error = output.texts.get("error", "")
        short = TaskOutput(
            task_key=task.task_key, run_id=task.run_id, error=error, missing=list(output.missing)
        )
        return short, dict(output.texts)

    async def query(
        self, run: RunFacts, outputs: Sequence[TaskOutput], *, widen: int = 0
    ) -> tuple[str, dict[str, str]]:
        return " ".join(o.error for o in outputs) + " wider" * widen, {"job": run.job_name}

    async def diagnose(
        self,
        run: RunFacts,
        outputs: Sequence[TaskOutput],
        similar: Sequence[Similar],
        *,
        hint: str = "",
        incident_id: str = "",
    ) -> Diagnosis:
        self.hints.append(hint)
        return self.diagnosis

    async def evaluate(
        self,
        diagnosis: Diagnosis,
        similar: Sequence[Similar],
        *,
        incident_id: str = "",
        run: RunFacts | None = None,
    ) -> Triad:
        if self.triads:
            return self.triads.pop(0)
        return Triad(faithfulness=0.9, answer_relevance=0.9, context_precision=0.9)

    def propose(
        self,
        diagnosis: Diagnosis,
        run: RunFacts,
        rules: Rules,
        *,
        attempt: int,
        low_support: bool,
        tried: Sequence[dict[str, Any]] = (),
        jobs: Mapping[str, int] = MappingProxyType({}),
    ) -> Proposal:
        self.asked.append({"attempt": attempt, "low_support": low_support})
        if low_support:
            return Proposal(action=Action.NOTIFY_OWNER, params={"message": "Look at it."})
        return self.proposal

    def answer(self, diagnosis: Diagnosis) -> str:
        return diagnosis.root_cause


class FakeRetriever:
    """Finds what the test put in; remembers ids."""

    def __init__(self) -> None:
        self.found: list[Similar] = []
        self.queries: list[str] = []
        self.remembered: list[str] = []
        self.error: Exception | None = None

    async def search(self, query: str, *, keys: Mapping[str, str], limit: int = 5) -> list[Similar]:
        self.queries.append(query)
        if self.error:
            raise self.error
        return self.found[:limit]

    async def remember(self, incident_id: str) -> None:
        if self.error:
            raise self.error
        self.remembered.append(incident_id)


class FakePredictor:
    """Always the same."""

    def predict(
        self, proposal_transient: bool, history: Sequence[PastRun], stats: tuple[int, int], attempt: int
    ) -> Prediction:
        return Prediction(probability=0.7, low=0.4, high=0.9, basis="test")


@dataclass
class World:
    """The fakes, and the context made of them."""

    clock: FakeClock = field(default_factory=FakeClock)
    workspace: FakeWorkspace = field(default_factory=FakeWorkspace)
    actions: FakeActions = field(default_factory=FakeActions)
    investigator: FakeInvestigator = field(default_factory=FakeInvestigator)
    retriever: FakeRetriever = field(default_factory=FakeRetriever)
    policy: Policy = field(default_factory=Policy)
    store: FakeStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = FakeStore(self.clock)

    @property
    def context(self) -> Context:
        """What the nodes get."""
        return Context(
            workspace=self.workspace,
            actions=self.actions,
            investigator=self.investigator,
            retriever=self.retriever,
            predictor=FakePredictor(),
            store=self.store,
            clock=self.clock,
            policy=self.policy,
        )


def failed_run(
    run_id: int = 7, *, repairs: Sequence[int] = (), result: str = "FAILED", **changes: Any
) -> RunFacts:
    """A run of two tasks: `load` failed, `report` was skipped for it."""
    from core.run import Repair

    tasks = [
        TaskFacts(task_key="load", run_id=run_id + 1, kind="notebook", result_state=result),
        TaskFacts(task_key="report", run_id=run_id + 2, depends_on=["load"], result_state="UPSTREAM_FAILED"),
    ]
    if result == "SUCCESS":
        tasks = [t.model_copy(update={"result_state": "SUCCESS"}) for t in tasks]
    base = RunFacts(
        workspace="sandbox",
        run_id=run_id,
        job_id=1,
        job_name="nightly",
        life_cycle_state="TERMINATED",
        result_state=result,
        tasks=tasks,
        repairs=[Repair(kind="ORIGINAL"), *(Repair(id=r, start_time=n) for n, r in enumerate(repairs, 1))],
    )
    return base.model_copy(update=changes)


def running(run: RunFacts) -> RunFacts:
    """The same run while it goes on."""
    return run.model_copy(update={"life_cycle_state": "RUNNING", "result_state": None})
