"""Where Slack sends clicks and windows. Nothing is read before its signature is checked."""

import json
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from slack_sdk.signature import SignatureVerifier
from starlette.background import BackgroundTask

from core.errors import InvalidInput, NotFound, Unauthenticated
from core.settings import Settings
from server.deps import MetricsDep, RuntimeDep
from server.slack import SlackDoor

router = APIRouter(prefix="/webhooks", include_in_schema=False)


@router.post("/slack")
async def interact(request: Request, runtime: RuntimeDep, metrics: MetricsDep) -> Response:
    """Take an interaction; Slack is answered within 3 s, whatever it leads to."""
    body = await request.body()
    check_signature(runtime.settings, request, body)
    try:
        payload = json.loads(parse_qs(body.decode())["payload"][0])
    except (ValueError, KeyError, RecursionError) as error:
        raise InvalidInput("The body is no interaction of Slack's.") from error
    if not isinstance(payload, dict):
        raise InvalidInput("The body is no interaction of Slack's.")
    answer, later = await SlackDoor(runtime, metrics).handle(payload)
    rest = BackgroundTask(later) if later else None
    return Response(background=rest) if answer is None else JSONResponse(answer, background=rest)


def check_signature(settings: Settings, request: Request, body: bytes) -> None:
    """Hold the body against Slack's signature, which is good for five minutes.

    Raises:
        NotFound: Slack is not configured.
        Unauthenticated: The signature is missing, wrong or too old.
    """
    if settings.slack_signing_secret is None:
        raise NotFound("There is nothing at this address: Slack is not configured.")
    timestamp = request.headers.get("x-slack-request-timestamp", "")
    signature = request.headers.get("x-slack-signature", "")
    verifier = SignatureVerifier(settings.slack_signing_secret.get_secret_value())
    readable = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and signature.isascii()
    try:
        good = readable and verifier.is_valid(body, timestamp, signature)
    except UnicodeDecodeError:
        good = False
    if not good:
        raise Unauthenticated("Slack's signature does not fit, or is too old.")
