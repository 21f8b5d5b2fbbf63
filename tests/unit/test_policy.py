"""The policy file: what it says for which job, and what is wrong with it."""

import pytest

from core.actions import Action
from core.errors import ConfigurationError
from core.policy import Backoff, Mode, Policy, load_policy

GOOD = """
defaults:
  approvers: [team@example.com]
  max_attempts: 3
jobs:
  - match: {name: "billing-*"}
    rules: {critical: true, owners: [billing@example.com]}
  - match: {tags: {tier: "bronze"}}
    rules: {mode: observe}
  - match: {failure_class: connection_reset}
    rules:
      mode: auto
      auto: [{failure_class: connection_reset, action: RETRY, min_confidence: 0.8, granted_by: anna@example.com}]
"""


def test_later_matches_lie_over_earlier_ones(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    policy = load_policy(path)
    plain = policy.rules_for("nightly", {})
    assert (plain.mode, plain.critical, plain.approvers) == (Mode.APPROVE, False, ["team@example.com"])
    billing = policy.rules_for("Billing-EU", {"tier": "bronze"})
    assert billing.critical and billing.mode is Mode.OBSERVE and billing.approvers == ["team@example.com"]
    auto = policy.rules_for("nightly", {}, "connection_reset")
    assert auto.auto_rule("connection_reset", Action.RETRY, 0.8)
    assert auto.auto_rule("connection_reset", Action.RETRY, 0.79) is None
    assert auto.auto_rule("connection_reset", Action.TERMINATE, 1.0) is None
    assert plain.auto_rule("connection_reset", Action.RETRY, 1.0) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("defaults: {mode: yolo}", "defaults.mode"),
        ("defaults: {modes: auto}", "defaults.modes"),
        ("jobs: [{match: {name: x}, rules: {max_attempts: 0}}]", "jobs.0.rules"),
        ("jobs: [{match: {nam: x}, rules: {}}]", "jobs.0.match.nam"),
        ("defaults: [", "not YAML"),
        ("defaults: {auto: [{failure_class: x, action: RETRY}]}", "granted_by"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, named):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="PITSTOP_POLICY") as caught:
        load_policy(path)
    assert named in str(caught.value)


def test_no_file_means_everything_needs_a_person(tmp_path):
    assert load_policy(None).rules_for("x", {}).mode is Mode.APPROVE
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_policy(tmp_path / "absent.yaml")


def test_backoff_grows_is_bounded_and_replays_the_same():
    backoff = Backoff(base_seconds=10, factor=3, max_seconds=50, jitter=0.2)
    assert backoff.seconds(1, "i") == 0
    waits = [backoff.seconds(n, "i") for n in (2, 3, 4, 5)]
    assert waits == [backoff.seconds(n, "i") for n in (2, 3, 4, 5)]
    for wait, plain in zip(waits, (10, 30, 50, 50), strict=True):
        assert plain * 0.8 <= wait <= plain * 1.2
    assert len({backoff.seconds(2, f"i{n}") for n in range(20)}) > 10


def test_producers_match_whole_names_without_case():
    policy = Policy.model_validate(
        {"defaults": {"producers": [{"produces": "main.silver.*", "job_name": "silver"}]}}
    )
    rules = policy.rules_for("x", {})
    assert rules.producer_of("Main.Silver.Orders")
    assert rules.producer_of("other.main.silver.orders") is None
