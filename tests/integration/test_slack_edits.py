"""Slack's edit window: what the reviewer changes there is changed, and nothing else ever is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.actions import Action
from core.incident import Approval
from server.slack_fields import inputs, staying
from tests.fakes.slack import FakeSlack, click, signed, submission
from tests.incident_stories import MEMORY, a_proposal
from tests.integration.test_slack import asked, chatting, send, slack
from tests.server_box import Box
from tools.notify.slack_blocks import EDIT

__all__ = ["chatting", "slack"]

KEYS = [f"load_table_from_landing_00{i:03d}" for i in range(150)]
WORKERS = {"path": "job_clusters[main].new_cluster.num_workers", "current": 4, "proposed": 8}
PATCH = "--- a/x.py\n+++ b/x.py\n" + "".join(
    f"-old line {i:04d} .....\n+new line {i:04d} .....\n" for i in range(150)
)


async def window_of(box: Box, slack: FakeSlack, approval: Approval) -> dict[str, Any]:
    """The window that Edit opens; Slack would take it."""
    value = json.dumps({"a": approval.id, "h": approval.payload_sha256})
    await send(box, click({"action_id": EDIT, "value": value}, "UANNA"))
    view = slack.sent("views.open")[-1]["view"]
    names = [block.get("block_id") for block in view["blocks"]]
    assert len(names) <= 100 and len(json.dumps(view)) < 250_000
    assert {"comment", "useful"} <= set(names)
    for block in view["blocks"]:
        assert len(block.get("element", {}).get("initial_value", "")) <= 3000
        assert len(block.get("text", {}).get("text", "")) <= 3000
    return view


@pytest.mark.parametrize(
    ("action", "params", "given", "changed"),
    [
        (
            "RETRY_WITH_NEW_PARAMS",
            {"task_keys": KEYS, "settings": [WORKERS]},
            {"f0": "6"},
            {"settings": [{**WORKERS, "proposed": 6}]},
        ),
        ("PROPOSE_FIX", {"path": "x.py", "diff": PATCH}, {}, {}),
        (
            "RETRY_WITH_NEW_PARAMS",
            {"task_keys": KEYS[:3], "job_parameters": {f"p{i:03d}": f" value {i}\n" for i in range(100)}},
            {"f0": "other"},
            {"job_parameters": {f"p{i:03d}": f" value {i}\n" if i else "other" for i in range(100)}},
        ),
        (
            "RETRY_WITH_NEW_PARAMS",
            {"task_keys": ["a"], "job_parameters": {f"p{i:03d}": "\u5931" * 3000 for i in range(10)}},
            {},
            {},
        ),
        (
            "RETRY_WITH_NEW_PARAMS",
            {
                "job_parameters": {
                    "emoji": "\U0001f525 now",
                    "query": "select 1\r\nfrom t ",
                    "nul": "a\x07b",
                    "o": "x",
                }
            },
            {"f3": "y"},
            {
                "job_parameters": {
                    "emoji": "\U0001f525 now",
                    "query": "select 1\r\nfrom t ",
                    "nul": "a\x07b",
                    "o": "y",
                }
            },
        ),
        ("NOTIFY_OWNER", {"recipients": ["a@example.com"], "message": "m " * 1900}, {}, {}),
        ("TERMINATE", {"cancel_run": True, "pause_schedule": False}, {}, {}),
    ],
)
async def test_an_edit_changes_what_the_reviewer_changed_and_nothing_else(
    chatting: Box,
    slack: FakeSlack,
    action: str,
    params: dict[str, Any],
    given: dict[str, str],
    changed: dict[str, Any],
) -> None:
    approval = await asked(chatting, proposal=a_proposal(action=Action(action), params=params))
    view = await window_of(chatting, slack, approval)
    window = submission(view, "UANNA", **given)
    for state in window["view"]["state"]["values"].values():  # as Slack does
        if state["v"].get("value"):
            state["v"]["value"] = state["v"]["value"].strip().replace("\r\n", "\n")
    assert len(signed(window)["content"]) < 256 * 1024
    answer = await send(chatting, window)
    assert answer.content in (b"", b'{"response_action":"clear"}'), "at once, or afterwards"
    row = await chatting.runtime.store.approval(approval.id)
    assert row.status == "edited"
    before = approval.proposal.checked().model_dump(mode="json")
    assert row.proposal.checked().model_dump(mode="json") == {**before, **changed}


async def test_what_slack_can_not_hold_is_shown_and_edited_in_the_console(
    chatting: Box, slack: FakeSlack
) -> None:
    params = {"task_keys": KEYS, "settings": [WORKERS]}
    approval = await asked(chatting, proposal=a_proposal(params=params))
    view = await window_of(chatting, slack, approval)
    (shown,) = [block for block in view["blocks"] if block["type"] == "section"]
    assert "Tasks to run again: load_table_from_landing_00000" in shown["text"]["text"]
    assert "(150 lines)" in shown["text"]["text"] and "stays as it is" in shown["text"]["text"]
    link = f"https://pitstop.example.com/console/incidents/{approval.incident_id}"
    assert shown["accessory"]["url"] == link
    without = submission(view, "UANNA", f0="5")
    del without["view"]["state"]["values"]["f0"]
    assert (await send(chatting, without)).json() == {"response_action": "clear"}
    row = await chatting.runtime.store.approval(approval.id)
    assert row.proposal.checked() == approval.proposal.checked()


@pytest.mark.parametrize(
    ("given", "marked"),
    [
        ({"f1": "a lot"}, "f1"),
        ({"f0": "12g", "f1": "a lot"}, "f1"),
        ({"f0": "12g", "f2": "elsewhere"}, "f2"),
        ({"f0": "12g", "f1": "9"}, ""),
    ],
)
async def test_the_field_that_is_wrong_is_marked(
    chatting: Box, slack: FakeSlack, given: dict[str, str], marked: str
) -> None:
    memory = {"path": MEMORY, "current": "8g", "proposed": "16g"}
    params = {"task_keys": ["aggregate"], "settings": [memory, WORKERS]}
    approval = await asked(chatting, proposal=a_proposal(params=params))
    view = await window_of(chatting, slack, approval)
    answer = (await send(chatting, submission(view, "UANNA", **given))).json()
    assert list(answer.get("errors", {"": ""})) == [marked], answer


def test_without_an_address_the_window_has_no_link() -> None:
    _, kept = inputs(a_proposal(params={"task_keys": KEYS, "settings": [WORKERS]}))
    (shown,) = staying(kept, "/console/incidents/inc_1")
    assert "stays as it is" in shown["text"]["text"] and "accessory" not in shown
    assert staying(kept, "https://p.example.com/x")[0]["accessory"]["url"] == "https://p.example.com/x"
