"""Run the evaluators over the dataset: locally without a key, as an experiment in LangSmith with one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from langsmith import Client, aevaluate
from langsmith.run_helpers import tracing_context

from core.errors import ConfigurationError
from evals.dataset import DATASET, examples
from evals.evaluators import EVALUATORS
from sandbox.scenario import Scenario

#: What is evaluated: see `evals.target.Target`.
Target = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

THRESHOLDS = Path(__file__).with_name("thresholds.yaml")
AT_ONCE = 4


@dataclass(frozen=True)
class Result:
    """One example's answer and scores, keyed by evaluator."""

    scenario: str
    scores: dict[str, float]
    outputs: dict[str, Any]
    error: str | None = None


async def run(target: Target, chosen: list[Scenario], *, client: Client | None = None) -> list[Result]:
    """Evaluate the target on the chosen scenarios.

    With a `client` the dataset in LangSmith is used (see `evals.sync`) and an experiment is made of the run.
    """

    async def incident(inputs: dict[str, Any]) -> dict[str, Any]:
        # What runs inside would be sent even where results are not uploaded.
        with tracing_context(enabled=None if client else False):
            return await target(inputs)

    if client is None:
        done = await aevaluate(
            incident,
            data=examples(chosen),
            evaluators=list(EVALUATORS),
            # Even so the client sends the traces of target and evaluators, unless it samples none of them.
            client=Client(api_key="none", tracing_sampling_rate=0.0, info={}),
            upload_results=False,
            max_concurrency=AT_ONCE,
        )
    else:
        names = {s.name for s in chosen}
        data = [
            e for e in client.list_examples(dataset_name=DATASET) if (e.inputs or {}).get("scenario") in names
        ]
        done = await aevaluate(
            incident,
            data=data,
            evaluators=list(EVALUATORS),
            client=client,
            experiment_prefix="pitstop",
            max_concurrency=AT_ONCE,
        )
    results = []
    async for row in done:
        scores = {r.key: float(r.score or 0) for r in row["evaluation_results"]["results"]}
        name = str((row["example"].inputs or {})["scenario"])
        results.append(Result(name, scores, row["run"].outputs or {}, row["run"].error))
    return sorted(results, key=lambda r: r.scenario)


def shares(results: list[Result]) -> dict[str, float]:
    """The mean of each score; a scenario whose run broke counts as 0 everywhere."""
    sums: dict[str, float] = defaultdict(float)
    for result in results:
        for evaluator in EVALUATORS:
            name = evaluator.__name__
            sums[name] += 0.0 if result.error else result.scores.get(name, 0.0)
    return {name: total / len(results) for name, total in sums.items()} if results else {}


def below(found: dict[str, float], path: Path = THRESHOLDS) -> list[str]:
    """One line for each share under its threshold.

    Raises:
        ConfigurationError: The file names a score that does not exist.
    """
    wanted = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = set(wanted) - {e.__name__ for e in EVALUATORS}
    if unknown:
        raise ConfigurationError(f"{path}: there is no score {', '.join(sorted(unknown))}.")
    return [
        f"{name}: {found.get(name, 0.0):.3f} is below {least}"
        for name, least in wanted.items()
        if found.get(name, 0.0) < float(least)
    ]
