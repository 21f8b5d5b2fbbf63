"""Play scenarios through over HTTP: start the run, wait for the proposal, decide, wait for the end, compare."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from cli.doors import CHANNELS, COMMENT, Doors
from cli.stage import Stage
from core.errors import PitstopError

Json = dict[str, Any]

#: Statuses at which the script has nothing more to do.
ENDS = frozenset(
    {
        "resolved",
        "resolved_elsewhere",
        "terminated",
        "rejected",
        "closed",
        "observed",
        "notified",
        "escalated",
        "taken_over",
        "muted",
        "broken",
    }
)
LOOK_SECONDS = 0.4
#: What waits too short a time to be found by a message.
UNSUITED = frozenset({"comes_back", "runaway"})


@dataclass
class Played:
    """How one scenario went, and what was wrong with it."""

    name: str
    expect: Json
    incident_id: str = ""
    category: str = "-"
    failure_class: str = "-"
    actions: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    outcome: str = "-"
    seconds: float = 0.0
    problem: str = ""
    #: The door that its first decision is to come through, if it is to show one, and the audit trail in the end.
    door: str = ""
    trail: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)

    def judge(self) -> None:
        """Compare with what the scenario says, naming the first difference."""
        wanted = self.expect
        if self.outcome != wanted["outcome"]:
            self.problem = self.problem or f"ended {self.outcome}, expected {wanted['outcome']}"
        elif self.category != wanted["category"]:
            self.problem = f"category {self.category}, expected {wanted['category']}"
        elif self.failure_class != wanted["failure_class"]:
            self.problem = f"class {self.failure_class}, expected {wanted['failure_class']}"
        elif not self.actions or self.actions[0] not in wanted["actions"]:
            self.problem = f"proposed {self.actions[:1]}, expected {wanted['actions']}"
        elif wanted["decision"] != "none" and not self.decisions:
            self.problem = "nobody was asked"
        elif self.door and CHANNELS[self.door] not in self.channels:
            self.problem = f"decided through {self.channels}, expected {CHANNELS[self.door]}"


class Player:
    """Plays scenarios as a reviewer with a token would: through the API, like anybody else."""

    def __init__(self, stage: Stage, *, patience: float, say: Callable[[Played, str], None]) -> None:
        self._stage = stage
        self._patience = patience
        self._say = say
        headers = {"authorization": f"Bearer {stage.token}"}
        self._http = httpx.Client(base_url=stage.url, headers=headers, timeout=60)
        self._doors = Doors(stage)

    def play_all(self, scenarios: list[Json], *, at_once: int) -> list[Played]:
        """Play all of them, `at_once` at a time; the results in the order given."""
        doors = deque(self._doors.open())
        shows = [s["expect"]["decision"] == "approve" and s["name"] not in UNSUITED for s in scenarios]
        chosen = [doors.popleft() if show and doors else "" for show in shows]
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self.play, scenarios, chosen))

    def play(self, scenario: Json, door: str = "") -> Played:
        """Play one through to its end, or until patience runs out; approve it by this door."""
        played = Played(name=scenario["name"], expect=scenario["expect"], door=door)
        began = time.monotonic()
        deadline = began + self._patience
        run_id = self._stage.sandbox.start(scenario["name"])["run_id"]
        self._say(played, f"run {run_id} started")
        try:
            self._follow(played, run_id, deadline)
        except httpx.HTTPError as error:
            played.problem = f"the service does not answer: {error}"
        except PitstopError as error:
            played.problem = f"{played.door}: {error}"
        played.seconds = time.monotonic() - began
        played.judge()
        self._say(played, played.problem or f"ended: {played.outcome}")
        return played

    def _follow(self, played: Played, run_id: int, deadline: float) -> None:
        status = ""
        while time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            item = self._find(played, run_id)
            if item is None:
                continue
            if item["status"] != status:
                status = item["status"]
                self._say(played, status.replace("_", " "))
            if status in ENDS:
                self._finish(played)
                return
            if status == "awaiting_approval" and played.expect["decision"] != "none":
                self._decide(played)
        played.problem = f"still {status or 'not noticed'} after {self._patience:.0f} s"
        if played.incident_id:
            self._finish(played)

    def _find(self, played: Played, run_id: int) -> Json | None:
        """The incident of this run as lists show it; the first, when it failed again after a person's repair."""
        page = self._get("/api/v1/incidents", run_id=run_id)
        if not page["items"]:
            return None
        played.incident_id = page["items"][-1]["id"]
        return page["items"][-1]

    def _decide(self, played: Played) -> None:
        """Answer the approval that waits as the scenario's reviewer would."""
        story = self._get(f"/api/v1/incidents/{played.incident_id}")
        waiting = [a for a in story["approvals"] if a["status"] == "pending"]
        if not waiting:
            return
        approval = waiting[0]
        kind = played.expect["decision"]
        if played.door and not played.decisions:
            self._doors.approve(played.door, story["id"], approval)
            played.decisions.append(kind)
            self._say(played, f"{approval['proposal']['action']}: {kind}, by the {played.door}")
            return
        body: Json = {
            "decision": kind,
            "payload_sha256": approval["payload_sha256"],
            "comment": COMMENT,
        }
        if kind == "edit":
            body["params"] = {**approval["proposal"]["params"], **played.expect["edit"]}
        if kind == "reject":
            body["then"] = played.expect.get("then", "nothing")
        answer = self._http.post(f"/api/v1/approvals/{approval['id']}/decision", json=body)
        if answer.status_code in (409, 410):  # superseded meanwhile: look again
            return
        answer.raise_for_status()
        played.decisions.append(kind)
        self._say(played, f"{approval['proposal']['action']}: {kind}")

    def _finish(self, played: Played) -> None:
        """Take down what the incident says in the end."""
        story = self._get(f"/api/v1/incidents/{played.incident_id}")
        diagnosis = story.get("diagnosis") or {}
        played.outcome = story["status"]
        played.category = diagnosis.get("category", "-")
        played.failure_class = diagnosis.get("failure_class", "-")
        played.actions = [a["proposal"]["action"] for a in story["approvals"]]
        played.channels = [a["channel"] for a in story["approvals"] if a["channel"]]
        played.trail = [_entry(event) for event in story["events"]]

    def _get(self, path: str, **params: Any) -> Json:
        answer = self._http.get(path, params=params)
        answer.raise_for_status()
        return answer.json()


def _entry(event: Json) -> str:
    """One line of the audit trail; of a decision also what, who, through which door, and what they said."""
    at, kind, data = event["at"][11:19], event["kind"].replace("_", " "), event["data"]
    if event["kind"] != "decided" or "channel" not in data:
        return f"{at} {kind}"
    said = f": {data['comment']}" if data.get("comment") else ""
    return f"{at} {kind}: {data['status']} by {data['by']} through {data['channel']}{said}"
