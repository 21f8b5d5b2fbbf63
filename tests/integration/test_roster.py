"""People whom only the settings name: they decide by mail and in chats as they do at the console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.settings import Settings
from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from tests.integration.test_review_links import asked, link_to, post
from tests.mailing import by_mail
from tests.server_box import Box, opened, settings_for

ANNA, CARL, VERA, ROOT = (f"{name}@example.com" for name in ("anna", "carl", "vera", "root"))
#: Signing in need not work for this; that it is set up makes the lists count.
LISTS: dict[str, Any] = {
    "oidc_issuer": "http://127.0.0.1:9",
    "oidc_client_id": "pitstop",
    "admins": ROOT,
    "approvers": f"Anna@Example.com,on-call,{VERA}",
    "viewers": "*",
}


@pytest.fixture
def settings(box_settings: Settings, sandbox: SandboxProcess, mailbox: Mailbox) -> Settings:
    database = str(box_settings.database_url)
    return settings_for(database, sandbox, box_settings.data_dir, **by_mail(mailbox), **LISTS)


@pytest.fixture
async def listed(settings: Settings, sandbox: SandboxProcess) -> AsyncIterator[Box]:
    async with opened(settings, sandbox) as found:
        yield found


def has_a_link(mailbox: Mailbox, who: str) -> bool:
    """Whether the newest mail to `who` has a link that decides."""
    body = [m for m in mailbox.messages if m["To"] == who][-1].get_body(("plain",))
    return body is not None and "/review/" in body.get_content()


async def test_who_is_named_by_the_settings_alone_gets_a_link_and_decides(
    listed: Box, mailbox: Mailbox
) -> None:
    approval = await asked(listed, approvers=[], notify=[ANNA, ROOT, CARL])
    assert [has_a_link(mailbox, who) for who in (ANNA, ROOT, CARL)] == [True, True, False]
    page = await listed.client().get(link_to(mailbox, ANNA))
    assert (await post(listed, link_to(mailbox, ANNA), page, kind="approve")).status_code == 200
    decided = await listed.runtime.store.approval(approval.id)
    assert (decided.decided_by, decided.channel) == (ANNA, "email")


async def test_a_place_in_the_lists_is_no_place_in_the_policy(listed: Box, mailbox: Mailbox) -> None:
    await asked(listed, approvers=[CARL], notify=[ANNA, ROOT, CARL])
    assert [has_a_link(mailbox, who) for who in (ANNA, ROOT, CARL)] == [False, True, True]


async def test_who_is_taken_off_the_lists_has_a_link_that_is_worth_nothing(
    listed: Box, mailbox: Mailbox, settings: Settings, sandbox: SandboxProcess
) -> None:
    approval = await asked(listed, approvers=[], notify=[ANNA, VERA])
    path = {who: link_to(mailbox, who) for who in (ANNA, VERA)}
    page = await listed.client().get(path[ANNA])
    less = settings.model_copy(update={"approvers": [VERA], "viewers": [ANNA]})
    async with opened(less, sandbox) as restarted:
        assert (await restarted.client().get(path[ANNA])).status_code == 403
        assert (await post(restarted, path[ANNA], page, kind="approve")).status_code == 403
        assert (await restarted.client().get(path[VERA])).status_code == 200
    assert (await listed.runtime.store.approval(approval.id)).status == "pending"


async def test_the_lists_count_for_nothing_where_nobody_can_come_in_by_them(
    settings: Settings, sandbox: SandboxProcess, mailbox: Mailbox
) -> None:
    async with opened(settings.model_copy(update={"oidc_issuer": None}), sandbox) as box:
        await asked(box, approvers=[], notify=[ANNA])
    assert not has_a_link(mailbox, ANNA)


async def test_they_can_be_delegated_to(listed: Box) -> None:
    approval = await asked(listed, CARL)
    carl = await listed.as_("approver", CARL)
    where = f"/api/v1/approvals/{approval.id}/delegate"
    assert (await carl.post(where, json={"to": ANNA})).status_code == 200
    assert (await carl.post(where, json={"to": "dora@example.com"})).status_code == 422
