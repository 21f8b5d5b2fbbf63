"""Attacks by saying that one is somebody else: webhooks' passwords, proxies' headers, tokens, Slack's signature."""

from __future__ import annotations

import base64
import json

from tests.fakes.slack import click, signed, submission
from tests.incident_stories import ask
from tests.integration.attacks.target import ANNA, HOOK, SLACK_HOOK, Target, decision
from tests.server_box import HOOK as CREDENTIALS
from tools.notify.slack_blocks import APPROVE, EDIT

USER, PASSWORD = CREDENTIALS
ROOT = "root@example.com"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def webhook_credentials(target: Target) -> None:
    body = {"run": {"run_id": 1}, "event_type": "jobs.on_failure"}
    wrong = [
        None,
        basic(USER, "wrong"),
        basic("wrong", PASSWORD),
        basic(USER, ""),
        basic("", ""),
        basic(USER, PASSWORD + " "),
        basic(USER.upper(), PASSWORD),
        basic(USER, PASSWORD[:-1]),
        basic(USER, PASSWORD + "\x00"),
        f"Bearer {PASSWORD}",
        f"Bearer {await target.box.token(ROOT, 'admin')}",
        "Basic",
        "Basic !!!!",
        "Basic " + base64.b64encode(PASSWORD.encode()).decode(),
        "Digest username=databricks",
    ]
    for header in wrong:
        headers = {"authorization": header} if header else {}
        await target.refused(target.client(), "POST", HOOK, 401, json=body, headers=headers)
    in_the_address = {"username": USER, "password": PASSWORD}
    await target.refused(target.client(), "POST", HOOK, 401, json=body, params=in_the_address)


async def spoofed_forwarded_identity(target: Target) -> None:
    """The peer is this machine; the trusted proxies are elsewhere."""
    approval = await target.asked()
    names = ("x-forwarded-email", "x-forwarded-user", "x-forwarded-preferred-username")
    claims = [{name: ANNA} for name in names]
    for more in (
        {"x-forwarded-for": "10.1.2.3"},
        {"x-forwarded-for": "10.1.2.3, 127.0.0.1"},
        {"forwarded": "for=10.1.2.3;proto=https"},
        {"x-real-ip": "10.1.2.3"},
        {"x-forwarded-host": "10.1.2.3", "x-forwarded-proto": "https"},
        {"x-forwarded-access-token": "dapi123"},
        {"true-client-ip": "10.1.2.3", "cf-connecting-ip": "10.1.2.3"},
    ):
        claims.append({"x-forwarded-email": ANNA, **more})
    for headers in claims:
        spoofer = target.client()
        await target.refused(spoofer, "GET", "/api/v1/incidents", 401, headers=headers)
        body = {"decision": "approve"}
        await target.refused(spoofer, "POST", decision(approval), 401, json=body, headers=headers)
        await target.refused(spoofer, "GET", "/console", 303, headers=headers)
    wrong = {**claims[0], "authorization": "Bearer pit_wrong"}
    await target.refused(target.client(), "GET", "/api/v1/incidents", 401, headers=wrong)


async def api_tokens(target: Target) -> None:
    approval = await target.asked()
    tokens = target.box.runtime.tokens
    good, _ = await tokens.create(ROOT, "admin")
    revoked, row = await tokens.create("eve@example.com", "admin")
    await tokens.revoke(row.id)
    expired, _ = await tokens.create("eve@example.com", "admin", ttl_seconds=-1)
    stored = target.eyes.execute("SELECT sha256 FROM api_tokens WHERE name = %s", (ROOT,)).fetchone()
    assert stored
    for header in (
        f"Bearer {revoked}",
        f"Bearer {expired}",
        f"Bearer {good[:-1]}",
        f"Bearer {good}x",
        f"Bearer {good.upper()}",
        f"Bearer {stored[0]}",
        f"Bearer pit_{stored[0]}",
        f"Bearer {row.id}",
        "Bearer pit_%",
        "Bearer ' OR '1'='1",
        "Bearer null",
        f"Token {good}",
        basic(ROOT, good),
    ):
        headers = {"authorization": header}
        body = {"decision": "approve"}
        await target.refused(target.client(), "POST", decision(approval), 401, json=body, headers=headers)


async def slack_signature(target: Target) -> None:
    await target.asked(notify=["slack:#data"])
    payload = click(target.slack.buttons()[APPROVE], "UANNA")
    good = signed(payload)
    head = good["headers"]
    refused = [
        signed(payload, secret="another"),
        signed(payload, secret=""),
        signed(payload, age=400),
        signed(payload, age=-400),
        {**good, "content": good["content"] + "&x=1"},
        {**good, "headers": {**head, "x-slack-signature": "v0="}},
        {**good, "headers": {**head, "x-slack-signature": head["x-slack-signature"].replace("v0=", "v1=")}},
        {**good, "headers": {**head, "x-slack-request-timestamp": "1"}},
        {**good, "headers": {k: v for k, v in head.items() if "slack" not in k}},
        {**good, "headers": {**head, "x-slack-request-timestamp": "٣"}},
    ]
    for request in refused:
        headers = {name: value.encode() for name, value in request["headers"].items()}
        await target.refused(target.client(), "POST", SLACK_HOOK, 401, **{**request, "headers": headers})
    token = await target.as_("admin", ROOT)
    await target.refused(token, "POST", SLACK_HOOK, 401, json=payload)


async def stale_or_forged_slack_message(target: Target) -> None:
    old = await target.asked(notify=["slack:#data"])
    buttons = target.slack.buttons()
    button, edit = buttons[APPROVE], buttons[EDIT]
    await target.slack_refuses(click(button, "UNOBODY"), saying="does not know you")
    await target.slack_refuses(
        click({**button, "value": json.dumps({"a": old.id, "h": "0" * 64})}, "UANNA"), saying="is not the one"
    )
    foreign = await target.asked("ben@example.com")
    forged = {**button, "value": json.dumps({"a": foreign.id, "h": foreign.payload_sha256})}
    await target.slack_refuses(click(forged, "UANNA"), saying="may not decide")
    newer = await ask(target.box.runtime.store, old.incident_id, revision=2, approvers=[ANNA])
    await target.slack_refuses(click(button, "UANNA"), saying="superseded")
    mixed = {**button, "value": json.dumps({"a": newer.id, "h": "1" * 64})}
    await target.slack_refuses(click(mixed, "UANNA"), saying="is not the one")
    view = {
        "callback_id": "pitstop_edit",
        "private_metadata": json.dumps({"a": newer.id, "h": newer.payload_sha256, "c": "C"}),
        "blocks": [],
    }
    window = submission(view, "UANNA")
    window["view"]["state"] = {
        "values": {"f0": {"v": {"value": "999g"}}, "action": {"v": {"value": "TERMINATE"}}}
    }
    await target.slack_refuses(window, saying="")
    nobody = {**window, "user": {"id": "UNOBODY"}}
    await target.slack_refuses(nobody, saying="")
    assert edit and (await target.standing(newer)).status == "pending"


ATTACKS = {
    "webhook credentials wrong or elsewhere": webhook_credentials,
    "spoofed headers of the forwarded identity": spoofed_forwarded_identity,
    "API tokens forged, revoked, expired, as other schemes": api_tokens,
    "Slack signature wrong, old or missing": slack_signature,
    "stale or forged Slack message": stale_or_forged_slack_message,
}
