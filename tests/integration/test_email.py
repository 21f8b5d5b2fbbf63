"""Messages made from an incident's facts, sent to a real SMTP server: plain, STARTTLS, TLS, with sign-in."""

from __future__ import annotations

import asyncio
import contextlib
import email
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.settings import Settings
from tools.notify import Channels, Message, compose, split
from tools.notify.email import EmailChannel, is_address, message_id

PASSWORD = "correct horse"
HELLO = Message(subject="Hello", text="plain", html="<p>html</p>", key="k1")
FACTS: dict[str, Any] = {
    "incident_id": "inc_7",
    "run": {
        "job_name": "daily_sales",
        "run_id": 42,
        "run_page_url": "https://adb.example.com/?o=1#job/7/run/42",
    },
    "diagnosis": {
        "category": "resource",
        "failure_class": "executor_oom",
        "root_cause": "An executor ran out of memory.",
        "confidence": 0.91,
        "evidence": [{"source": "error", "line_start": 3, "line_end": 4, "text": "OutOfMemoryError\n at x"}],
    },
    "triad": {"faithfulness": 0.9, "answer_relevance": 0.8, "context_precision": 0.75},
    "prediction": {"probability": 0.8, "low": 0.62, "high": 0.91, "trials": 15},
    "proposal": {
        "action": "RETRY_WITH_NEW_PARAMS",
        "params": {"settings": [{"path": "a.b", "current": "4g", "proposed": "8g"}], "job_parameters": {}},
        "reason": "More memory mends it.",
        "risks": ["It costs more."],
    },
    "tried": [{"attempt": 1, "action": "RETRY", "result": "FAILED"}],
}
LINK = "https://pitstop.example.com/console/incidents/inc_7"


class Inbox:
    """The server's handler: keeps what it is given, refuses what it is told to."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.users: list[str] = []
        self.refuse: dict[str, str] = {}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "rcpt" in self.refuse:
            return self.refuse["rcpt"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "data" in self.refuse:
            return self.refuse["data"]
        parsed = email.message_from_bytes(cast("bytes", envelope.content), policy=SMTP_POLICY)
        self.mails.append(cast("EmailMessage", parsed))
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        login = cast("LoginPassword", data)
        good = login.password.decode() == PASSWORD
        if good:
            self.users.append(login.login.decode())
        return AuthResult(success=good, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


@contextlib.asynccontextmanager
async def serving(inbox: Inbox, security: str, certificate: Path) -> AsyncIterator[int]:
    """A mail server on a free port; it wants a sign-in unless `security` is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def server() -> SMTP:
        if security == "none":
            return SMTP(inbox, hostname="localhost")
        tls = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
        return SMTP(
            inbox,
            hostname="localhost",
            authenticator=inbox.authenticate,
            auth_required=True,
            auth_require_tls=security == "starttls",  # with tls there is nothing but TLS
            **tls,
        )

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server, "127.0.0.1", 0, ssl=context if security == "tls" else None)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def settings(port: int, security: str = "none", **more: Any) -> Settings:
    given = {"smtp_host": "localhost", "smtp_port": port, "smtp_security": security, **more}
    if security != "none":
        given = {"smtp_user": "pitstop", "smtp_password": PASSWORD, **given}
    return Settings(_env_file=None, smtp_from="Pitstop <pitstop@example.com>", **given)  # type: ignore[call-arg]


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system trusts the test's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_message_arrives_as_text_and_html(security: str, certificate: Path) -> None:
    inbox = Inbox()
    async with serving(inbox, security, certificate) as port:
        channel = EmailChannel(settings(port, security))
        await channel.check()
        await channel.send("ops@example.com", compose("approval", FACTS, link=LINK, key="approval/1"))
    (mail,) = inbox.mails
    assert mail["To"] == "ops@example.com" and mail["From"] == "Pitstop <pitstop@example.com>"
    assert mail["Subject"] == "[Pitstop] Your approval is needed: daily_sales (resource)"
    assert mail["Message-ID"] == message_id("approval/1", "example.com")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    bodies = [part.get_content() for part in mail.iter_parts()]
    for body in bodies:
        for shown in (
            "daily_sales",
            "executor_oom",
            "An executor ran out of memory.",
            "OutOfMemoryError",
            LINK,
        ):
            assert shown in body
        for shown in (
            "91%",
            "80% (62% to 91%), from 15 earlier tries",
            "More memory mends it.",
            "It costs more.",
        ):
            assert shown in body
        assert "1. Run the failed tasks again: failed" in body and "#job/7/run/42" in body
    assert "a.b: 4g -> 8g" in bodies[0] and "job_parameters" not in bodies[0]
    assert inbox.users == ([] if security == "none" else ["pitstop", "pitstop"])


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_untrusted_certificate_gets_no_password(security: str, certificate: Path) -> None:
    inbox = Inbox()
    async with serving(inbox, security, certificate) as port:
        with pytest.raises(DeliveryFailed, match="PITSTOP_SMTP"):
            await EmailChannel(settings(port, security)).send("ops@example.com", HELLO)
    assert (inbox.mails, inbox.users) == ([], [])


async def test_no_secure_connection_offered(certificate: Path) -> None:
    inbox = Inbox()
    async with serving(inbox, "none", certificate) as port:
        with pytest.raises(DeliveryFailed, match="PITSTOP_SMTP_SECURITY"):
            await EmailChannel(settings(port, "starttls")).send("ops@example.com", HELLO)
    assert (inbox.mails, inbox.users) == ([], [])


@pytest.mark.usefixtures("trusted")
async def test_a_wrong_password(certificate: Path) -> None:
    async with serving(Inbox(), "starttls", certificate) as port:
        channel = EmailChannel(settings(port, "starttls", smtp_password="wrong"))
        with pytest.raises(DeliveryFailed, match="PITSTOP_SMTP_PASSWORD") as caught:
            await channel.send("ops@example.com", HELLO)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("at", "answer", "final"),
    [
        ("rcpt", "550 no such user", True),
        ("rcpt", "450 greylisted", False),
        ("data", "554 looks like spam", True),
        ("data", "451 disk full", False),
    ],
)
async def test_what_the_server_refuses(at: str, answer: str, final: bool, certificate: Path) -> None:
    inbox = Inbox()
    inbox.refuse[at] = answer
    async with serving(inbox, "none", certificate) as port:
        with pytest.raises(DeliveryFailed) as caught:
            await EmailChannel(settings(port)).send("ops@example.com", HELLO)
    assert isinstance(caught.value, DeliveryRefused) is final
    assert answer[4:] in str(caught.value)


async def test_a_server_that_is_away(certificate: Path) -> None:
    async with serving(Inbox(), "none", certificate) as port:
        pass
    with pytest.raises(DeliveryFailed, match="PITSTOP_SMTP_HOST"):
        await EmailChannel(settings(port)).send("ops@example.com", HELLO)


@pytest.mark.parametrize(
    "recipient",
    [
        "ops@example.com\r\nBcc: all@example.com",
        "ops@example.com\n",
        "ops@example.com, all@example.com",
        "Ops <ops@example.com>",
        "ops",
        "",
        "@example.com",
        "ops@",
        "ops@example.com>",
    ],
)
async def test_recipients_that_are_none(recipient: str, certificate: Path) -> None:
    inbox = Inbox()
    async with serving(inbox, "none", certificate) as port:
        with pytest.raises(DeliveryRefused, match="not an e-mail address"):
            await EmailChannel(settings(port)).send(recipient, HELLO)
    assert inbox.mails == [] and not is_address(recipient)


async def test_a_subject_adds_no_header(certificate: Path) -> None:
    inbox = Inbox()
    hostile = {"run": {"job_name": "x\r\nBcc: all@example.com\r\n\r\nbody"}}
    async with serving(inbox, "none", certificate) as port:
        await EmailChannel(settings(port)).send("ops@example.com", compose("escalation", hostile))
        with pytest.raises(DeliveryRefused):
            raw = Message(subject="x\r\nBcc: all@example.com", text="t", html="h")
            await EmailChannel(settings(port)).send("ops@example.com", raw)
    (mail,) = inbox.mails
    assert mail["Bcc"] is None and "Bcc: all@example.com body" in mail["Subject"]


def test_what_is_missing_in_the_settings() -> None:
    with pytest.raises(ConfigurationError, match="PITSTOP_SMTP_HOST"):
        EmailChannel(Settings(_env_file=None))  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="PITSTOP_SMTP_FROM"):
        EmailChannel(Settings(_env_file=None, smtp_host="mail", smtp_from="nobody"))  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="PITSTOP_SMTP_SECURITY"):
        EmailChannel(Settings(_env_file=None, smtp_host="mail", smtp_user="u", smtp_security="none"))  # type: ignore[call-arg]


async def test_channels_by_recipient(certificate: Path) -> None:
    assert split(" ops@example.com ") == ("email", "ops@example.com")
    assert split("email:ops@example.com") == ("email", "ops@example.com")
    assert split("slack:#data") == ("slack", "#data")
    inbox = Inbox()
    async with serving(inbox, "none", certificate) as port:
        channels = Channels(settings(port))
        await channels.send("email:ops@example.com", HELLO)
        with pytest.raises(ConfigurationError, match="SLACK"):
            await channels.send("slack:#data", HELLO)
    assert len(inbox.mails) == 1
    with pytest.raises(ConfigurationError, match="PITSTOP_SMTP_HOST"):
        await Channels(Settings(_env_file=None)).send("ops@example.com", HELLO)  # type: ignore[call-arg]
