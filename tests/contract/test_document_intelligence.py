"""Azure Document Intelligence through langchain-community's loader, against a server that speaks its protocol."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.settings import Settings, load_settings
from knowledge.catalogue import load_catalogue
from tests.fakes.document_intelligence import Service, serving
from tests.screenshots import LOOKS, screenshot
from tools.ocr import PictureReader, Vocabulary
from tools.ocr.azure import DocumentIntelligence, ReadingFailed

LINES = [
    "Traceback (most recent cal1 last):",
    '  File "/app/a.py", line 3, in main',
    "ModuleN0tFoundError: x",
]
SHOT = screenshot("KeyError: 'day'", LOOKS["plain"], width=300)


def reader(service: Service, key: str = "a-key") -> PictureReader:
    settings = Settings(document_intelligence_endpoint=service.url, document_intelligence_key=SecretStr(key))
    return PictureReader.of(settings, Vocabulary.of(load_catalogue()))


def test_the_service_reads_where_it_is_configured() -> None:
    with serving(Service(lines=LINES)) as service:
        read = reader(service).read(SHOT)
    assert read.text.splitlines() == [
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 3, in main',
        "ModuleNotFoundError: x",
    ]
    assert read.notes == []
    assert service.pictures == [SHOT]
    assert "prebuilt-read:analyze" in service.paths[0]
    assert len(service.paths) == 3  # sent, still running, done


def test_what_the_service_reads_is_redacted_too() -> None:
    with serving(Service(lines=["password: hunter2-x9"])) as service:
        read = reader(service).read(SHOT)
    assert "hunter2" not in read.text
    assert read.secrets_redacted == 1


@pytest.mark.parametrize(
    ("service", "key", "said"),
    [
        (Service(refuse=403), "a-key", "HTTP 403"),
        (Service(), "wrong-key", "HTTP 401"),
        (Service(failed=True), "a-key", "operation failed"),
        (Service(lines=[]), "a-key", "found no text"),
    ],
)
def test_a_service_that_fails_is_replaced_and_that_is_said(service: Service, key: str, said: str) -> None:
    with serving(service):
        read = reader(service, key).read(SHOT)
    assert "KeyError" in read.text
    assert len(read.notes) == 1
    assert said in read.notes[0]
    assert "wrong-key" not in read.notes[0]


def test_a_service_that_is_away_is_replaced() -> None:
    service = Service()
    with serving(service):
        pass
    remote = DocumentIntelligence(service.url, SecretStr("k"), patience=1.5)
    read = PictureReader(Vocabulary([]), remote).read(SHOT)
    assert "KeyError" in read.text
    assert "was read here" in read.notes[0]


def test_nobody_waits_for_a_service_that_never_ends() -> None:
    with serving(Service(never=True)) as service:
        remote = DocumentIntelligence(service.url, SecretStr("a-key"), patience=0.7)
        with pytest.raises(ReadingFailed, match=r"within 0\.7 seconds"):
            remote.read_lines(SHOT)
        service.never = False


def test_an_endpoint_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITSTOP_DOCUMENT_INTELLIGENCE_ENDPOINT", "shots.cognitiveservices.azure.com")
    with pytest.raises(ConfigurationError, match="PITSTOP_DOCUMENT_INTELLIGENCE_KEY"):
        load_settings()
    monkeypatch.setenv("PITSTOP_DOCUMENT_INTELLIGENCE_KEY", "k")
    assert load_settings().document_intelligence_endpoint == "https://shots.cognitiveservices.azure.com"
