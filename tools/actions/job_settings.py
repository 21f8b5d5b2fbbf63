"""Changes a job's compute settings for one repair, and puts them back.

A claim keeps the original values of the changed settings and, of everything around them, a hash: jobs/update
replaces a whole cluster or task, which may hold secrets that must not be kept. The hash says whether what is
there now, with the originals put back, is what was there before.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from enum import Enum
from typing import Any

from core.actions import SettingChange
from core.approvals import Claim, ClaimRequest, Sent
from core.errors import InvalidInput, WorkspaceUnavailable
from tools.actions.client import Sender
from tools.databricks import reads
from tools.databricks.connection import Connection
from tools.databricks.refusal import Absent
from tools.databricks.setting_path import UNSET, SettingPath, fragment, parse, same, typed, value, with_value

Json = dict[str, Any]

MAX_SENDS = 3


class Found(Enum):
    """What a job's settings are now."""

    ORIGINAL = "original"
    OURS = "ours"
    OTHER = "other"


def request(job_id: int, changes: list[SettingChange], settings: Json, before: Json) -> ClaimRequest:
    """The step that changes a job's current `settings`; `before` is what else was seen.

    Raises:
        InvalidInput: An address is wrong or leads nowhere, a value does not fit, or the setting is no longer
            what the proposal was derived from.
    """
    originals: list[Json] = []
    wanted: list[Json] = []
    for change in changes:
        path = parse(change.path)
        part = fragment(settings, path)
        if part is None:
            raise InvalidInput(f"The job has no {path.fragment}.")
        now, new = value(part, path), typed(path, change.proposed)
        if path.steps[-1] == "num_workers" and isinstance(
            (part.get("new_cluster") or {}).get("autoscale"), dict
        ):
            raise InvalidInput(f"{path.fragment} scales by itself: change autoscale.max_workers.")
        if change.current is not None and not same(now, change.current) and not same(now, new):
            raise InvalidInput(
                f"{path.text} was changed by someone else: it is {now!r}, not {change.current!r}."
            )
        originals.append({"path": path.text, "set": now is not UNSET, "value": None if now is UNSET else now})
        wanted.append({"path": path.text, "value": new})
    rest = _rest(settings, [parse(change.path) for change in changes])
    return ClaimRequest(
        step="apply",
        call="update_job",
        before={**before, "originals": originals, "rest": rest},
        request={"job_id": job_id, "changes": wanted},
    )


async def apply(sender: Sender, connection: Connection, claim: Claim, *, settle_seconds: float) -> Sent:
    """Change the settings as the claim says.

    Raises:
        WorkspaceRefused: The workspace said no; nothing changed.
        WorkspaceUnavailable: Not known yet whether it took effect.
    """
    job_id = int(claim.request["job_id"])
    unsure = not claim.fresh
    for attempt in range(MAX_SENDS + 1):
        settings = await reads.job_settings(connection, job_id)
        found = compare(settings, claim)
        if found is Found.OURS:
            return Sent(state="done")
        if found is Found.OTHER:
            detail = "The job's settings were changed by someone else meanwhile."
            return Sent(state="unknown" if unsure else "failed", detail=detail)
        if attempt == MAX_SENDS:
            break
        try:
            await sender.post(f"{reads.API}/jobs/update", update(settings, claim, originals=False))
        except WorkspaceUnavailable:
            unsure = True
            await asyncio.sleep(settle_seconds * 2**attempt)
    raise WorkspaceUnavailable(f"The settings of job {job_id} are not changed yet.")


async def restore(sender: Sender, connection: Connection, claim: Claim, *, settle_seconds: float) -> Sent:
    """Put the original values back, only where everything still is as `claim` (step apply) left it.

    Raises:
        WorkspaceRefused: The workspace said no; the settings are still ours.
        WorkspaceUnavailable: Not known yet whether it took effect.
    """
    job_id = int(claim.request["job_id"])
    for attempt in range(MAX_SENDS + 1):
        try:
            settings = await reads.job_settings(connection, job_id)
        except Absent:
            return Sent(state="done", detail=f"Job {job_id} is gone, so there is nothing to restore.")
        if compare(settings, claim, originals_first=True) is Found.ORIGINAL:
            return Sent(state="done")
        if compare(settings, claim) is Found.OTHER:
            detail = f"The settings of job {job_id} are not as Pitstop left them: {_wish(claim)}"
            return Sent(state="unknown", detail=detail)
        if attempt == MAX_SENDS:
            break
        try:
            await sender.post(f"{reads.API}/jobs/update", update(settings, claim, originals=True))
        except WorkspaceUnavailable:
            await asyncio.sleep(settle_seconds * 2**attempt)
    raise WorkspaceUnavailable(f"The settings of job {job_id} are not restored yet.")


def compare(settings: Json, claim: Claim, *, originals_first: bool = False) -> Found:
    """Whether the settings are as they were before, as the claim wants them, or something else.

    A change to the value that was there already is both; `originals_first` says which counts.
    """
    paths = [parse(entry["path"]) for entry in claim.before["originals"]]
    if _rest(settings, paths) != claim.before["rest"]:
        return Found.OTHER
    now = [value(fragment(settings, path) or {}, path) for path in paths]
    both = (
        (Found.OURS, [entry["value"] for entry in claim.request["changes"]]),
        (Found.ORIGINAL, [_original(entry) for entry in claim.before["originals"]]),
    )
    for found, values in reversed(both) if originals_first else both:
        if all(same(one, other) for one, other in zip(now, values, strict=True)):
            return found
    return Found.OTHER


def update(settings: Json, claim: Claim, *, originals: bool) -> Json:
    """The body of jobs/update that sets exactly the addressed values, to the originals or to the claim's."""
    if originals:
        values = [(parse(entry["path"]), _original(entry)) for entry in claim.before["originals"]]
    else:
        values = [(parse(entry["path"]), entry["value"]) for entry in claim.request["changes"]]
    parts: dict[str, tuple[SettingPath, Json]] = {}
    new: Json = {}
    remove: list[str] = []
    for path, wanted in values:
        if path.array is None:
            # A top-level field is replaced by itself.
            if wanted is UNSET:
                remove.append(path.steps[0])
            else:
                new[path.steps[0]] = wanted
            continue
        part = parts[path.fragment][1] if path.fragment in parts else fragment(settings, path) or {}
        parts[path.fragment] = path, with_value(part, path, wanted)
    for path, part in parts.values():
        new.setdefault(str(path.array), []).append(part)
    body: Json = {"job_id": int(claim.request["job_id"]), "new_settings": new}
    return {**body, "fields_to_remove": remove} if remove else body


def _original(entry: Json) -> Any:
    return entry["value"] if entry["set"] else UNSET


def _rest(settings: Json, paths: list[SettingPath]) -> dict[str, str]:
    """The SHA-256 of each touched cluster and task without the addressed values."""
    parts: dict[str, Json] = {}
    for path in paths:
        if path.array is None:
            continue
        part = parts.get(path.fragment) or fragment(settings, path) or {}
        parts[path.fragment] = with_value(part, path, UNSET)
    return {
        name: hashlib.sha256(json.dumps(_bare(part), sort_keys=True).encode()).hexdigest()
        for name, part in parts.items()
    }


def _bare(item: Any) -> Any:
    """Without nulls and empty mappings and lists, which the service adds and drops as it likes."""
    if isinstance(item, dict):
        bare = {key: _bare(entry) for key, entry in item.items()}
        return {key: entry for key, entry in bare.items() if entry not in (None, {}, [])}
    if isinstance(item, list):
        return [_bare(entry) for entry in item]
    return item


def _wish(claim: Claim) -> str:
    """What a person would have to put back."""
    parts = [
        f"{entry['path']} was {entry['value']!r}" if entry["set"] else f"{entry['path']} was not set"
        for entry in claim.before["originals"]
    ]
    return "; ".join(parts) + "."
