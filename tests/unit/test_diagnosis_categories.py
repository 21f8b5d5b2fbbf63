"""Short messages of many systems: the kind of failure is right, and so is what is proposed first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.policy import Rules
from knowledge.catalogue import load_catalogue
from tools.diagnosis import Engine, case_of_texts
from tools.proposals import propose

CATALOGUE = load_catalogue()
ENGINE = Engine(CATALOGUE)
MESSAGES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "diagnosis" / "categories.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("message", MESSAGES, ids=[f"{n:03}" for n in range(len(MESSAGES))])
def test_a_message_is_of_its_kind(message: dict[str, Any]) -> None:
    found = ENGINE.diagnose(case_of_texts({"run.json#error": message["text"]}))
    assert found.category.value in message["category"], (found.failure_class, message["text"])
    assert propose(found, None, Rules(), CATALOGUE).action.value in message["action"], found.failure_class
