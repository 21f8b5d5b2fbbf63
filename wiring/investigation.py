"""Builds the investigator: the catalogue's engine, embeddings for the triad, and the model where one is named."""

from __future__ import annotations

from core.actions import Action, Params
from core.incident import Approval
from core.policy import Policy
from core.settings import Settings
from knowledge.catalogue import load_catalogue
from knowledge.embeddings import Embedder
from store.decisions import CheckEdit, Subject
from store.model_calls import ModelCalls
from tools.databricks import Connection, UnityCatalog
from tools.diagnosis import Engine
from tools.investigator import Investigator
from tools.ocr import PictureReader, Vocabulary
from wiring.model import make_consultation, make_judge


def make_investigator(
    settings: Settings, policy: Policy, embedder: Embedder, calls: ModelCalls, connection: Connection
) -> Investigator:
    """The investigator for these settings.

    Raises:
        ConfigurationError: The catalogue has a mistake; the message names its file and line.
    """
    engine = Engine(load_catalogue(settings.catalogue_dir))
    consultation = make_consultation(settings, policy, engine.catalogue, calls)
    judge = make_judge(settings, policy, calls)
    return Investigator(engine, embedder.embed, consultation, UnityCatalog(connection), judge=judge)


def make_pictures(settings: Settings) -> PictureReader:
    """The reader of screenshots for these settings."""
    return PictureReader.of(settings, Vocabulary.of(load_catalogue(settings.catalogue_dir)))


def edit_checker(policy: Policy, investigator: Investigator) -> CheckEdit:
    """Holds a reviewer's edit against the policy's rules for that job and class, and against the class itself."""

    def check(approval: Approval, action: Action, params: Params, about: Subject) -> None:
        rules = policy.rules_for(about.job_name, about.tags, about.failure_class)
        investigator.check_edit(rules, about.failure_class or "", approval, params.model_dump(mode="json"))

    return check
