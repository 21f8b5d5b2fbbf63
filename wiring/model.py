"""Builds the consultation with a language model from the settings, where they name one."""

from __future__ import annotations

from importlib import resources

from core.incident import Evidence
from core.policy import Policy
from core.settings import Settings
from knowledge.catalogue import UNKNOWN, Catalogue, load_catalogue
from tools.consultation import Consultation
from tools.consulted import related
from tools.llm import Model
from tools.prompt import Prompt, build
from tools.spending import Calls
from tools.triad.judge import Judge

_SAMPLE = Evidence(
    source="driver.log", line_start=1, line_end=1, text="NameError: name 'cutoff_date' is not defined"
)


def read_prompt() -> Prompt:
    """The prompt for diagnosing."""
    return Prompt.read(resources.files("nodes.prompts").joinpath("analyze.md").read_text(encoding="utf-8"))


def make_consultation(
    settings: Settings, policy: Policy, catalogue: Catalogue, calls: Calls
) -> Consultation | None:
    """The consultation, or None where no model is configured."""
    if settings.model is None:
        return None
    limit = settings.model_prompt_tokens
    return Consultation(Model(settings), catalogue, policy, calls, read_prompt(), limit=limit)


def make_judge(settings: Settings, policy: Policy, calls: Calls) -> Judge | None:
    """The judge of the triad, or None where no model is configured or it is not to judge."""
    if settings.model is None or settings.triad_judge != "model":
        return None
    text = resources.files("nodes.prompts").joinpath("judge.md").read_text(encoding="utf-8")
    prompt = Prompt.read(text, frozenset({"data"}))
    return Judge(Model(settings), policy, calls, prompt, limit=settings.model_prompt_tokens)


async def ask_once(settings: Settings) -> float:
    """Ask about a sample error, as an investigation would; seconds until the answer was there.

    Raises:
        ModelError: There was none; the message says why.
    """
    catalogue = load_catalogue(settings.catalogue_dir)
    request = build(
        read_prompt(),
        evidence=[_SAMPLE],
        similar=[],
        classes=[catalogue.classes[UNKNOWN], *related(_SAMPLE.text, catalogue, without=set())],
        hint="",
        limit=settings.model_prompt_tokens,
    )
    return (await Model(settings).diagnose(request)).usage.seconds
