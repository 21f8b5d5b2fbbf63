"""Webhooks: kept and answered at once, read later, believed never."""

import base64
import binascii
import hmac

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from core.errors import InvalidInput
from core.settings import Settings
from server.deps import MetricsDep, RuntimeDep
from server.notice import Notice, read_notice
from server.problems import ProblemError, documented

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

#: What a test of the destination in Databricks' settings sends: it names no run.
_SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "event_type": {"type": "string"},
                        "workspace_id": {"type": "string"},
                        "run": {"type": "object", "properties": {"run_id": {"type": "string"}}},
                        "job": {"type": "object", "properties": {"job_id": {"type": "string"}}},
                    },
                },
                "example": {
                    "event_type": "jobs.on_failure",
                    "workspace_id": "1234567890",
                    "run": {"run_id": "455644833"},
                    "job": {"job_id": "11223344", "name": "nightly_orders"},
                },
            }
        },
    },
    "security": [{"WebhookBasic": []}],
}


class Received(BaseModel):
    """The signal is kept; what comes of it is worked out later."""

    signal_id: str = Field(description="The row that was committed.")


@router.post("/databricks", status_code=202, openapi_extra=_SCHEMA, responses=documented(401, 413, 422, 503))
async def databricks(request: Request, runtime: RuntimeDep, metrics: MetricsDep) -> Received:
    """A notification destination's webhook. Delivered twice, late or out of order, it makes one incident."""
    try:
        check_basic(runtime.settings, request.headers.get("Authorization", ""))
        notice = read_notice(await request.body())
    except (ProblemError, InvalidInput) as error:
        metrics.webhooks.labels("refused" if isinstance(error, ProblemError) else "unreadable").inc()
        raise
    signal_id = await keep(runtime, notice)
    metrics.webhooks.labels("kept").inc()
    return Received(signal_id=signal_id)


async def keep(runtime: RuntimeDep, notice: Notice) -> str:
    """The id of the signal, committed together with the job that reads it."""
    signal = await runtime.signals.receive(
        "webhook",
        key=notice.key,
        run_id=notice.run_id,
        job_id=notice.job_id,
        data={"event_type": notice.event_type, "task_key": notice.task_key, "workspace": notice.workspace_id},
    )
    return signal.id


def check_basic(settings: Settings, header: str) -> None:
    """HTTP basic authentication in constant time.

    Raises:
        ProblemError: 401 for wrong or missing credentials, 503 while no password is configured.
    """
    if settings.webhook_password is None:
        raise ProblemError(
            503,
            "Not configured",
            "This endpoint has no password, so it takes nothing.",
            hint="Set PITSTOP_WEBHOOK_PASSWORD, and give it to the notification destination in Databricks.",
        )
    user, password = _credentials(header)
    # Both are compared whatever the first comparison says, so that time tells nothing.
    right_user = hmac.compare_digest(user, settings.webhook_user.encode())
    right_password = hmac.compare_digest(password, settings.webhook_password.get_secret_value().encode())
    if not (right_user and right_password):
        raise ProblemError(
            401,
            "Who are you?",
            "The webhook's user name or password is wrong.",
            headers={"WWW-Authenticate": 'Basic realm="pitstop", charset="UTF-8"'},
        )


def _credentials(header: str) -> tuple[bytes, bytes]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b"", b""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b"", b""
    return user, password
