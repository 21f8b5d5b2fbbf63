"""Attacks that must fail: each is tried over real HTTP; whatever is refused must have changed nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from tests.fakes.slack import SECRET, TOKEN, running_slack
from tests.integration.attacks import (
    on_decisions,
    on_duties,
    on_group_links,
    on_guessing,
    on_identity,
    on_input,
    on_links,
    on_sessions,
    on_slack,
)
from tests.integration.attacks.target import ANNA, Attack, Target
from tests.server_box import opened, served, settings_for

ATTACKS: dict[str, Attack] = {
    **on_links.ATTACKS,
    **on_group_links.ATTACKS,
    **on_decisions.ATTACKS,
    **on_sessions.ATTACKS,
    **on_guessing.ATTACKS,
    **on_identity.ATTACKS,
    **on_input.ATTACKS,
    **on_slack.ATTACKS,
    **on_duties.ATTACKS,  # last: it makes an admin of an approver
}
POLICY = """
defaults:
  ranges:
    spark.executor.memory: {minimum: 1024, maximum: 32768}
"""


@pytest.fixture
async def target(database_url: str, sandbox: SandboxProcess, tmp_path: Path) -> AsyncIterator[Target]:
    """The service with mail, Slack and a trusted proxy configured, on a socket of its own."""
    mailbox = Mailbox(tmp_path / "mail")
    mailbox.start()
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    async with running_slack() as slack:
        slack.member("UANNA", ANNA)
        settings = settings_for(
            database_url,
            sandbox,
            tmp_path,
            policy=policy,
            public_url="http://pitstop.example.com",
            smtp_host="127.0.0.1",
            smtp_port=mailbox.port,
            smtp_security="none",
            slack_bot_token=SecretStr(TOKEN),
            slack_signing_secret=SecretStr(SECRET),
            slack_api_url=slack.url,
            forwarded_identity=True,
            trusted_proxies="10.0.0.0/8",
            admins="root@example.com",
            approvers="*",
        )
        async with opened(settings, sandbox) as box, served(box.app) as address:
            with psycopg.connect(box.runtime.db.libpq_url, autocommit=True) as eyes:
                found = Target(box, address, mailbox, slack, eyes)
                yield found
                await found.leave()
    mailbox.stop()


async def test_every_attack_is_refused(
    target: Target, subtests: pytest.Subtests, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, attack in ATTACKS.items():
        with subtests.test(name):
            target.attack = name
            target.eyes.execute("DELETE FROM failed_tries")
            await attack(target)
            assert target.tally.refused[name], "nothing was tried"
    with capsys.disabled():
        print(f"\n{target.tally.table()}")
    assert len(target.tally.refused) == len(ATTACKS)
