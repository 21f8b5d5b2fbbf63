"""The dataset: the sandbox's scenarios, as LangSmith examples."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from langsmith.schemas import Example

from sandbox.scenario import Scenario, load_scenarios

DATASET = "pitstop-scenarios"
SCENARIOS = Path(__file__).resolve().parent.parent / "sandbox" / "scenarios"
#: Examples have fixed ids, so that syncing again changes what changed and doubles nothing.
_NAMESPACE = uuid5(NAMESPACE_URL, "pitstop/evals/scenarios")


def scenarios(only: list[str] | None = None) -> list[Scenario]:
    """The scenarios by name, or those of them that are named."""
    found = load_scenarios(SCENARIOS)
    return [s for name, s in found.items() if not only or name in only]


def inputs(scenario: Scenario) -> dict[str, str]:
    """What the target is given: the failure, and nothing that gives the answer away."""
    return {"scenario": scenario.name}


def outputs(scenario: Scenario) -> dict[str, object]:
    """The reference: category, class, accepted actions, how it ends, and the nodes it passes."""
    expect = scenario.expect
    return {
        "category": expect.category,
        "failure_class": expect.failure_class,
        "actions": expect.actions,
        "outcome": expect.outcome,
        "nodes": expect.nodes,
    }


def example_id(scenario: Scenario) -> UUID:
    """The same for the same scenario, for ever."""
    return uuid5(_NAMESPACE, scenario.name)


def examples(chosen: list[Scenario]) -> list[Example]:
    """The dataset as LangSmith's own objects, for a run that uploads nothing."""
    return [
        Example(
            id=example_id(s),
            inputs=inputs(s),
            outputs=outputs(s),
            metadata={"title": s.title},
            dataset_id=_NAMESPACE,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for s in chosen
    ]
