"""The model over the wire: the real langchain-openai against a scripted server."""

import json
from collections.abc import Iterator

import pytest

from core.errors import ModelError
from core.settings import Settings, load_settings
from knowledge.catalogue import load_catalogue
from tests.fakes import openai as fake
from tests.fakes.openai import OpenAI, running_openai
from tools.llm import Model, ModelRequest, NoAnswer
from wiring.model import ask_once

REQUEST = ModelRequest(
    system="instructions", user="question", prompt_sha256="0" * 64, tokens=1200, ids=frozenset({"E1"})
)


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAI]:
    with running_openai() as box:
        yield box


@pytest.fixture(autouse=True)
def _fresh(server: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    server.answers = [fake.says("executor_oom", root_cause="Heap space.", confidence=0.8)]
    for record in (server.requests, server.headers, server.paths):
        record.clear()


def settings(server: OpenAI, **other: object) -> Settings:
    return load_settings(
        **{"model": "fake-1", "model_base_url": f"{server.url}/v1", "model_timeout_seconds": 20, **other}
    )


async def test_a_good_answer(server):
    answer = await Model(settings(server)).diagnose(REQUEST)
    assert answer.opinion.failure_class == "executor_oom"
    assert (answer.opinion.confidence, answer.opinion.evidence) == (0.8, ["E1"])
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1000, 50)
    assert answer.usage.usd == pytest.approx((1000 * 0.15 + 50 * 0.60) / 1e6)


async def test_what_is_sent(server):
    await Model(settings(server, model_max_tokens=321)).diagnose(REQUEST)
    (sent,) = server.requests
    assert [m["content"] for m in sent["messages"]] == ["instructions", "question"]
    assert sent["model"] == "fake-1"
    assert sent["max_tokens"] == 321, "servers that don't know max_completion_tokens would answer without end"
    assert sent["response_format"]["type"] == "json_schema"
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert server.headers[0]["authorization"] == "Bearer none"


async def test_the_key_goes_with_the_call_and_nowhere_else(server):
    settings_ = settings(server, openai_api_key="sk-test-1")
    model = Model(settings_)
    server.answers = [fake.status(401)]
    with pytest.raises(NoAnswer) as caught:
        await model.diagnose(REQUEST)
    assert server.headers[0]["authorization"] == "Bearer sk-test-1"
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "sk-" not in str(caught.value)


async def test_azure(server):
    azure = settings(server, model_api="azure", model_base_url=server.url, azure_openai_api_key="azure-key")
    await Model(azure).diagnose(REQUEST)
    assert server.paths == ["/openai/deployments/fake-1/chat/completions?api-version=2024-10-21"]
    assert server.headers[0]["api-key"] == "azure-key"
    assert server.requests[0]["max_completion_tokens"] == 700


async def test_without_a_key_nothing_is_sent():
    with pytest.raises(NoAnswer, match="OPENAI_API_KEY") as caught:
        await Model(load_settings(model="gpt-4o-mini")).diagnose(REQUEST)
    assert caught.value.usage.usd == 0


GOOD = json.dumps(fake.opinion("executor_oom"))
BAD = {
    "plain words": (fake.says_text("It ran out of memory, I think."), "something"),
    "another object": (fake.says_text('{"answer": 42}'), "something"),
    "a list": (fake.says_text("[]"), "something"),
    "null": (fake.says_text("null"), "something"),
    "no text": (fake.says_text(""), "something"),
    "no content": (fake.says_text(None), "something"),
    "a key too many": (fake.says_text(GOOD[:-1] + ', "action": "RETRY"}'), "something"),
    "confidence above one": (fake.says("executor_oom", confidence=7), "something"),
    "confidence no number": (fake.says_text(GOOD.replace("0.9", "NaN")), "something"),
    "cut JSON": (fake.says_text(GOOD[:60]), "something"),
    "cut by its length": (fake.says_text(GOOD[:60], finish="length"), "cut off"),
    "cut but whole": (fake.says_text(GOOD, finish="length"), "cut off"),
    "refusal": (fake.says_text(None, refusal="I can't help with that."), "refused"),
    "content filter": (fake.says_text(None, finish="content_filter"), "refused"),
    "no JSON at all": (fake.body("<html>Bad gateway</html>", "text/html"), "unreadable"),
    "broken JSON": (fake.body('{"choices": [{'), "unreadable"),
    "empty body": (fake.body(""), "unreadable"),
    "empty object": (fake.body("{}"), "unreadable"),
    "no choices": (fake.body(json.dumps({**fake.completion("x"), "choices": []})), "unreadable"),
    "an array": (fake.body("[1, 2]"), "unreadable"),
    "a number": (fake.body("7"), "unreadable"),
    "400": (fake.status(400), "HTTP 400.*json_schema"),
    "404": (fake.status(404), "HTTP 404.*PITSTOP_MODEL"),
    "429": (fake.status(429), "HTTP 429"),
    "500": (fake.status(500), "HTTP 500"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_answer_is_a_model_error(server, kind):
    server.answers, message = [BAD[kind][0]], BAD[kind][1]
    with pytest.raises(ModelError, match=message) as caught:
        await Model(settings(server)).diagnose(REQUEST)
    assert "sk-proj" not in str(caught.value)


async def test_a_server_error_is_tried_once_more(server):
    server.answers = [fake.status(500), fake.says("executor_oom")]
    assert (await Model(settings(server)).diagnose(REQUEST)).opinion.failure_class == "executor_oom"
    assert len(server.requests) == 2


@pytest.mark.parametrize("late", [fake.slow, fake.dripping])
async def test_too_late_counts_as_the_worst_cost(server, late):
    server.answers = [late]
    model = Model(settings(server, model_timeout_seconds=0.3))
    with pytest.raises(NoAnswer, match="PITSTOP_MODEL_TIMEOUT_SECONDS") as caught:
        await model.diagnose(REQUEST)
    assert caught.value.usage.usd == model.worst_usd(REQUEST) > 0


async def test_nobody_listens():
    gone = load_settings(model="m", model_base_url="http://127.0.0.1:9/v1")
    with pytest.raises(NoAnswer, match="PITSTOP_MODEL_BASE_URL"):
        await Model(gone).diagnose(REQUEST)


async def test_asking_once_for_the_doctor(server):
    assert await ask_once(settings(server)) >= 0
    assert "cutoff_date" in server.prompt()
    assert "- unknown: " in server.prompt()
    assert "- name_error: " in server.prompt()
    server.answers = [fake.status(404)]
    with pytest.raises(ModelError):
        await ask_once(settings(server))


def test_no_model_no_consultation():
    from core.policy import Policy
    from wiring.model import make_consultation

    assert make_consultation(load_settings(), Policy(), load_catalogue(), None) is None  # type: ignore[arg-type]
