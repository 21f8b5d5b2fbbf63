"""A language model behind an OpenAI-compatible API: one structured question, one checked answer.

OpenAI, Azure OpenAI, Databricks Model Serving, vLLM and Ollama all speak it; langchain-openai does the talking.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

from core.errors import ModelError
from core.settings import Settings

if TYPE_CHECKING:
    import openai
    from langchain_openai.chat_models.base import BaseChatOpenAI

#: The first stable version of Azure's API that has structured output.
_AZURE_VERSION = "2024-10-21"
#: Servers of one's own often want no key, but the client wants one to send.
_NO_KEY = SecretStr("none")
#: Models that reason accept no temperature but their own.
_REASONS = re.compile(r"o\d|gpt-5")
_MILLION = 1_000_000


def between_0_and_1(value: float) -> float:
    """The value, if it is a score.

    Raises:
        ValueError: It is not.
    """
    if not 0 <= value <= 1:
        raise ValueError("must be between 0 and 1")
    return value


class Suggestion(BaseModel):
    """A setting that a rerun needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    setting: str
    value: str


class Opinion(BaseModel):
    """The answer."""

    # Servers show the model this schema, so it is short; and not every server knows `minimum` and `maximum`.

    model_config = ConfigDict(extra="forbid", frozen=True)

    failure_class: str
    evidence: list[str]
    root_cause: str
    confidence: Annotated[float, AfterValidator(between_0_and_1)]
    suggestions: list[Suggestion]


@dataclass(frozen=True)
class ModelRequest:
    """One question: the instructions, the data, and a cautious estimate of their tokens, schema included."""

    system: str
    user: str
    prompt_sha256: str
    tokens: int
    #: The ids of the data shown (E1, K1, ...).
    ids: frozenset[str]


@dataclass(frozen=True)
class Usage:
    """What a call used: tokens, US dollars at the configured prices, seconds."""

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """As it is kept beside what the call was for."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "usd": self.usd,
            "seconds": round(self.seconds, 3),
        }


Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True)
class ModelAnswer(Generic[Shape]):
    """An answer of the right shape. What it says is not checked yet."""

    opinion: Shape
    usage: Usage


class NoAnswer(ModelError):
    """The model was asked and gave nothing of use; `usage` is what that cost all the same."""

    def __init__(self, message: str, usage: Usage, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.usage = usage


class Model:
    """The model that the settings name."""

    def __init__(self, settings: Settings) -> None:
        if not settings.model:
            raise ValueError("no model is configured")
        self.name = settings.model
        self._settings = settings

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for so many tokens, at the configured prices per million."""
        price = self._settings
        spent = (
            input_tokens * price.model_usd_per_million_input
            + output_tokens * price.model_usd_per_million_output
        )
        return spent / _MILLION

    def worst_usd(self, request: ModelRequest) -> float:
        """The most that asking this can cost."""
        return self.usd(request.tokens, self._settings.model_max_tokens)

    async def diagnose(self, request: ModelRequest) -> ModelAnswer[Opinion]:
        """Ask once for an opinion.

        Raises:
            NoAnswer: As `ask`.
        """
        return await self.ask(request, Opinion)

    async def ask(self, request: ModelRequest, shape: type[Shape]) -> ModelAnswer[Shape]:
        """Ask once for an answer of this shape.

        Raises:
            NoAnswer: No connection, an HTTP error, too late, refused, cut off, or not what was asked for.
        """
        # The import takes a second: not on the loop, and not at the start of a process that asks nothing.
        await asyncio.to_thread(importlib.import_module, "langchain_openai")
        started = time.monotonic()
        reply = await self._reply(request, shape, started)
        raw, opinion = reply.get("raw"), reply.get("parsed")
        usage = self._reported(getattr(raw, "usage_metadata", None), request, started)
        if getattr(raw, "additional_kwargs", {}).get("refusal"):
            raise NoAnswer(f"The model {self.name} refused to answer.", usage)
        if not isinstance(opinion, shape):
            raise NoAnswer(f"The model {self.name} answered something else than it was asked for.", usage)
        return ModelAnswer(opinion, usage)

    async def _reply(self, request: ModelRequest, shape: type[BaseModel], started: float) -> dict[str, Any]:
        import openai

        messages = [("system", request.system), ("human", request.user)]
        try:
            # A client of its own: the one langchain keeps for all is bound to the event loop that used it first.
            async with openai.DefaultAsyncHttpxClient() as client:
                asked = self._chat(client).with_structured_output(
                    shape, method="json_schema", include_raw=True
                )
                # The client counts its timeout anew with every byte; this one is for the whole, retry included.
                async with asyncio.timeout(self._settings.model_timeout_seconds):
                    return cast("dict[str, Any]", await asked.ainvoke(messages))
        except (
            openai.OpenAIError,
            TimeoutError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        ) as error:
            # The last four: a body that is no completion leaves the client as any of these, by what it lacks.
            raise self._failure(error, request, started) from error

    def _failure(self, error: Exception, request: ModelRequest, started: float) -> NoAnswer:
        """What to say about a failed call, and what it may have cost: at worst everything it was allowed to."""
        import openai

        nothing = Usage(seconds=time.monotonic() - started)
        worst = self._used(request.tokens, self._settings.model_max_tokens, started)
        match error:
            case TimeoutError() | openai.APITimeoutError():
                said = f"did not answer in {self._settings.model_timeout_seconds:g} s."
                hint = "PITSTOP_MODEL_TIMEOUT_SECONDS says how long to wait."
                return NoAnswer(f"The model {self.name} {said}", worst, hint=hint)
            case openai.LengthFinishReasonError():
                usage = error.completion.usage
                used = self._used(usage.prompt_tokens, usage.completion_tokens, started) if usage else worst
                hint = "PITSTOP_MODEL_MAX_TOKENS bounds its answer."
                return NoAnswer(
                    f"The model {self.name} was cut off in the middle of its answer.", used, hint=hint
                )
            case openai.ContentFilterFinishReasonError():
                return NoAnswer(f"The model {self.name} refused to answer (content filter).", worst)
            case openai.APIStatusError():
                said = f"The model {self.name} answered with HTTP {error.status_code}."
                return NoAnswer(said, nothing, hint=_advice(error.status_code))
            case openai.APIConnectionError():
                hint = "PITSTOP_MODEL_BASE_URL says where it is."
                return NoAnswer(f"The model {self.name} can't be reached.", nothing, hint=hint)
            case openai.APIError() | ValueError() | TypeError() | LookupError() | AttributeError():
                return NoAnswer(f"The model {self.name} answered something unreadable.", worst)
            case _:
                # Raised before anything was sent: no key.
                return NoAnswer(f"The model {self.name} can't be asked.", nothing, hint=_advice(401))

    def _reported(self, reported: Any, request: ModelRequest, started: float) -> Usage:
        """As the server reports it; where it doesn't, the most it can have been."""
        reported = reported or {}
        return self._used(
            reported.get("input_tokens") or request.tokens,
            reported.get("output_tokens") or self._settings.model_max_tokens,
            started,
        )

    def _used(self, input_tokens: int, output_tokens: int, started: float) -> Usage:
        usd = self.usd(input_tokens, output_tokens)
        return Usage(input_tokens, output_tokens, usd, time.monotonic() - started)

    def _chat(self, client: openai.DefaultAsyncHttpxClient) -> BaseChatOpenAI:
        from langchain_openai import AzureChatOpenAI, ChatOpenAI

        settings = self._settings
        common: dict[str, Any] = {
            "timeout": settings.model_timeout_seconds,
            "max_retries": 1,
            "http_async_client": client,
        }
        if not _REASONS.match(self.name):
            common["temperature"] = 0
        bound: dict[str, Any] = {"max_tokens": settings.model_max_tokens}
        if settings.model_api == "azure":
            return AzureChatOpenAI(
                azure_endpoint=settings.model_base_url,
                azure_deployment=settings.model,
                api_key=settings.azure_openai_api_key,
                api_version=settings.openai_api_version or _AZURE_VERSION,
                **bound,
                **common,
            )
        key = settings.openai_api_key or (_NO_KEY if settings.model_base_url else None)
        if not _is_openai(settings.model_base_url):
            # OpenAI renamed max_tokens to max_completion_tokens, which other servers ignore: unbounded answers.
            bound = {"extra_body": bound}
        return ChatOpenAI(model=self.name, base_url=settings.model_base_url, api_key=key, **bound, **common)


def _is_openai(base_url: str | None) -> bool:
    host = urlsplit(base_url).hostname or "" if base_url else "api.openai.com"
    return host == "openai.com" or host.endswith(".openai.com")


def _advice(status: int) -> str:
    if status in (401, 403):
        return "Check OPENAI_API_KEY (or AZURE_OPENAI_API_KEY)."
    if status == 404:
        return "Check PITSTOP_MODEL and PITSTOP_MODEL_BASE_URL."
    if status == 400:
        return "It must know structured output (response_format json_schema)."
    return ""
