"""What services and libraries really say, each text under the class it must be recognised as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from knowledge.catalogue import load_catalogue
from tools.diagnosis import Engine, case_of_texts

CATALOGUE = load_catalogue()
ENGINE = Engine(CATALOGUE)
MESSAGES: list[dict[str, Any]] = [
    message
    for file in sorted((Path(__file__).parent / "diagnosis").glob("messages_*.yaml"))
    for message in yaml.safe_load(file.read_text(encoding="utf-8"))
]
#: Wrappers and kinds of last resort, which a plain message can hardly show alone.
BARE = frozenset(
    [
        "data_source_error",
        "deserialization_failed",
        "invalid_argument",
        "io_failed",
        "object_in_wrong_state",
        "python_udf_failed",
        "run_too_long",
        "streaming_failed",
        "task_write_failed",
    ]
)


@pytest.mark.parametrize("message", MESSAGES, ids=[f"{n:03}-{m['expect']}" for n, m in enumerate(MESSAGES)])
def test_a_message_is_recognised(message: dict[str, Any]) -> None:
    found = ENGINE.diagnose(case_of_texts({"driver.log": message["text"]}))
    assert found.failure_class == message["expect"]
    for name, value in message.get("facts", {}).items():
        assert found.facts.get(name) == value
    assert found.evidence, "a diagnosis shows its lines"
    assert "{" not in found.root_cause.replace("{...}", "") or "{" in message["text"]


def test_every_class_has_a_message() -> None:
    assert set(CATALOGUE.classes) - BARE == {message["expect"] for message in MESSAGES}
