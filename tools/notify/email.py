"""E-mail over SMTP."""

from __future__ import annotations

import email.errors
import re
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from hashlib import sha256

import aiosmtplib

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.settings import Settings
from tools.notify.message import Message

TIMEOUT_SECONDS = 20.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: One plain address; nothing that could add a header, a second recipient or a route.
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


class EmailChannel:
    """Sends messages through the SMTP server of the settings (`PITSTOP_SMTP_*`).

    Args:
        tls: What to trust; the system's certificates without it.

    Raises:
        ConfigurationError: No server is set, the sender's address is none, or a password would travel in the clear.
    """

    def __init__(self, settings: Settings, *, tls: ssl.SSLContext | None = None) -> None:
        if not settings.smtp_host:
            raise ConfigurationError(
                "PITSTOP_SMTP_HOST: e-mail is not configured.",
                hint="Set it, and PITSTOP_SMTP_PORT, PITSTOP_SMTP_SECURITY, PITSTOP_SMTP_USER and "
                "PITSTOP_SMTP_PASSWORD as the server wants them.",
            )
        if not is_address(parseaddr(settings.smtp_from)[1]):
            raise ConfigurationError(f"PITSTOP_SMTP_FROM: {settings.smtp_from!r} is not an e-mail address.")
        if settings.smtp_user and settings.smtp_security == "none" and settings.smtp_host not in LOOPBACK:
            raise ConfigurationError(
                "PITSTOP_SMTP_SECURITY: with none, the password would travel in the clear.",
                hint="Set it to starttls or tls.",
            )
        self._settings = settings
        self._tls = tls

    async def send(self, recipient: str, message: Message) -> None:
        """Hand one message over to the server.

        Raises:
            DeliveryRefused: The address is none, or the server will never take this message.
            DeliveryFailed: The server is away, refuses us, or can't take it now.
        """
        if not is_address(recipient):
            raise DeliveryRefused(f"{recipient[:100]!r} is not an e-mail address.")
        mail = self._mail(recipient, message)
        client = self._client()
        try:
            async with client:
                await client.send_message(mail)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise self._explained(error) from error

    async def check(self) -> None:
        """Connect and sign in, and send nothing.

        Raises:
            DeliveryFailed: That did not work; the message says why.
        """
        client = self._client()
        try:
            async with client:
                await client.noop()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise self._explained(error) from error

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        password = settings.smtp_password
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=password.get_secret_value() if settings.smtp_user and password else None,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            tls_context=self._tls or ssl.create_default_context(),
            timeout=TIMEOUT_SECONDS,
        )

    def _mail(self, recipient: str, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        domain = parseaddr(self._settings.smtp_from)[1].rpartition("@")[2]
        try:
            mail["From"] = self._settings.smtp_from
            mail["To"] = recipient
            mail["Subject"] = message.subject
        except (ValueError, email.errors.MessageError) as error:
            raise DeliveryRefused(f"The message's head is not allowed in an e-mail: {error}") from error
        mail["Date"] = formatdate()
        mail["Message-ID"] = message_id(message.key, domain)
        # Out-of-office replies and loops are kept away (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail

    def _explained(self, error: Exception) -> DeliveryFailed:
        where = f"{self._settings.smtp_host}:{self._settings.smtp_port}"
        said = " ".join(str(error).split())[:200]
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            hint = "Check PITSTOP_SMTP_USER and PITSTOP_SMTP_PASSWORD."
            return DeliveryFailed(f"The mail server {where} does not let us in: {said}", hint=hint)
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            codes = [refused.code for refused in error.recipients]
            kind = DeliveryRefused if codes and all(code >= 500 for code in codes) else DeliveryFailed
            return kind(f"The mail server {where} refuses the recipient: {said}")
        if isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500:
            return DeliveryRefused(f"The mail server {where} refuses the message: {said}")
        if isinstance(error, aiosmtplib.SMTPSenderRefused):
            return DeliveryFailed(
                f"The mail server {where} refuses the sender: {said}", hint="Check PITSTOP_SMTP_FROM."
            )
        # STARTTLS or a way to sign in that the server does not offer is a bare SMTPException.
        bare = type(error) is aiosmtplib.SMTPException
        if bare or isinstance(error, aiosmtplib.SMTPNotSupported | ssl.SSLError):
            hint = "Check PITSTOP_SMTP_SECURITY and PITSTOP_SMTP_PORT."
            return DeliveryFailed(f"No secure connection to the mail server {where}: {said}", hint=hint)
        hint = "Check PITSTOP_SMTP_HOST and PITSTOP_SMTP_PORT."
        return DeliveryFailed(f"The mail server {where} can't be reached: {said}", hint=hint)


def is_address(text: str) -> bool:
    """Whether this is one plain e-mail address."""
    return text.isascii() and len(text) <= 254 and bool(_ADDRESS.fullmatch(text))


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a message: the same for each try, so that a mailbox can drop a second copy."""
    if not key:
        return make_msgid("pitstop", domain=domain)
    return f"<pitstop.{sha256(key.encode()).hexdigest()[:32]}@{domain}>"
