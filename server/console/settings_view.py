"""The policy and the settings as a page shows them: evaluated, and without a secret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from core.policy import Policy, Rules
from core.recipients import split
from core.settings import Settings
from store.jobs import KnownJob

#: Fields of `Rules` that name people.
_PEOPLE = ("notify", "approvers", "owners", "escalate_to")
#: What is set -> the channel that it switches on.
_CHANNELS = {
    "email": ("smtp_host", "acs_endpoint"),
    "slack": ("slack_bot_token",),
    "teams": ("teams_webhooks",),
    "apprise": ("apprise_urls",),
}


@dataclass(frozen=True)
class JobRules:
    """One job: which entries of the policy match it (counted from 1), and what they come to."""

    job: KnownJob
    entries: list[int]
    rules: Rules
    differs: list[tuple[str, str]]


@dataclass(frozen=True)
class ChannelView:
    """One channel: whether it is configured, and whom the policy reaches by it."""

    name: str
    configured: bool
    recipients: list[str]


def job_rules(policy: Policy, jobs: Iterable[KnownJob]) -> list[JobRules]:
    """The policy as it stands for each job, for failures of a class that no entry names."""
    return [_of_job(policy, job) for job in jobs]


def _of_job(policy: Policy, job: KnownJob) -> JobRules:
    entries = [n for n, entry in enumerate(policy.jobs, 1) if entry.match.holds(job.job_name, job.tags, None)]
    rules = policy.rules_for(job.job_name, job.tags)
    return JobRules(job, entries, rules, differences(rules, policy.defaults))


def differences(rules: Rules, other: Rules) -> list[tuple[str, str]]:
    """Names and values of what is not as in `other`."""
    return [
        (name, plain(getattr(rules, name)))
        for name in Rules.model_fields
        if getattr(rules, name) != getattr(other, name)
    ]


def all_rules(rules: Rules) -> list[tuple[str, str]]:
    """Every rule with its value."""
    return [(name, plain(getattr(rules, name))) for name in Rules.model_fields]


def entries(policy: Policy) -> list[tuple[int, str, list[tuple[str, str]]]]:
    """Each entry of the policy: its number, whom it matches, and what it sets."""
    return [
        (n, plain(entry.match), [(name, plain(value)) for name, value in entry.rules.items()])
        for n, entry in enumerate(policy.jobs, 1)
    ]


def plain(value: Any) -> str:
    """A value as a person writes it; nothing that is empty is mentioned."""
    match value:
        case BaseModel():
            parts = [(k, v) for k, v in value.model_dump(mode="json").items() if v not in (None, {}, [])]
            return ", ".join(f"{k} {plain(v)}" for k, v in parts) or "everything"
        case dict():
            return ", ".join(f"{k} {plain(v)}" for k, v in value.items() if v is not None) or "none"
        case list() | tuple() | set() | frozenset():
            return "; ".join(plain(item) for item in value) or "none"
        case bool():
            return "yes" if value else "no"
        case None:
            return "not set"
        case _:
            return str(value)


def recipients(policy: Policy) -> list[str]:
    """Everybody whom the policy may have a message sent to, once each."""
    lists = [policy.defaults.model_dump(include=set(_PEOPLE)), *(entry.rules for entry in policy.jobs)]
    named = [str(one).strip() for rules in lists for key in _PEOPLE for one in rules.get(key) or []]
    return sorted({name.casefold(): name for name in named if name}.values(), key=str.casefold)


def channels(settings: Settings, policy: Policy) -> list[ChannelView]:
    """The channels with whom they reach."""
    reached = recipients(policy)
    return [
        ChannelView(
            name,
            any(getattr(settings, option) for option in options),
            [recipient for recipient in reached if split(recipient)[0] == name],
        )
        for name, options in _CHANNELS.items()
    ]


def shown_settings(settings: Settings) -> list[tuple[str, str]]:
    """Every setting with its variable; of secrets only whether they are set, of addresses no password."""
    return [(_variable(name), _safe(getattr(settings, name))) for name in type(settings).model_fields]


def _variable(name: str) -> str:
    owned = ("database_url", "databricks_", "openai_", "azure_openai_")
    return name.upper() if name.startswith(owned) else f"PITSTOP_{name.upper()}"


def _safe(value: Any) -> str:
    match value:
        case SecretStr():
            return "set, not shown" if value.get_secret_value() else "not set"
        case dict() if any(isinstance(item, SecretStr) for item in value.values()):
            return f"{', '.join(value)} (addresses not shown)"
        case str() if "://" in value:
            address = urlsplit(value)
            return f"{address.scheme}://{address.hostname or ''}{f':{address.port}' if address.port else ''}{address.path}"
        case _:
            return plain(value)
