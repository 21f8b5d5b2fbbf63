"""Settings: one place, and one line for each mistake, naming its variable."""

import ast
from pathlib import Path

import pytest

from cli.doctor import examine_links
from core.errors import ConfigurationError
from core.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "core",
    "store",
    "knowledge",
    "tools",
    "nodes",
    "graph",
    "wiring",
    "server",
    "cli",
    "sandbox",
    "evals",
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("PITSTOP_PORT", "none"),
        ("PITSTOP_PORT", "70000"),
        ("PITSTOP_SMTP_SECURITY", "maybe"),
        ("DATABRICKS_HOST", "ftp://x"),
        ("PITSTOP_WATCH_JOBS", "x"),
        ("PITSTOP_WORKER_CONCURRENCY", "0"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name}: ")


def test_several_mistakes_are_several_lines(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    monkeypatch.setenv("PITSTOP_PORT", "x")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2


def test_heartbeats_must_fit_the_lease():
    with pytest.raises(ConfigurationError, match="PITSTOP_HEARTBEAT_SECONDS"):
        load_settings(lease_seconds=10, heartbeat_seconds=8)


def test_secrets_do_not_print():
    settings = load_settings(databricks_token="dapi-secret", smtp_password="hush")
    assert "dapi-secret" not in repr(settings) and "hush" not in str(settings.model_dump())


def test_a_bare_host_becomes_https():
    assert (
        load_settings(databricks_host="adb-1.azuredatabricks.net/").databricks_host
        == "https://adb-1.azuredatabricks.net"
    )


def test_every_setting_is_in_the_example_file():
    example = (ROOT / ".env.example").read_text()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias.choices[0] if alias is not None else f"PITSTOP_{name.upper()}"  # type: ignore[union-attr]
        assert str(variable) in example, f"{variable} is missing from .env.example"


def test_only_the_settings_read_the_environment():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path == ROOT / "core" / "settings.py" or "record" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")), path


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 81}, "http://[::1]:81"),
        ({"host": "0.0.0.0"}, None),
        ({"host": "::"}, None),
        ({"host": "0.0.0.0", "public_url": "https://p.example.com/"}, "https://p.example.com"),
    ],
)
def test_an_address_to_listen_on_everywhere_is_none_to_go_to(given, address):
    assert load_settings(**given).address == address


async def test_the_doctor_says_that_messages_carry_no_links():
    everywhere = {"host": "0.0.0.0", "smtp_host": "mail.example.com"}
    found = await examine_links(load_settings(**everywhere))
    assert found.state == "bad" and "PITSTOP_PUBLIC_URL is not set" in found.detail
    assert (await examine_links(load_settings(smtp_host="x"))).detail.count("this machine only")
    public = load_settings(**everywhere, public_url="https://p.example.com")
    assert (await examine_links(public)).state == "ok"
    assert (await examine_links(load_settings(host="0.0.0.0"))).state == "off"
