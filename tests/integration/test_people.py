"""Who somebody is that comes by mail or chat: by tokens, by the settings, by the policy, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from core.roster import Role, Roster
from core.settings import Settings
from sandbox.process import SandboxProcess
from server.sessions import Sessions, signing_key
from store.people import People
from tests.server_box import Box, opened, settings_for

ANNA = "anna@example.com"


async def role(
    box: Box, *named: str, roster: Roster = Roster(), everywhere: tuple[str, ...] = ()
) -> str | None:
    """The role in which Anna may answer a question that names these."""
    runtime = box.runtime
    found = await People(runtime.db, runtime.clock, roster, everywhere).reviewer(ANNA, named, "email")
    return found.role if found else None


async def test_whom_nobody_names_is_nobody(box: Box) -> None:
    assert await role(box) is None
    assert await role(box, "ben@example.com", everywhere=(ANNA,)) is None


async def test_a_question_that_names_nobody_is_every_approvers(box: Box) -> None:
    assert await role(box, everywhere=("Anna@example.com ",)) == "approver"


@pytest.mark.parametrize("given", ["viewer", "approver", "admin"])
async def test_a_token_says_more_than_the_policy(box: Box, given: Role) -> None:
    await box.runtime.tokens.create(ANNA, given)
    assert await role(box, ANNA) == given
    assert await role(box) == given


async def test_the_settings_name_her_a_viewer(box: Box) -> None:
    assert await role(box, ANNA, roster=Roster(viewers=(ANNA,))) == "viewer"


async def test_looking_at_the_console_takes_no_right_away(
    box_settings: Settings, sandbox: SandboxProcess
) -> None:
    given: dict[str, Any] = {
        "oidc_issuer": "http://127.0.0.1:9",
        "oidc_client_id": "pitstop",
        "viewers": "data-team",
    }
    settings = settings_for(str(box_settings.database_url), sandbox, box_settings.data_dir, **given)
    async with opened(settings, sandbox) as box:
        visitor = box.runtime.roster.person(ANNA, ["data-team"])
        assert visitor is not None
        await Sessions(signing_key(box.runtime.settings)).open_for(box.runtime, visitor, "nonce")
        assert await role(box, roster=box.runtime.roster) == "viewer"
        assert await role(box, ANNA, roster=box.runtime.roster) == "approver"
