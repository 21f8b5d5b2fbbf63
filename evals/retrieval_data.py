"""Incidents and questions for measuring retrieval, made from `retrieval_failures.yaml` by a seed.

Each incident is one failure of the file with names, numbers, a job and an ending filled in. The first `real` of them
are embedded with the real model. The vector of any further one is that of a real one of the same failure plus the
difference between two real wordings of another failure, cut to unit length: real directions of variation, put
elsewhere. (100,000 texts take the model 20 minutes of two cores.)
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from knowledge.embeddings import Embedder
from knowledge.incident_memory import IncidentMemory

SEED = 20261121
#: When the questions are asked, and how many answers each gets.
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LIMIT = 5
JOBS = 400
_WORDS = {
    "table": ["orders", "invoices", "ledger", "clicks", "sessions", "stock", "prices", "shipments", "returns", "claims"],
    "zone": ["bronze", "silver", "gold", "raw", "staging", "mart"],
    "column": ["customer_id", "amount", "country", "event_time", "sku", "currency", "status", "postcode", "score"],
    "noun": ["billing", "weather", "churn", "fraud", "payroll", "forecast", "loyalty", "catalog", "risk", "energy"],
    "package": ["geopandas", "lightgbm", "unidecode", "pymssql", "xgboost", "openpyxl", "great_tables", "polars"],
    "vm": ["Standard_E8s_v5", "i3.2xlarge", "n2-highmem-8", "Standard_D16ds_v5", "r6id.4xlarge"],
    "word": ["n/a", "12,50", "unknown", "-", "1e", "twelve"],
    "user": ["svc-etl", "nightly-robot", "analyst-group", "etl@example.com"],
    "domain": ["api.weather.example", "db.internal.example", "files.partner.example", "auth.example", "mq.example"],
}  # fmt: skip
#: How past incidents ended, with the action and whether a later good run proved it; and how often of 100.
_ENDINGS = [
    (("resolved", "RETRY", True), 45),
    (("resolved", "RETRY_WITH_NEW_PARAMS", True), 15),
    (("resolved_elsewhere", None, False), 10),
    (("escalated", "ESCALATE", False), 12),
    (("notified", "NOTIFY_OWNER", False), 12),
    (("rejected", "RETRY", False), 6),
]


class Failure(BaseModel):
    """One kind of failure, as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failure_class: str = Field(alias="class")
    causes: list[str] = Field(min_length=1)
    evidence: list[str] = Field(min_length=1)
    asks: list[str] = Field(min_length=1)


@dataclass(frozen=True)
class Question:
    """What is searched for: a text, exact keys, and the failure that is meant."""

    text: str
    keys: Mapping[str, str]
    failure: Failure


def load_failures() -> list[Failure]:
    """The kinds of failure."""
    text = resources.files("evals").joinpath("retrieval_failures.yaml").read_text(encoding="utf-8")
    return [Failure.model_validate(row) for row in yaml.safe_load(text)]


def incidents(failures: Sequence[Failure], count: int, now: datetime) -> Iterator[IncidentMemory]:
    """`count` incidents over the last three years; always the same ones for the same `count` and `now`, in order."""
    for number in range(count):
        dice = random.Random(SEED * 1_000_003 + number)  # noqa: S311
        failure = failures[number % len(failures)]
        slots = _slots(dice)
        shape = dice.randrange(len(failure.evidence))
        outcome, action, verified = dice.choices([e for e, _ in _ENDINGS], [w for _, w in _ENDINGS])[0]
        yield IncidentMemory(
            id=f"inc-{number}",
            title=f"{slots['job']}: {failure.failure_class}",
            root_cause=dice.choice(failure.causes).format(**slots),
            evidence=failure.evidence[shape].format(**slots),
            fingerprint=fingerprint(failure, shape, slots["job"]),
            failure_class=failure.failure_class,
            job=slots["job"],
            action=action,
            outcome=outcome,
            verified=verified,
            finished_at=(now - timedelta(days=dice.random() * 1095)).isoformat(),
        )


def questions(failures: Sequence[Failure], titles: Mapping[str, str], count: int) -> list[Question]:
    """`count` questions as the graph asks them: title of the class, cause and evidence of a new failure, with its keys."""
    found = []
    for number in range(count):
        dice = random.Random(SEED * 7 + number)  # noqa: S311
        failure = failures[number % len(failures)]
        slots = _slots(dice)
        shape = dice.randrange(len(failure.evidence))
        cause = dice.choice(failure.causes).format(**slots)
        text = f"{titles[failure.failure_class]} {cause} {failure.evidence[shape].format(**slots)}"
        keys = {
            "fingerprint": fingerprint(failure, shape, slots["job"]),
            "failure_class": failure.failure_class,
            "job": slots["job"],
        }
        found.append(Question(text, keys, failure))
    return found


def asked_otherwise(failures: Sequence[Failure]) -> list[Question]:
    """The questions in other words, without any key: what the keys are is for a diagnosis to say."""
    dice = random.Random(SEED)  # noqa: S311
    return [Question(ask.format(**_slots(dice)), {}, failure) for failure in failures for ask in failure.asks]


def fingerprint(failure: Failure, shape: int, job: str) -> str:
    """One for each job and form of message, as the log reader's templates give it."""
    return hashlib.sha256(f"{failure.failure_class}/{shape}/{job}".encode()).hexdigest()[:16]


class Vectors:
    """The vectors of incidents, in order: real ones, and then ones derived from them.

    Args:
        embedder: The real model.
        texts: Of the incidents that are really embedded.
        kinds: How many kinds of failure there are; incident `n` is of kind `n % kinds`.
    """

    def __init__(self, embedder: Embedder, texts: Sequence[str], kinds: int) -> None:
        self.real = np.asarray(embedder.embed(texts), dtype=np.float32)
        self._kinds = kinds

    def __getitem__(self, number: int) -> Any:
        real, kinds = self.real, self._kinds
        if number < len(real):
            return real[number]
        dice = random.Random(SEED * 13 + number)  # noqa: S311
        per_kind = len(real) // kinds
        other = dice.randrange(kinds)
        base = real[number % kinds + kinds * dice.randrange(per_kind)]
        one, two = (real[other + kinds * dice.randrange(per_kind)] for _ in range(2))
        vector = base + (one - two)
        return vector / np.linalg.norm(vector)


def _slots(dice: random.Random) -> dict[str, str]:
    def table() -> str:
        return f"{dice.choice(_WORDS['zone'])}.{dice.choice(_WORDS['noun'])}_{dice.choice(_WORDS['table'])}"

    job = random.Random(dice.randrange(JOBS))  # noqa: S311
    slots = {name: dice.choice(words) for name, words in _WORDS.items()}
    return slots | {
        "job": f"{job.choice(_WORDS['zone'])}-{job.choice(_WORDS['noun'])}-{job.choice(_WORDS['table'])}-{job.randrange(10)}",
        "table": table(),
        "table2": table(),
        "host": slots["domain"],
        "port": str(dice.choice([443, 1433, 5432, 8080, 9092])),
        "path": f"/mnt/{slots['zone']}/{slots['noun']}/{dice.randrange(2024, 2027)}-{dice.randrange(1, 13):02}",
        "node": f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}",
        "date": f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:00:00Z",
        "n": str(dice.randrange(2, 400)),
        "gb": str(dice.randrange(4, 90)),
        "big": str(dice.randrange(1_000, 9_000_000)),
    }
