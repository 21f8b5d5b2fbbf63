"""Every failure that Pitstop expects, as one small tree.

An expected failure is either caught and turned into state by a node, or shown to a person as it is: so each
message says what happened and what to do about it. A bug is none of these; it propagates.
"""

from __future__ import annotations


class PitstopError(Exception):
    """Base of all expected failures.

    Args:
        message: What happened, in one sentence.
        hint: What the reader can do about it, in one sentence; may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigurationError(PitstopError):
    """A setting, a policy file or a catalogue entry is wrong. Raised at start, never in the middle."""


class NotFound(PitstopError):
    """What was asked for does not exist, or not for this caller."""


class Conflict(PitstopError):
    """What was asked for contradicts what already happened (answered with 409)."""


class Gone(PitstopError):
    """It was possible once and no longer is, such as deciding an expired approval (answered with 410)."""


class Forbidden(PitstopError):
    """The caller is known and may not do this (answered with 403)."""


class Unauthenticated(PitstopError):
    """The caller is not known (answered with 401)."""


class TooManyTries(PitstopError):
    """Too many failed tries to say who one is (answered with 429).

    Args:
        seconds: When to come back.
    """

    def __init__(self, message: str, *, seconds: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class InvalidInput(PitstopError):
    """The input can't be read as what it should be (answered with 422)."""


class WorkspaceError(PitstopError):
    """Base of what can go wrong with a Databricks workspace."""


class WorkspaceUnavailable(WorkspaceError):
    """The workspace does not answer, answers 429/5xx, or answers garbage. Worth trying again later."""


class WorkspaceRefused(WorkspaceError):
    """The workspace understood and said no: bad token (401), no permission (403), or an invalid request (400)."""


class RunNotFound(WorkspaceError, NotFound):
    """No such run: a wrong id, or the run is older than the 60 days that Databricks keeps."""


class RunNotFailed(PitstopError):
    """The run is fine (or still going on), so there is nothing to investigate."""


class ModelError(PitstopError):
    """The language model timed out, refused, or answered nonsense. The local answer stands instead."""


class StoreUnavailable(PitstopError):
    """Postgres is away. Work in progress is put back and goes on when it returns."""


class SchemaMismatch(ConfigurationError):
    """The database's schema is not the one this version expects; `pitstop migrate` mends it."""


class KnowledgeUnavailable(PitstopError):
    """The vector store can't be opened or read; `pitstop knowledge rebuild` makes it again."""


class Unsettled(PitstopError):
    """Whether what was asked for is done is not known yet; asking again tells (answered with 503)."""


class LeaseLost(PitstopError):
    """Another worker holds this incident now; this one stops without having changed anything more."""


class NotAuthorised(PitstopError):
    """An action was about to be sent without an approval row that covers it. Nothing was sent."""


class DeliveryFailed(PitstopError):
    """A message, or a reviewer's feedback, could not be handed over now. Worth trying again later."""


class DeliveryRefused(DeliveryFailed):
    """It will never be taken as it is, such as a message to an address that does not exist."""
