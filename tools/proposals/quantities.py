"""Values of settings as numbers, and back in the form they had: `8g`, `512m`, `3600s`, `200`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.policy import Range

_NUMBER = re.compile(r"(?P<number>-?\d+(?:\.\d+)?) ?(?P<unit>[a-zA-Z]*)")
#: MiB in one of each unit of Spark's sizes (`k` is KiB, as Spark reads it).
_MIB = {
    "b": 1 / 1024 / 1024,
    "k": 1 / 1024,
    "kb": 1 / 1024,
    "m": 1,
    "mb": 1,
    "g": 1024,
    "gb": 1024,
    "t": 1024 * 1024,
    "tb": 1024 * 1024,
}
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "h": 3600}
#: Settings whose bare number is a size, and the unit of that number (Spark's configuration reference).
_BARE = {
    "spark.driver.memory": "m",
    "spark.executor.memory": "m",
    "spark.driver.memoryOverhead": "m",
    "spark.executor.memoryOverhead": "m",
    "spark.kryoserializer.buffer.max": "m",
    "spark.driver.maxResultSize": "b",
    "spark.sql.autoBroadcastJoinThreshold": "b",
}


@dataclass(frozen=True)
class Quantity:
    """A number with the unit it was written with."""

    number: float
    unit: str = ""

    @property
    def text(self) -> str:
        """As a setting is written; whole numbers without a decimal point."""
        number = int(self.number) if float(self.number).is_integer() else round(self.number, 2)
        return f"{number}{self.unit}"


def read(value: object) -> Quantity | None:
    """The quantity that a setting's value is, None when it is none (a name, a truth value)."""
    if isinstance(value, bool) or value is None:
        return None
    match = _NUMBER.fullmatch(str(value).strip())
    return Quantity(float(match["number"]), match["unit"]) if match else None


def times(quantity: Quantity, factor: float) -> Quantity:
    """The quantity times a factor, whole, and at least 1 when made smaller."""
    number = quantity.number * factor
    return Quantity(float(max(1, int(number))) if factor < 1 else float(round(number)), quantity.unit)


def comparable(setting: str, quantity: Quantity) -> float:
    """The number that a policy's range is held against: memory in MiB, times in seconds, counts as they are."""
    unit = quantity.unit.lower() or _BARE.get(setting, "")
    if unit in _SECONDS and setting not in _BARE:
        return quantity.number * _SECONDS[unit]
    return quantity.number * _MIB.get(unit, 1)


def clamped(setting: str, quantity: Quantity, allowed: Range | None) -> Quantity:
    """The quantity moved into the policy's range, in its own unit."""
    if allowed is None or not quantity.number:
        return quantity
    value = comparable(setting, quantity)
    scale = quantity.number / value if value else 1
    if allowed.maximum is not None and value > allowed.maximum:
        return Quantity(float(int(allowed.maximum * scale)), quantity.unit)
    if allowed.minimum is not None and value < allowed.minimum:
        return Quantity(float(-int(-allowed.minimum * scale)), quantity.unit)
    return quantity


def outside(setting: str, quantity: Quantity, allowed: Range) -> bool:
    """Whether the quantity is not in the range."""
    value = comparable(setting, quantity)
    low, high = allowed.minimum, allowed.maximum
    return (low is not None and value < low) or (high is not None and value > high)
