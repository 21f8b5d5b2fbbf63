"""Who may do what over HTTP, how the service says no, and how it is known to be well."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.settings import Settings
from sandbox.process import SandboxProcess
from server.guards import HEADERS, MAX_BODY
from server.routes.health import slow_checks
from tests.server_box import HOOK, Box, opened

PROBLEM = "application/problem+json"


def a_problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem document, checked to be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


PROTECTED = [
    ("GET", "/api/v1/incidents"),
    ("POST", "/api/v1/incidents"),
    ("GET", "/api/v1/incidents/x"),
    ("GET", "/api/v1/incidents/x/events"),
    ("GET", "/api/v1/incidents/x/events/stream"),
    ("GET", "/api/v1/incidents/x/artifacts/y"),
    ("POST", "/api/v1/incidents/x/attachments"),
    ("POST", "/api/v1/incidents/x/mute"),
    ("POST", "/api/v1/incidents/x/take-over"),
    ("POST", "/api/v1/incidents/x/close"),
    ("POST", "/api/v1/incidents/x/retry"),
    ("POST", "/api/v1/incidents/x/investigate-again"),
    ("GET", "/api/v1/approvals"),
    ("GET", "/api/v1/approvals/x"),
    ("POST", "/api/v1/approvals/x/decision"),
    ("POST", "/api/v1/approvals/x/delegate"),
    ("POST", "/api/v1/approvals/x/extend"),
    ("GET", "/api/v1/queue"),
    ("GET", "/api/v1/groups"),
    ("GET", "/api/v1/groups/x"),
    ("POST", "/api/v1/groups/x/decision"),
    ("POST", "/api/v1/groups/x/delegate"),
    ("POST", "/api/v1/groups/x/extend"),
    ("POST", "/api/v1/sign-in-links"),
]


async def test_the_list_of_protected_addresses_is_whole(box: Box) -> None:
    paths = box.app.openapi()["paths"]
    found = {(m.upper(), p) for p, methods in paths.items() for m in methods if p.startswith("/api/")}

    def template(path: str) -> str:
        return re.sub(r"\{\w+\}", "?", path)

    listed = {(m, p.replace("/x", "/?").replace("/y", "/?")) for m, p in PROTECTED}
    assert {(m, template(p)) for m, p in found} == listed


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_nobody_gets_in_without_a_token(box: Box, method: str, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer pit_wrong"}, {"authorization": "Basic eDp5"}):
        answer = await box.client().request(method, path, headers=headers)
        a_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_revoked_token_is_worth_nothing(box: Box) -> None:
    secret, token = await box.runtime.tokens.create("anna", "admin")
    assert (await box.client(secret).get("/api/v1/incidents")).status_code == 200
    await box.runtime.tokens.revoke(token.id)
    a_problem(await box.client(secret).get("/api/v1/incidents"), 401)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/incidents", {"run_id": 1}),
        ("/api/v1/incidents/x/mute", {}),
        ("/api/v1/incidents/x/take-over", {}),
        ("/api/v1/incidents/x/close", {}),
        ("/api/v1/incidents/x/investigate-again", {}),
    ],
)
async def test_viewers_only_look(box: Box, path: str, body: dict[str, Any]) -> None:
    viewer = await box.as_("viewer")
    a_problem(await viewer.post(path, json=body), 403)
    assert (await viewer.get("/api/v1/incidents")).status_code == 200


async def test_every_answer_carries_the_security_headers(box: Box) -> None:
    client = await box.as_("viewer")
    for path in (
        "/healthz",
        "/api/v1/incidents",
        "/api/v1/nothing",
        "/console",
        "/console/static/pitstop.css",
    ):
        answer = await client.get(path)
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_a_body_that_is_too_large_is_refused_declared_or_not(box: Box) -> None:
    client = box.client()
    too_much = b"x" * (MAX_BODY + 1)

    async def undeclared() -> AsyncIterator[bytes]:
        for _ in range(0, len(too_much), 65_536):
            yield b"x" * 65_536

    for content in (too_much, undeclared()):
        answer = await client.post("/webhooks/databricks", content=content, auth=HOOK)
        assert answer.status_code == 413
    assert box.sql("SELECT * FROM signals") == []


async def test_unknown_addresses_and_methods_are_problems_too(box: Box) -> None:
    client = await box.as_("viewer")
    a_problem(await client.get("/api/v1/nothing"), 404)
    a_problem(await client.put("/api/v1/incidents"), 405)


async def test_healthz_needs_nothing_and_readyz_says_what_is_missing(
    box: Box, sandbox: SandboxProcess
) -> None:
    client = box.client()
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert {name: c["ok"] for name, c in ready.json()["checks"].items()} == {
        "database": True,
        "queue": True,
        "schema": True,
        "workspace": True,
    }
    sandbox.control.fault("403", path="scim", count=None)
    try:
        box.app.state.slow_checks = slow_checks()
        ready = await client.get("/readyz")
    finally:
        sandbox.control.clear_faults()
    assert ready.status_code == 200
    assert not ready.json()["checks"]["workspace"]["ok"]
    box.sql("UPDATE alembic_version SET version_num = 'of_another_time'")
    box.app.state.slow_checks = slow_checks()
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert not ready.json()["checks"]["schema"]["ok"]


async def test_without_postgres_it_is_alive_and_not_ready_and_comes_back(box: Box) -> None:
    client = await box.as_("viewer")
    with box.postgres_away():
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert not ready.json()["checks"]["database"]["ok"]
        answer = await client.get("/api/v1/incidents")
        a_problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        a_problem(await client.post("/webhooks/databricks", json={"run_id": 1}, auth=HOOK), 503)
    assert (await client.get("/readyz")).status_code == 200
    assert (await client.get("/api/v1/incidents")).status_code == 200


async def test_metrics_count_what_is_in_the_database(box: Box) -> None:
    client = box.client()
    await client.post("/webhooks/databricks", json={"run_id": 5}, auth=HOOK)
    await client.post("/webhooks/databricks", json={"run_id": 5})
    text = (await client.get("/metrics")).text
    assert 'pitstop_webhooks_total{result="kept"} 1.0' in text
    assert 'pitstop_webhooks_total{result="refused"} 1.0' in text
    assert "pitstop_signals_open 1.0" in text
    assert 'pitstop_queue_jobs{status="todo",task="intake"} 1.0' in text
    assert 'route="/webhooks/databricks"' in text


async def test_without_a_password_the_webhook_takes_nothing(
    box_settings: Settings, sandbox: SandboxProcess
) -> None:
    settings = box_settings.model_copy(update={"webhook_password": None})
    async with opened(settings, sandbox) as box:
        answer = await box.client().post("/webhooks/databricks", json={"run_id": 5}, auth=HOOK)
        assert "PITSTOP_WEBHOOK_PASSWORD" in a_problem(answer, 503)["hint"]
        assert box.sql("SELECT * FROM signals") == []


async def test_openapi_declares_what_really_comes(box: Box) -> None:
    document = box.app.openapi()
    assert document["openapi"].startswith("3.1")
    assert "Problem" in document["components"]["schemas"]
    assert document["paths"]["/webhooks/databricks"]["post"]["security"] == [{"WebhookBasic": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            statuses = set(operation["responses"])
            if path.startswith("/api/"):
                assert {"401"} <= statuses, (method, path)
                assert operation["security"], (method, path)
            if "{" in path and path.startswith("/api/"):
                assert "404" in statuses, (method, path)
    refs = str(document).split("#/components/schemas/")[1:]
    assert {r.split("'")[0] for r in refs} <= set(document["components"]["schemas"])
