"""Addresses of single values in a job's settings, as `core.actions.SettingChange.path` writes them.

`job_clusters[KEY].new_cluster.FIELD`, `tasks[KEY].new_cluster.FIELD`, `tasks[KEY].timeout_seconds`,
`timeout_seconds`; a Spark setting is `...new_cluster.spark_conf[NAME]`. Only fields that size, place or
time-limit a job's compute can be addressed: none that says whose rights it has or what code it runs.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInput
from tools.databricks.secret_settings import named_like_a_secret

Json = dict[str, Any]
Scalar = str | int | float | bool

#: Field of `new_cluster` -> type of its value.
FIELDS: dict[str, type] = {
    "num_workers": int,
    "autoscale.min_workers": int,
    "autoscale.max_workers": int,
    "node_type_id": str,
    "driver_node_type_id": str,
    "spark_version": str,
    "runtime_engine": str,
    "enable_elastic_disk": bool,
    "aws_attributes.availability": str,
    "aws_attributes.first_on_demand": int,
    "aws_attributes.spot_bid_price_percent": int,
    "aws_attributes.zone_id": str,
    "aws_attributes.ebs_volume_count": int,
    "aws_attributes.ebs_volume_size": int,
    "azure_attributes.availability": str,
    "azure_attributes.first_on_demand": int,
    "azure_attributes.spot_bid_max_price": float,
    "gcp_attributes.availability": str,
    "gcp_attributes.first_on_demand": int,
    "gcp_attributes.local_ssd_count": int,
}
_PATH = re.compile(
    r"(?:(?P<array>job_clusters|tasks)\[(?P<key>[^\[\]]{1,200})\]\.)?"
    r"(?:(?P<timeout>timeout_seconds)|new_cluster\.(?:spark_conf\[(?P<conf>[^\[\]]{1,200})\]|(?P<field>[\w.]+)))"
)
_CONF = re.compile(r"spark\.[A-Za-z0-9_.\-]+")
#: Spark settings that bring code of their own.
_CODE = re.compile(
    r"extra(?:JavaOptions|ClassPath|LibraryPath|Listeners)|\.jars|\.files|pyFiles|archives|plugins"
)
_NAME = {"job_clusters": "job_cluster_key", "tasks": "task_key"}


class Unset:
    """The type of `UNSET`, the value of what is not set."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


@dataclass(frozen=True)
class SettingPath:
    """A parsed address: `array[key]` is the fragment that jobs/update replaces whole (none: the field itself),
    `steps` lead to the value within it."""

    text: str
    array: str | None
    key: str | None
    steps: tuple[str, ...]
    type: type

    @property
    def fragment(self) -> str:
        """The name of the part of the settings that an update of this value sends."""
        return f"{self.array}[{self.key}]" if self.array else self.steps[0]


def parse(text: str) -> SettingPath:
    """Read an address.

    Raises:
        InvalidInput: It is none, or it addresses something that must not be changed.
    """
    match = _PATH.fullmatch(text)
    array = match["array"] if match else None
    if match is None or (match["timeout"] and array == "job_clusters") or not (match["timeout"] or array):
        raise InvalidInput(
            f"{text!r} is not a setting's address.",
            hint="Write job_clusters[KEY].new_cluster.FIELD, tasks[KEY].timeout_seconds or timeout_seconds.",
        )
    if match["timeout"]:
        return SettingPath(text, array, match["key"], ("timeout_seconds",), int)
    conf, field = match["conf"], match["field"]
    if conf is not None:
        if not _CONF.fullmatch(conf) or named_like_a_secret(conf) or _CODE.search(conf):
            raise InvalidInput(f"The Spark setting {conf!r} can't be changed for a retry.")
        return SettingPath(text, array, match["key"], ("new_cluster", "spark_conf", conf), str)
    if field not in FIELDS:
        raise InvalidInput(f"The field {field!r} of a cluster can't be changed for a retry.")
    return SettingPath(text, array, match["key"], ("new_cluster", *field.split(".")), FIELDS[field])


def fragment(settings: Json, path: SettingPath) -> Json | None:
    """The entry of the settings that `path` leads into (the settings themselves for a field of their own);
    None when there is no such entry."""
    if path.array is None:
        return settings
    entries = settings.get(path.array) or []
    return next((entry for entry in entries if entry.get(_NAME[path.array]) == path.key), None)


def value(part: Json, path: SettingPath) -> Any:
    """The value within a fragment, `UNSET` when there is none."""
    at: Any = part
    for step in path.steps:
        if not isinstance(at, dict) or at.get(step) is None:
            return UNSET
        at = at[step]
    return at


def with_value(part: Json, path: SettingPath, new: Any) -> Json:
    """The fragment with another value; `UNSET` takes it out, with the mappings that this leaves empty."""
    changed = copy.deepcopy(part)
    parents = [changed]
    for step in path.steps[:-1]:
        if not isinstance(parents[-1].get(step), dict):
            parents[-1][step] = {}
        parents.append(parents[-1][step])
    if new is not UNSET:
        parents[-1][path.steps[-1]] = new
        return changed
    parents[-1].pop(path.steps[-1], None)
    for depth in range(len(parents) - 1, 0, -1):
        if not parents[depth]:
            del parents[depth - 1][path.steps[depth - 1]]
    return changed


def typed(path: SettingPath, given: Scalar) -> Scalar:
    """A proposed value in the type that the service takes; what a person edited may be a string.

    Raises:
        InvalidInput: It can't be one.
    """
    try:
        if path.type is str:
            return str(given).lower() if isinstance(given, bool) else str(given)
        if path.type is bool:
            return {"true": True, "false": False}[str(given).lower()]
        if isinstance(given, bool):
            raise ValueError("a truth value is no number")
        number = float(given)
        if path.type is int and not number.is_integer():
            raise ValueError("not a whole number")
        return int(number) if path.type is int else number
    except (KeyError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{given!r} does not fit {path.text}.") from error


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same to the service, which may give numbers as strings and back."""
    if one is UNSET or other is UNSET:
        return one is other
    return str(one).lower() == str(other).lower()
