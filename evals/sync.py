"""Keep the dataset in LangSmith equal to the scenarios."""

from __future__ import annotations

from dataclasses import dataclass

from langsmith import Client

from evals.dataset import DATASET, example_id, inputs, outputs
from sandbox.scenario import Scenario


@dataclass(frozen=True)
class Synced:
    """What a sync changed."""

    created: int
    updated: int
    unchanged: int


def sync(client: Client, chosen: list[Scenario]) -> Synced:
    """Create the dataset if needed, add new scenarios, update changed ones; nothing is ever deleted."""
    if not client.has_dataset(dataset_name=DATASET):
        client.create_dataset(
            DATASET, description="Failures of the sandbox workspace, and what should become of them."
        )
    there = {e.id: e for e in client.list_examples(dataset_name=DATASET)}
    new = [s for s in chosen if example_id(s) not in there]
    changed = [
        s
        for s in chosen
        if (old := there.get(example_id(s))) and (old.inputs != inputs(s) or old.outputs != outputs(s))
    ]
    if new:
        client.create_examples(
            dataset_name=DATASET,
            examples=[
                {
                    "id": example_id(s),
                    "inputs": inputs(s),
                    "outputs": outputs(s),
                    "metadata": {"title": s.title},
                }
                for s in new
            ],
        )
    for scenario in changed:
        client.update_example(example_id(scenario), inputs=inputs(scenario), outputs=outputs(scenario))
    return Synced(created=len(new), updated=len(changed), unchanged=len(chosen) - len(new) - len(changed))
