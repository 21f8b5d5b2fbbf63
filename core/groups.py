"""One cause, one question: what lies outside a run and explains its failure, and what a group decision covers.

The cause is derived by fixed rules from the diagnosis (whose facts were redacted when they were read) and from
the job's settings. Log text can at most name a host, a path, a table or a principal here; each is held against a
narrow form and dropped if it does not fit, so a log line can never make up a group of its own kind.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from core.actions import Action
from core.incident import Category, DecisionKind, Diagnosis
from core.run import RunFacts

#: A minute's turns are spread over parts of this length.
SPREAD_SECONDS = 5

CauseKind = Literal["endpoint", "table", "cluster_pool", "credential", "fingerprint"]

_HOST = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)+")
_TABLE = re.compile(r"[a-z0-9_$-]+(\.[a-z0-9_$-]+){1,2}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.@/ :-]{2,119}")
_POOL = re.compile(r"[A-Za-z0-9_-]{4,100}")
_BLANK = re.compile(r"[\s\x00-\x1f]")
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
#: Names that every machine has for itself: nothing outside is meant.
_OWN = frozenset({"localhost", "localhost.localdomain", "host.docker.internal"})
#: Object stores whose bucket or container stands where a URL has its host.
_BUCKETS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gs"}
#: Which facts of a diagnosis name an outside cause, by its category; the first that fits counts.
_ENDPOINT = ("host", "url", "path")
_CREDENTIAL = ("secret", "principal", "role", "user", "name")
_RULES: Mapping[Category, tuple[tuple[CauseKind, tuple[str, ...]], ...]] = {
    Category.NETWORK: (("endpoint", _ENDPOINT),),
    Category.TIMEOUT: (("endpoint", _ENDPOINT),),
    Category.INFRASTRUCTURE: (("cluster_pool", ()), ("endpoint", _ENDPOINT)),
    Category.PERMISSION: (
        ("credential", _CREDENTIAL),
        ("table", ("table", "object")),
        ("endpoint", _ENDPOINT),
    ),
    Category.DATA: (("table", ("table", "relation")),),
}


class Cause(BaseModel):
    """What incidents of one group have in common. `value` is short, lower case and safe to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: CauseKind
    value: str = Field(min_length=1, max_length=255)

    @property
    def key(self) -> str:
        """The cause as one word: the same for the same cause, whatever log it was read from."""
        return f"{self.kind}:{self.value}"


class Grouping(BaseModel):
    """The cause of one incident, and how the policy wants incidents of one cause to be grouped and acted on.

    Seconds: how long the group stays open for others, how long its first message waits for them, and how long
    lies between two messages. `per_minute` and `at_once` bound the actions; `follow` lets one that comes after
    the decision follow it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cause: Cause
    window_seconds: float = Field(gt=0)
    settle_seconds: float = Field(ge=0)
    update_seconds: float = Field(ge=0)
    per_minute: int = Field(ge=1)
    at_once: int = Field(ge=1)
    follow: bool = False


class Together(BaseModel):
    """What news share that go out as one message to each recipient, and their pace: see `core.policy.Groups`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = Field(min_length=1)
    settle_seconds: float = Field(ge=0)
    update_seconds: float = Field(ge=0)

    def bundle(self, workspace: str, kind: str) -> str:
        """The name of the messages of this kind that go out together (a SHA-256, hex)."""
        return _sha256([workspace, kind, self.about])


class GroupAnswer(BaseModel):
    """One reviewer's answer to a group's question, bound to the members that waited by `sha256`.

    Parameters differ from member to member, so there is no `edit`: a member is edited alone. `excepted` names
    members (by incident or approval) that the answer is not about; they go on waiting.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal[DecisionKind.APPROVE, DecisionKind.REJECT, DecisionKind.RESPOND]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    comment: str = Field(default="", max_length=4000)
    then: Literal["nothing", "terminate", "take_over"] = "nothing"
    excepted: list[str] = Field(default_factory=list, max_length=1000)
    useful: bool | None = None


def cause_of(diagnosis: Diagnosis, run: RunFacts, settings: Mapping[str, Any] | None = None) -> Cause | None:
    """The outside cause of a failure (endpoint, table, cluster pool, credential), else its fingerprint.

    Args:
        diagnosis: What failed; its `facts` hold redacted values that the catalogue's patterns found.
        run: The run; which of its tasks failed says whose cluster pool counts.
        settings: The job's settings, by default those of `run`.
    """
    settings = run.settings if settings is None else settings
    for kind, names in _RULES.get(diagnosis.category, ()):
        value = _pool(diagnosis, run, settings) if kind == "cluster_pool" else _named(kind, names, diagnosis)
        if value:
            return Cause(kind=kind, value=value)
    fingerprint = diagnosis.fingerprint.strip().lower()
    return Cause(kind="fingerprint", value=fingerprint) if _FINGERPRINT.fullmatch(fingerprint) else None


def group_key(
    workspace: str, cause: Cause, action: Action, approvers: Iterable[str], notify: Iterable[str]
) -> str:
    """What members of one group share, as a SHA-256 (hex): cause, kind of action, and the people it is put to."""
    people = [sorted({name.strip().casefold() for name in names}) for names in (approvers, notify)]
    return _sha256([workspace, cause.key, action.value, *people])


def group_sha256(group_id: str, members: Iterable[tuple[str, str]]) -> str:
    """The SHA-256 (hex) of exactly what a group decision decides on.

    Args:
        group_id: The group.
        members: (approval id, its payload hash) of each member that waits, in any order. One that joins,
            leaves or changes its proposal makes another hash.
    """
    return _sha256([group_id, sorted([approval_id, payload] for approval_id, payload in members)])


def host_of(text: str) -> str | None:
    """The host (or the bucket, as `s3://name`) that an address names, lower case, without port and user.

    None for what is no address, and for the machine itself.
    """
    text = text.strip().lower()
    if _BLANK.search(text):  # `urlsplit` would drop line ends from the middle
        return None
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        scheme, host = parts.scheme, (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if scheme in _BUCKETS:
        return f"{_BUCKETS[scheme]}://{host}" if re.fullmatch(r"[a-z0-9][a-z0-9._-]{2,62}", host) else None
    if host in _OWN or not host:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host if len(host) <= 253 and _HOST.fullmatch(host) else None
    return None if address.is_loopback or address.is_unspecified else str(address)


class Standing(StrEnum):
    """How a member of a group decision stands."""

    WAITING = "waiting"  # approved, its turn has not come
    ACTING = "acting"  # it has its turn
    GOOD = "good"  # its repair was verified
    FAILED = "failed"  # its repair was refused or failed: the cause may still stand
    LEFT = "left"  # muted, taken over, superseded, or repaired by somebody: it proves nothing


class Step(StrEnum):
    """What is to be done next about an approved group."""

    WAIT = "wait"
    NEXT_CANARY = "next_canary"
    RELEASE = "release"
    STOP = "stop"
    END = "end"


def next_step(*, released: bool, canary: Standing, others: Collection[Standing]) -> Step:
    """What the standing of an approved group's members asks for.

    One failure is the sign that the cause still stands, before the others were released and after. A canary
    that left without a proof passes its part on.
    """
    everyone = [canary, *others]
    waiting = Standing.WAITING in everyone
    if Standing.FAILED in everyone:
        return Step.STOP
    if not waiting and Standing.ACTING not in everyone:
        return Step.END
    if not released and canary is Standing.GOOD:
        return Step.RELEASE
    if not released and canary is Standing.LEFT:
        return Step.NEXT_CANARY if waiting else Step.WAIT
    return Step.WAIT


def turns_free(*, per_minute: int, at_once: int, acting: int, last_minute: int, last_seconds: int) -> int:
    """How many more members may act now, given those that act and those that got their turn lately.

    Args:
        per_minute: At most this many turns in any minute, spread over it: at most a twelfth of it (rounded up)
            in any `SPREAD_SECONDS`.
        at_once: At most this many side by side.
        acting: Those whose turn goes on.
        last_minute: Turns given in the last 60 seconds.
        last_seconds: Turns given in the last `SPREAD_SECONDS`.
    """
    burst = -(-per_minute * SPREAD_SECONDS // 60)
    return max(0, min(at_once - acting, per_minute - last_minute, burst - last_seconds))


def _named(kind: CauseKind, names: Iterable[str], diagnosis: Diagnosis) -> str | None:
    for name in names:
        value = diagnosis.facts.get(name, "").strip().strip("`'\"").lower()
        if not value:
            continue
        if kind == "endpoint":
            found = host_of(value) if name != "path" or "://" in value else None
        elif kind == "table":
            found = value if len(value) <= 255 and _TABLE.fullmatch(value) else None
        else:
            found = value if _NAME.fullmatch(value) else None
        if found:
            return found
    return None


def _pool(diagnosis: Diagnosis, run: RunFacts, settings: Mapping[str, Any]) -> str | None:
    """The instance pool of the failed tasks' clusters, from the job's settings; None when they have several."""
    failed = set(diagnosis.task_keys) or {task.task_key for task in run.failed_tasks}
    shared = {
        c.get("job_cluster_key"): c.get("new_cluster") or {} for c in settings.get("job_clusters") or []
    }
    pools = set()
    for task in settings.get("tasks") or []:
        if task.get("task_key") in failed:
            cluster = task.get("new_cluster") or shared.get(task.get("job_cluster_key")) or {}
            pools.add(cluster.get("instance_pool_id"))
    pool = pools.pop() if len(pools) == 1 else None
    return pool if isinstance(pool, str) and _POOL.fullmatch(pool) else None


def _sha256(body: Any) -> str:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
