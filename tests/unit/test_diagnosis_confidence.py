"""The confidence is worth what it says: a monotone map, whose numbers are those that the first looks give."""

from __future__ import annotations

import json

from tools.diagnosis.confidence import CALIBRATION, calibrated
from tools.diagnosis.first_looks import brier, fit, load


def test_the_numbers_are_those_that_the_first_looks_give() -> None:
    looks = load()
    last = max(look.set for look in looks)
    scale, shift = fit([look for look in looks if look.set != last])
    assert json.loads(CALIBRATION.read_text()) == {"scale": scale, "shift": shift}


def test_the_map_keeps_the_order_and_makes_held_out_looks_truer() -> None:
    claims = [n / 1000 for n in range(20, 1000)]
    mapped = [calibrated(claim) for claim in claims]
    assert mapped == sorted(mapped) and 0 < mapped[0] < mapped[-1] < 1
    looks = load()
    held = [look for look in looks if look.set == max(x.set for x in looks)]
    parts = json.loads(CALIBRATION.read_text())
    assert brier(held, parts["scale"], parts["shift"]) < brier(held, 1.0, 0.0)
