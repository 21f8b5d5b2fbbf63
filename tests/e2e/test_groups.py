"""A storage outage fails 300 runs of 40 jobs: one message, one decision, one repair first, and the others after it.

The service, its Postgres and the sandbox are processes of their own; everything goes over HTTP and SMTP.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sandbox.mailbox import Mailbox
from tests.e2e.processes import Service, service, until
from tests.mailing import mailbox

__all__ = ["mailbox"]

OUTAGE = "storage_endpoint"
REVIEWER = "ann@example.com"
PER_MINUTE, AT_ONCE = 480, 30


@pytest.fixture
def pitstop(database_url: str, mailbox: Mailbox, tmp_path: Path) -> Iterator[Service]:
    policy = {
        "defaults": {
            "approvers": [REVIEWER],
            "escalate_to": ["lead@example.com"],
            "backoff": {"base_seconds": 0.5, "max_seconds": 1},
            "groups": {"settle_seconds": 5, "per_minute": PER_MINUTE, "at_once": AT_ONCE},
        }
    }
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(policy))
    settings = {
        "PITSTOP_POLICY": str(path),
        "PITSTOP_WATCH_SECONDS": "3",
        "PITSTOP_WORKER_CONCURRENCY": "8",
        "PITSTOP_SMTP_HOST": "127.0.0.1",
        "PITSTOP_SMTP_PORT": str(mailbox.port),
        "PITSTOP_SMTP_SECURITY": "none",
    }
    with service(database_url, clock=40.0, **settings) as running:
        running.start()
        yield running


def asked(mailbox: Mailbox) -> list[str]:
    """The subjects of the messages that ask for a decision."""
    subjects = [str(message["subject"]) for message in mailbox.messages]
    return [subject for subject in subjects if "approval" in subject.lower()]


def grown(pitstop: Service, members: int, *, seconds: float = 400) -> dict[str, Any]:
    """The one group that waits, once it has this many pending members."""

    def look() -> dict[str, Any] | None:
        groups = pitstop.get("/groups")["items"]
        assert len(groups) <= 1
        return groups[0] if groups and groups[0]["pending"] >= members else None

    return until(look, seconds=seconds, saying=f"a group of {members}")


def answer(pitstop: Service, group: dict[str, Any], decision: str = "approve", **body: Any) -> httpx.Response:
    """Decide on the group as it was seen."""
    return pitstop.http.post(
        f"/api/v1/groups/{group['id']}/decision",
        json={"decision": decision, "sha256": group["sha256"], **body},
    )


def settled(pitstop: Service, group_id: str, phase: str, *, seconds: float = 400) -> dict[str, Any]:
    """The group, once its last decision has come to this phase."""

    def look() -> dict[str, Any] | None:
        found = pitstop.get(f"/groups/{group_id}")
        return found if found["decisions"] and found["decisions"][-1]["phase"] == phase else None

    return until(look, seconds=seconds, saying=f"{phase} ({pitstop.folder}/serve.log)")


def repairs(pitstop: Service) -> list[dict[str, Any]]:
    """The repairs that took effect, oldest first."""
    return pitstop.control.actions(kind="repair", by="api")


def most_within(times: list[float], seconds: float) -> int:
    """The most of these sorted times that lie within so many seconds."""
    return max(bisect_left(times, at + seconds) - number for number, at in enumerate(times))


def most_at_once(starts: list[float], ends: list[float]) -> int:
    """The most intervals that overlap at any moment."""
    moves = sorted([(end, -1) for end in ends] + [(start, 1) for start in starts])
    return max(accumulate(move for _, move in moves))


def test_three_hundred_failures_are_one_question(pitstop: Service, mailbox: Mailbox) -> None:
    began = time.monotonic()
    started = pitstop.control.begin_outage(OUTAGE, jobs=40, runs=300)
    group = grown(pitstop, 300)
    print(f"\n300 incidents grouped after {time.monotonic() - began:.0f} s")
    assert group["cause"] == {"kind": "endpoint", "value": "acmelake.dfs.core.windows.net"}
    assert (group["jobs"], group["action"]) == (40, "RETRY")
    assert len(pitstop.get("/approvals")["items"]) == 1, "they are listed once"

    pitstop.control.end_outage(OUTAGE)
    decided = time.monotonic()
    assert answer(pitstop, group).status_code == 200
    print(f"decided in {time.monotonic() - decided:.2f} s")
    done = settled(pitstop, group["id"], "done")
    print(
        f"300 repairs verified {time.monotonic() - decided:.0f} s later; {time.monotonic() - began:.0f} s in all"
    )

    assert done["counts"] == {"good": 300}
    assert len(done["decisions"]) == 1
    made = repairs(pitstop)
    assert sorted(a["run_id"] for a in made) == sorted(started["run_ids"]), "each once, none twice"
    canary = done["decisions"][0]["canary_incident_id"]
    first = next(item for item in done["items"] if item["incident_id"] == canary)
    assert made[0]["run_id"] == first["run_id"]
    run = pitstop.sandbox_run(made[0]["run_id"])
    assert run["state"]["result_state"] == "SUCCESS"
    assert made[1]["at"] > run["end_time"], "the canary's success precedes every other repair"
    turns = sorted(datetime.fromisoformat(item["turn_at"]).timestamp() for item in done["items"])
    assert most_within(turns, 60) <= PER_MINUTE
    assert most_within(turns, 5) <= PER_MINUTE / 12
    ends = [pitstop.sandbox_run(action["run_id"])["end_time"] for action in made]
    assert most_at_once([action["at"] for action in made], ends) <= AT_ONCE
    assert len(asked(mailbox)) == 1, asked(mailbox)


def test_while_the_outage_goes_on_only_the_canary_acts_and_people_are_asked_again(
    pitstop: Service, mailbox: Mailbox
) -> None:
    pitstop.control.begin_outage(OUTAGE, jobs=4, runs=12)
    group = grown(pitstop, 12)
    until(lambda: asked(mailbox), saying="the message")
    assert answer(pitstop, group).status_code == 200
    stopped = settled(pitstop, group["id"], "stopped")
    canary = stopped["decisions"][0]["canary_incident_id"]
    assert "did not help" in stopped["decisions"][0]["why"]
    again = grown(pitstop, 12)
    assert again["id"] == group["id"] and again["sha256"] != group["sha256"]
    assert len(repairs(pitstop)) == 1, "nobody else was repaired"
    told = pitstop.get(f"/incidents/{next(i['incident_id'] for i in stopped['items'] if not i['canary'])}")
    assert any("did not help" in risk for risk in told["proposal"]["risks"])
    assert pitstop.get(f"/incidents/{canary}")["attempt"] == 2
    until(lambda: len(asked(mailbox)) == 2, saying="the second message")

    pitstop.control.end_outage(OUTAGE)
    assert answer(pitstop, again).status_code == 200
    done = settled(pitstop, group["id"], "done")
    assert done["counts"]["good"] == 12
    assert len(repairs(pitstop)) == 13


def test_members_left_out_are_not_repaired_and_go_on_waiting(pitstop: Service) -> None:
    pitstop.control.begin_outage(OUTAGE, jobs=4, runs=8)
    group = grown(pitstop, 8)
    items = pitstop.get(f"/groups/{group['id']}")["items"]
    out = [item["incident_id"] for item in items[:3]]
    pitstop.control.end_outage(OUTAGE)
    assert answer(pitstop, group, "approve", **{"except": out}).status_code == 200
    done = settled(pitstop, group["id"], "done")
    assert done["counts"] == {"good": 5, "pending": 3}
    left = {item["run_id"] for item in items[:3]}
    assert not left & {action["run_id"] for action in repairs(pitstop)}
    assert answer(pitstop, pitstop.get(f"/groups/{group['id']}"), "reject").status_code == 200
    until(lambda: pitstop.get(f"/incidents/{out[0]}")["status"] == "rejected", saying="the rejection")
    assert len(repairs(pitstop)) == 5


def test_killed_again_and_again_while_a_group_acts_nothing_is_stuck_or_doubled(pitstop: Service) -> None:
    started = pitstop.control.begin_outage(OUTAGE, jobs=4, runs=12)
    group = grown(pitstop, 12)
    pitstop.control.end_outage(OUTAGE)
    assert answer(pitstop, group).status_code == 200
    for delay in (0.0, 4.0, 1.0):
        time.sleep(delay)
        pitstop.kill(pitstop.processes[-1])
        pitstop.start()
    done = settled(pitstop, group["id"], "done")
    assert done["counts"] == {"good": 12}
    made = [action["run_id"] for action in repairs(pitstop)]
    assert sorted(made) == sorted(started["run_ids"])
