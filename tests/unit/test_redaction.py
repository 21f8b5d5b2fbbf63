"""Secrets of every kind are taken out wherever they stand; what only looks like one stays."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest

from tests import no_secrets, planted_secrets
from tools.redaction import redact, redact_json

RANDOM = random.Random(20261102)
HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits


def made(alphabet: str, length: int) -> str:
    """A made-up secret that holds a digit and a letter."""
    return (
        "".join(RANDOM.choice(alphabet) for _ in range(length - 2))
        + "7"
        + next(c for c in alphabet if c.isalpha())
    )


# The parts are joined here, so that this file itself holds nothing that looks like a credential.
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----"
SECRETS: dict[str, str] = {
    "databricks_token": "dapi" + made(HEX, 32),
    "databricks_token_2": "dapi" + made(HEX, 32) + "-2",
    "databricks_oauth": "dose" + made(HEX, 32),
    "aws_access_key": "AKIA" + made(UPPER, 16),
    "aws_temporary_key": "ASIA" + made(UPPER, 16),
    "azure_storage_key": made(ALNUM + "+/", 86) + "==",
    "azure_client_secret": "aB8" + "8Q~" + made(ALNUM, 34),
    "gcp_api_key": "AIza" + made(ALNUM, 35),
    "google_oauth": "ya29." + made(ALNUM, 60),
    "jwt": f"eyJ{made(ALNUM, 30)}.eyJ{made(ALNUM, 60)}.{made(ALNUM, 43)}",
    "github_token": "ghp_" + made(ALNUM, 36),
    "github_fine_grained": "github_pat_" + made(ALNUM, 60),
    "gitlab_token": "glpat-" + made(ALNUM, 20),
    "slack_token": "xoxb-" + "123456789012-123456789012-" + made(ALNUM, 24),
    "npm_token": "npm_" + made(ALNUM, 36),
    "pypi_token": "pypi-" + "AgEIcHlwaS5vcmc" + made(ALNUM, 80),
    "openai_key": "sk-" + "proj-" + made(ALNUM, 48),
    "anthropic_key": "sk-" + "ant-api03-" + made(ALNUM, 48),
    "stripe_key": "sk_" + "live_" + made(ALNUM, 24),
    "sendgrid_key": "SG." + made(ALNUM, 22) + "." + made(ALNUM, 43),
    "twilio_key": "SK" + made(HEX, 32),
    "telegram_token": "123456789:" + made(ALNUM, 35),
    "mailchimp_key": made(HEX, 32) + "-us12",
    "huggingface_token": "hf_" + made(ALNUM, 34),
    "langsmith_key": "lsv2_" + "pt_" + made(HEX, 32) + "_" + made(HEX, 10),
    "vault_token": "hvs." + made(ALNUM, 24),
}
#: Where a token that is known by its form may stand.
PLACES = [
    "26/11/02 03:10:01 INFO Client: using {} for the call",
    '  File "/Workspace/a.py", line 4, in <module>\n    client = Client("{}")',
    '{{"headers": {{"X-Api": "{}"}}}}',
    "https://example.com/path?x={}&y=1",
    "[{}]",
]
#: Secrets that only their surroundings give away.
NAMED = [
    ("password=Xk29-fake-pw host=db", "Xk29-fake-pw"),
    ("connect(user='etl', password='tiger', host='h')", "tiger"),
    ('{"password": "s3cr3t!"}', "s3cr3t!"),
    ('conf: {\\"db_password\\": \\"s3cr3t!\\"}', "s3cr3t!"),
    ("password: hunter2", "hunter2"),
    ("    db_password: correct-horse", "correct-horse"),
    ("jdbc:postgresql://dwh:5432/x?user=etl&password=pa55word&ssl=true", "pa55word"),
    ("jdbc:sqlserver://h:1433;database=d;user=sa;password={Str0ng;Pw};encrypt=true", "Str0ng"),
    ("jdbc:oracle:thin:scott/tiger77@//h:1521/x", "tiger77"),
    ("postgresql://etl:p@ss:w0rd@dwh.acme.dev:5432/mart", "p@ss:w0rd"),
    ("redis://:r3dis-pw@cache:6379/0", "r3dis-pw"),
    ("https://etl:gitpw99@git.acme.dev/x.git", "gitpw99"),
    ("Authorization: Bearer abcDEF123456.xyz", "abcDEF123456.xyz"),
    ("'Authorization': 'Basic ZXRsOnNlY3JldHB3MTIz'", "ZXRsOnNlY3JldHB3MTIz"),
    ("> authorization: token 0123abcd0123abcd", "0123abcd0123abcd"),
    (
        "DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=abcd1234ABCD5678abcd1234ABCD5678==;EndpointSuffix=core",
        "abcd1234ABCD5678abcd1234ABCD5678==",
    ),
    (
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=Zm9vYmFyMTIzNDU2Nzg5MA==",
        "Zm9vYmFyMTIzNDU2Nzg5MA==",
    ),
    (
        "https://lake.blob.core.windows.net/c/f?sv=2022-11-02&sp=r&sig=Ab%2Fcd1234EFgh5678%3D",
        "Ab%2Fcd1234EFgh5678%3D",
    ),
    (
        "spark.hadoop.fs.azure.account.key.lake.dfs.core.windows.net=abcd1234ABCD5678abcd1234",
        "abcd1234ABCD5678abcd1234",
    ),
    ("(fs.s3a.secret.key,wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY)", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"),
    (
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzzz",
    ),
    ("AWS_SESSION_TOKEN=FwoGZXIvYXdzEBYaDKq7abcdefg1234567", "FwoGZXIvYXdzEBYaDKq7abcdefg1234567"),
    ("Driver={ODBC};Server=h;UID=sa;PWD=Pa55w0rd!", "Pa55w0rd!"),
    ("+ curl -u etl:curlpw1 https://x.dev", "curlpw1"),
    ("run --api-token zzz999yyy888 --verbose", "zzz999yyy888"),
    ("+ sshpass -p letmein ssh host", "letmein"),
    ("export PGPASSWORD=pgpw1234", "pgpw1234"),
    ("<password>xmlpw1</password>", "xmlpw1"),
    ("Map(user -> etl, password -> mappw12)", "mappw12"),
    ('sasl.jaas.config=PlainLoginModule required username="k" password="jaaspw1";', "jaaspw1"),
    ("Set-Cookie: session=abcdef123456; HttpOnly", "abcdef123456"),
    ("client_secret=notsorandom", "notsorandom"),
    ("token=8f14e45fceea167a5a36dedd4bea2543", "8f14e45fceea167a5a36dedd4bea2543"),
    ("https://hooks.slack.com/services/T0000/B0000/abcdEFGH1234", "abcdEFGH1234"),
]
HARMLESS = [
    "26/11/02 03:10:01 INFO BlockManagerInfo: Removed broadcast_2_piece0 on localhost:44055 in memory (size: 8.2 KiB, free: 434.4 MiB)",
    "26/11/02 03:10:01 INFO DiskBlockManager: Created local directory at /local_disk0/tmp/blockmgr-94bab888-65fb-48fb-8b12-131c6274b3f3",
    "run_id 8841234567890 app-20261121081447-0000 cluster 1120-020003-q7x2kd",
    "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM': extra input 'FORM'. SQLSTATE: 42601",
    "org.apache.spark.sql.catalyst.parser.ParseException: mismatched input token ')' expecting {<EOF>, ';'}",
    "KeyError: 'customer_id'",
    "primary_key=['customer_id'] partition_key: event_date, foreign key: fact_sales_customer_id_fkey",
    'Key (customer_id)=(924) is not present in table "dim_customer".',
    'FATAL:  password authentication failed for user "etl_reader"',
    "Invalid password: must be at least eight characters",
    "The provided token has expired",
    "max_tokens=4096 prompt_tokens: 812 total_tokens: 901",
    "secret scope: prod, secret key name: dwh_password_name",
    "password=None token='' api_key=null secret=***** password=${DB_PASSWORD} password={{secrets/prod/dwh}}",
    "git checkout 981aa3b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6",
    "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "s3://bucket/_delta_log/00000000000000000012.json checksum 5d41402abc4b2a76b9719d911017c592",
    '  File "/databricks/python/lib/python3.11/site-packages/urllib3/connectionpool.py", line 793, in urlopen',
    "INFO SecurityManager: Changing view acls to: root; authentication disabled; ui acls disabled",
    "Adding job token for job_1445144423722_0020 to jobTokenSecretManager",
    "PWD=/home/etl OLDPWD=/",
    "https://feed.acme.dev:8443/v3/shipments?since=2026-11-19",
    "Contact: data@acme.dev, see https://wiki.acme.dev/@team/page",
    "idempotency_token: 8f14e45fceea167a5a36dedd4bea2543",
    "bypass=true compass: north passed: 12 failed: 0",
]


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_known_by_its_form_is_gone(kind: str, place: str) -> None:
    secret = SECRETS[kind]
    text = "first line\n" + place.format(secret) + "\nlast line"
    redacted = redact(text)
    assert secret not in redacted.text and secret[4:] not in redacted.text
    assert redacted.count >= 1
    assert "[REDACTED:" in redacted.text
    assert len(redacted.text.split("\n")) == len(text.split("\n"))
    assert redacted.text.startswith("first line\n") and redacted.text.endswith("\nlast line")


@pytest.mark.parametrize(("text", "secret"), NAMED)
def test_a_secret_known_by_its_name_is_gone(text: str, secret: str) -> None:
    redacted = redact(text)
    assert secret not in redacted.text, redacted.text
    assert redacted.count >= 1


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text).text == text


def test_a_private_key_goes_line_by_line() -> None:
    body = "\n".join(made(ALNUM + "+/", 64) for _ in range(12))
    text = f"before\n{PEM}\n{body}\n-----END RSA PRIVATE KEY-----\nafter"
    redacted = redact(text)
    assert all(line not in redacted.text for line in body.split("\n"))
    assert redacted.text.split("\n")[0] == "before" and redacted.text.split("\n")[-1] == "after"
    assert redacted.text.count("\n") == text.count("\n")
    assert redacted.count == 1


def test_a_private_key_without_an_end_goes_too() -> None:
    body = "\n".join(made(ALNUM + "+/", 64) for _ in range(5))
    redacted = redact(f"{PEM}\n{body}\nTraceback (most recent call last):")
    assert all(line not in redacted.text for line in body.split("\n"))
    assert redacted.text.endswith("Traceback (most recent call last):")


def test_a_service_accounts_json_goes() -> None:
    key = made(ALNUM + "+/", 120)
    account = {
        "type": "service_account",
        "private_key_id": made(HEX, 40),
        "private_key": f"{PEM}\n{key}\n-----END RSA PRIVATE KEY-----\n",
    }
    redacted = redact("credentials " + json.dumps(account))
    assert key not in redacted.text and account["private_key_id"] not in redacted.text
    assert '"type": "service_account"' in redacted.text


def test_json_values_are_redacted_by_key_and_by_form() -> None:
    token = SECRETS["databricks_token"]
    value = {
        "run": {"job": "load", "params": {"db_password": "tiger", "table": "mart.x"}},
        "env": [{"key": "API_TOKEN", "value": "abc"}, {"name": "region", "value": "eu"}],
        "notes": [f"used {token} here", 7, None, True],
    }
    redacted = redact_json(value)
    text = json.dumps(redacted.value)
    assert "tiger" not in text and token not in text
    assert redacted.value["run"]["params"]["table"] == "mart.x"
    assert redacted.value["env"][1] == {"name": "region", "value": "eu"}
    assert redacted.value["notes"][1:] == [7, None, True]
    assert redacted.count == 3


def test_redacting_twice_changes_nothing() -> None:
    text = "\n".join([*(text for text, _ in NAMED), *SECRETS.values()])
    once = redact(text)
    again = redact(once.text)
    assert again.text == once.text
    assert again.count == 0


def test_the_placeholder_says_what_it_was() -> None:
    assert redact("password=tiger99 x").text == "password=[REDACTED:password] x"
    assert redact("key AKIA" + "ABCDEFGH12345678").text == "key [REDACTED:aws_access_key]"


def test_both_scanners_redact_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    import tools.redaction as redaction

    text = "\n".join([*HARMLESS, *(text for text, _ in NAMED), *SECRETS.values()] * 3)
    answers = []
    for seen in (0, 1 << 40):
        monkeypatch.setattr(redaction, "_bytes_seen", seen)
        answers.append(redact(text))
    assert answers[0] == answers[1]


def test_two_hundred_secrets_in_a_long_log() -> None:
    lines = [HARMLESS[i % len(HARMLESS)] for i in range(20_000)]
    planted: list[str] = []
    for number in range(200):
        kind = list(SECRETS)[number % len(SECRETS)]
        place = PLACES[number % len(PLACES)].replace("\n", " ")
        secret = (
            SECRETS[kind] if SECRETS[kind].endswith(("==", "us12")) else SECRETS[kind][:-6] + f"{number:06d}"
        )
        planted.append(secret)
        lines[number * 97] = place.format(secret)
    text = "\n".join(lines)
    redacted = redact(text)
    assert [secret for secret in planted if secret in redacted.text] == []
    untouched = [a == b for a, b in zip(text.split("\n"), redacted.text.split("\n"), strict=True)]
    assert untouched.count(False) == 200


@pytest.mark.parametrize("kind", planted_secrets.TEMPLATES)
def test_planted_secrets_of_every_form_are_gone(kind: str) -> None:
    for planted in planted_secrets.many(seed=20261121, rounds=3):
        if planted.kind == kind:
            text = f"26/11/21 INFO first\n{planted.text}\nlast line"
            redacted = redact(text)
            assert [s for s in planted.secrets if s in redacted.text] == [], redacted.text
            assert redacted.text.count("\n") == text.count("\n")
            assert redacted.text.startswith("26/11/21 INFO first\n") and redacted.text.endswith("\nlast line")


def test_planted_secrets_are_gone_from_one_long_log() -> None:
    planted = list(planted_secrets.many(seed=7, rounds=6))
    assert len(planted) > 1000
    text = "".join(f"{p.text}\n{HARMLESS[n % len(HARMLESS)]}\n" for n, p in enumerate(planted))
    redacted = redact(text).text
    assert [s for p in planted for s in p.secrets if s in redacted] == []
    assert all(line in redacted.split("\n") for line in HARMLESS)


@pytest.mark.parametrize("text", no_secrets.LINES)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact(text).text == text


def test_lines_without_secrets_stay_together_too() -> None:
    text = "\n".join(no_secrets.LINES * 5)
    assert redact(text).text == text


def test_odd_texts_survive() -> None:
    for text in [
        "",
        "\n",
        "password=",
        "key=\udcff",
        base64.b64encode(bytes(range(256))).decode(),
        "a" * 100_000,
        "=" * 5000,
        "pass" * 3000,
    ]:
        assert len(redact(text).text.split("\n")) == len(text.split("\n"))
