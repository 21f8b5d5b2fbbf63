"""The settings page and its test messages; the queue's filters and order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import DeliveryRefused
from core.settings import Settings
from sandbox.process import SandboxProcess
from server.postman import Postman
from tests.incident_stories import a_run, ask, tell
from tests.integration.test_api_console import csrf, signed_in
from tests.server_box import Box, settings_for

POLICY = """
defaults: {owners: [data@example.com], escalate_to: ["slack:#oncall"]}
jobs:
  - match: {name: "billing*"}
    rules: {critical: true, approvers: [ben@example.com]}
"""


@pytest.fixture
def box_settings(database_url: str, sandbox: SandboxProcess, tmp_path: Path) -> Settings:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    return settings_for(
        database_url, sandbox, tmp_path, policy=policy, smtp_host="127.0.0.1", smtp_password="hunter2-secret"
    )


class Recording:
    """Channels that take everything, or refuse everything."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.sent: list[tuple[str, Any]] = []

    async def send(self, recipient: str, message: Any) -> None:
        if self.refuses:
            raise DeliveryRefused("No such mailbox.")
        self.sent.append((recipient, message))


async def test_a_test_message_goes_through_the_outbox(box: Box) -> None:
    browser = await signed_in(box, "admin", "root@example.com")
    form = {"csrf": csrf(await browser.get("/console/settings")), "recipient": "data@example.com"}
    assert (await browser.post("/console/settings/test", data=form)).status_code == 303
    channels = Recording()
    assert await Postman(box.runtime, channels).deliver() == 1  # type: ignore[arg-type]
    ((recipient, message),) = channels.sent
    assert recipient == "data@example.com"
    assert "This channel works" in message.subject
    assert "root@example.com asked for it" in message.text
    assert "sent" in (await browser.get("/console/settings")).text


async def test_a_refused_one_is_shown_at_once(box: Box) -> None:
    browser = await signed_in(box, "admin", "root@example.com")
    form = {"csrf": csrf(await browser.get("/console/settings")), "recipient": "data@example.com"}
    await browser.post("/console/settings/test", data=form)
    await Postman(box.runtime, Recording(refuses=True)).deliver()  # type: ignore[arg-type]
    assert "No such mailbox." in (await browser.get("/console/settings")).text
    assert [t.status for t in await box.runtime.outbox.tests()] == ["failed"]


@pytest.mark.parametrize(
    ("role", "recipient", "spoil", "status"),
    [
        ("approver", "data@example.com", {}, 403),
        ("viewer", "data@example.com", {}, 403),
        ("admin", "stranger@example.com", {}, 422),
        ("admin", "data@example.com", {"csrf": "0" * 64}, 403),
    ],
)
async def test_who_may_not_and_to_whom_not(
    box: Box, role: str, recipient: str, spoil: dict[str, str], status: int
) -> None:
    browser = await signed_in(box, role, "somebody@example.com")
    form = {"csrf": csrf(await browser.get("/console/settings")), "recipient": recipient, **spoil}
    assert (await browser.post("/console/settings/test", data=form)).status_code == status
    assert await box.runtime.outbox.tests() == []


async def test_no_secret_is_on_the_page_and_a_get_sends_nothing(box: Box) -> None:
    browser = await signed_in(box, "admin", "root@example.com")
    page = await browser.get("/console/settings")
    settings = box.runtime.settings
    password = httpx.URL((settings.database_url or "").replace("postgresql", "http", 1)).password
    secrets = ["hunter2-secret", settings.databricks_token, settings.webhook_password, password]
    for secret in secrets:
        plain = secret if isinstance(secret, str) or secret is None else secret.get_secret_value()
        assert not plain or plain not in page.text
    assert "set, not shown" in page.text
    assert (await browser.get("/console/settings/test")).status_code == 405
    assert (
        "set, not shown"
        not in (await (await signed_in(box, "viewer", "v@example.com")).get("/console/settings")).text
    )


async def test_the_queue_by_what_presses(box: Box) -> None:
    store = box.runtime.store
    await ask(store, await tell(store, a_run(1, "plain", tasks=[])))
    await ask(store, await tell(store, a_run(2, "billing_export", tasks=[])), approvers=["ben@example.com"])
    await ask(store, await tell(store, a_run(3, "burning", life_cycle_state="RUNNING", tasks=[])))
    await ask(store, await tell(store, a_run(4, "ending", tasks=[])), ttl_seconds=600.0)
    await ask(store, await tell(store, a_run(5, "skipping")))

    async def names(browser: httpx.AsyncClient, query: str = "") -> list[str]:
        text = (await browser.get(f"/console?{query}")).text
        return re.findall(r'class="job" href="[^"]+">(\w+)', text)

    ben, anna = await signed_in(box, name="ben@example.com"), await signed_in(box)
    viewer = await signed_in(box, "viewer", "vera@example.com")
    order = ["billing_export", "burning", "ending", "skipping", "plain"]
    assert await names(ben) == order
    assert await names(anna) == order[1:]
    assert await names(anna, "who=everyone") == await names(viewer) == order
    assert await names(viewer, "who=mine") == []
    assert await names(ben, "q=burn") == ["burning"]
    assert await names(ben, "class=executor_oom") == order
    assert await names(ben, "class=other") == await names(ben, "category=network") == []
    assert await names(ben, "page=2") == []
    assert await names(ben, "show=all&status=resolved") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "helps"),
    [
        ("GET", "/console/incidents/inc_nothing", 404, "can be searched"),
        ("GET", "/console/no-such-page", 404, "can be searched"),
        ("GET", "/console/settings/test", 405, "use the form"),
        ("POST", "/console/settings/test", 403, "The queue"),
        ("GET", "/console?page=0", 422, "All incidents"),
    ],
)
async def test_a_problem_is_a_page_that_helps(
    box: Box, method: str, path: str, status: int, helps: str
) -> None:
    browser = await signed_in(box)
    answer = await browser.request(method, path)
    assert answer.status_code == status
    assert helps in answer.text
    assert "<h1>" in answer.text
