"""E-mail through Azure Communication Services."""

from __future__ import annotations

import asyncio
import base64
import uuid

from azure.communication.email.aio import EmailClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.settings import Settings
from tools.notify.email import is_address
from tools.notify.message import Message

TIMEOUT_SECONDS = 20.0
POLL_SECONDS = 2.0
#: How long the service may take to say what became of a mail that it took.
RESULT_SECONDS = 45.0
#: Where the ids of our messages come from: the same key is the same operation, so a second try sends no second mail.
_NAMESPACE = uuid.UUID("5f0f6b52-0a53-4c5e-9b0b-0f3f7b0c7a11")


class AzureMailChannel:
    """Sends through the resource of the settings (`PITSTOP_ACS_ENDPOINT`, `PITSTOP_ACS_KEY`, `PITSTOP_ACS_SENDER`).

    Raises:
        ConfigurationError: One of them is missing, or the key can't be read.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.acs_endpoint or settings.acs_key is None or not settings.acs_sender:
            raise ConfigurationError(
                "PITSTOP_ACS_ENDPOINT, PITSTOP_ACS_KEY and PITSTOP_ACS_SENDER: Azure e-mail is not configured."
            )
        key = settings.acs_key.get_secret_value()
        try:
            base64.b64decode(key, validate=True)
        except ValueError:
            raise ConfigurationError(
                "PITSTOP_ACS_KEY is not a key of Azure Communication Services.",
                hint="It is the access key (base64) on the resource's Keys page.",
            ) from None
        self._endpoint, self._sender = settings.acs_endpoint, settings.acs_sender
        self._credential = AzureKeyCredential(key)

    async def send(self, recipient: str, message: Message) -> None:
        """Hand one message over, and wait until the service says what became of it.

        Raises:
            DeliveryRefused: The address is none, or the service will not send this.
            DeliveryFailed: The service is away, busy, or lets us in no more.
        """
        if not is_address(recipient):
            raise DeliveryRefused(f"{recipient[:100]!r} is not an e-mail address.")
        mail = {
            "senderAddress": self._sender,
            "recipients": {"to": [{"address": recipient}]},
            "content": {"subject": message.subject, "plainText": message.text, "html": message.html},
            "headers": {"Auto-Submitted": "auto-generated"},
            "userEngagementTrackingDisabled": True,
        }
        operation = str(uuid.uuid5(_NAMESPACE, message.key)) if message.key else None
        try:
            async with asyncio.timeout(RESULT_SECONDS), self._client() as client:
                poller = await client.begin_send(mail, operation_id=operation)
                result = await poller.result()
        except HttpResponseError as error:
            raise _explained(error) from None
        except TimeoutError:
            raise DeliveryFailed(
                f"Azure e-mail did not say within {RESULT_SECONDS:.0f} s what became of it."
            ) from None
        except AzureError as error:
            raise DeliveryFailed(f"Azure e-mail can't be reached: {type(error).__name__}.") from None
        status = str(result.get("status") or "")
        if status != "Succeeded":
            raise DeliveryRefused(f"Azure e-mail did not send the message: {status or 'no answer'}.")

    def _client(self) -> EmailClient:
        return EmailClient(
            self._endpoint,
            self._credential,
            polling_interval=POLL_SECONDS,
            retry_total=0,
            connection_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
        )


def _explained(error: HttpResponseError) -> DeliveryFailed:
    code = error.status_code or 0
    said = str(getattr(error.error, "code", "") or error.reason or "")[:100]
    if code in (401, 403):
        hint = "Check PITSTOP_ACS_ENDPOINT and PITSTOP_ACS_KEY."
        return DeliveryFailed(f"Azure e-mail does not let us in ({code}): {said}.", hint=hint)
    if code == 400 or code == 422:
        return DeliveryRefused(
            f"Azure e-mail refuses the message ({code}): {said}.", hint="Check PITSTOP_ACS_SENDER."
        )
    return DeliveryFailed(f"Azure e-mail did not take the message ({code}): {said}.")
