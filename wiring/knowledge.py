"""Builds what the agent knows: the embedder, the index in Chroma, and the memory of finished incidents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.settings import Settings
from knowledge.catalogue import load_catalogue
from knowledge.embeddings import AZURE_VERSION, Embedder, LocalModel, MiniLM, RemoteEmbeddings
from knowledge.imports import TeamKnowledge
from knowledge.incident_memory import IncidentMemory
from knowledge.index import Index
from knowledge.memory import Memory
from knowledge.runbooks import Runbook, load_runbooks
from store.queries import Queries
from store.views import Incident
from tools.redaction import redact

#: Outcomes that a later good run proved.
VERIFIED = frozenset({"resolved", "terminated"})


def make_embedder(settings: Settings) -> Embedder:
    """The packaged MiniLM, or what the settings name; nothing is loaded before the first text."""
    model, base_url = settings.embedding_model, settings.embedding_base_url
    if model is None:
        return MiniLM()
    if settings.embedding_api == "local":
        return LocalModel(model)
    azure = settings.embedding_api == "azure"
    key = settings.azure_openai_api_key if azure else settings.openai_api_key
    return RemoteEmbeddings(
        model,
        base_url=base_url,
        api_key=key.get_secret_value() if key else None,
        azure_version=(settings.openai_api_version or AZURE_VERSION) if azure else None,
        timeout=settings.embedding_timeout_seconds,
    )


def make_index(settings: Settings, embedder: Embedder) -> Index:
    """The vector index: the Chroma server that is named, else one on a folder in the data folder.

    Nothing is opened or started before the first use.

    Raises:
        ConfigurationError: A page is wrong.
    """
    return Index(
        embedder,
        redact=lambda text: redact(text).text,
        runbooks=lambda: all_pages(settings),
        path=None if settings.chroma_url else settings.data_dir / "chroma",
        url=settings.chroma_url,
    )


def all_pages(settings: Settings) -> list[Runbook]:
    """Pitstop's runbooks and the team's; a page of the team stands in for ours of the same name.

    Raises:
        ConfigurationError: A page is wrong.
    """
    return list({page.id: page for page in [*load_runbooks(), *make_team(settings).pages()]}.values())


def make_team(settings: Settings) -> TeamKnowledge:
    """The team's own runbooks and imported incidents, in the data folder."""
    return TeamKnowledge(
        settings.data_dir / "knowledge",
        lambda text: redact(text).text,
        lambda: {
            name: found.category for name, found in load_catalogue(settings.catalogue_dir).classes.items()
        },
    )


def make_memory(index: Index, queries: Queries) -> Memory:
    """The retriever over the index, fed from the store."""
    return Memory(index, incident_loader(queries))


def incident_loader(queries: Queries) -> Callable[[str], Awaitable[IncidentMemory]]:
    """Reads one incident as the memory keeps it."""

    async def load(incident_id: str) -> IncidentMemory:
        return remembered((await queries.incident(incident_id)).incident)

    return load


def remembered(incident: Incident) -> IncidentMemory:
    """An incident's row as the memory keeps it."""
    diagnosis = incident.facts.get("diagnosis") or {}
    evidence = "\n".join(str(e.get("text", "")) for e in diagnosis.get("evidence", [])[:2])
    return IncidentMemory(
        id=incident.id,
        title=f"{incident.job_name or incident.run_id}: {incident.failure_class or 'unknown'}"[:500],
        root_cause=str(diagnosis.get("root_cause", "")),
        evidence=evidence,
        fingerprint=incident.fingerprint or "",
        failure_class=incident.failure_class or "",
        category=incident.category or "unknown",
        job=incident.job_name,
        action=incident.action,
        outcome=incident.outcome,
        verified=incident.outcome in VERIFIED,
        finished_at=incident.finished_at.isoformat() if incident.finished_at else None,
        note=incident.note,
    )
