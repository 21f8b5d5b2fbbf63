"""One finished incident as it is remembered: what is embedded of it, and what is shown."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

#: Endings from which nothing can be learnt about the failure.
NOTHING_LEARNT = frozenset({"muted", "refused", "closed"})
MAX_CAUSE = 600
MAX_EVIDENCE = 1_200


class IncidentMemory(BaseModel):
    """One finished incident, redacted. Times are ISO 8601; `job` is the job's id or name, as the caller searches.

    `verified` says that a later good run proved the outcome, rather than somebody's word.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    title: str = Field(max_length=500)
    root_cause: str = ""
    #: The decisive lines.
    evidence: str = ""
    fingerprint: str = ""
    failure_class: str = ""
    category: str = "unknown"
    job: str = ""
    action: str | None = None
    outcome: str | None = None
    verified: bool = False
    finished_at: str | None = None
    #: What a reviewer said, or a post-mortem's lesson.
    note: str = ""

    def meaning(self) -> str:
        """What is embedded: what failed and why. The job and the ending are found by keys and weights."""
        named = self.failure_class and self.title.endswith(
            self.failure_class
        )  # `job: class`, as we title our own
        parts = [
            "" if named else self.title[:200],
            self.failure_class.replace("_", " "),
            self.root_cause[:MAX_CAUSE],
            self.note[:300],
            self.evidence[:MAX_EVIDENCE],
        ]
        return "\n".join(part for part in parts if part)

    def text(self) -> str:
        """What is shown, bounded to about 2,000 characters."""
        parts = [
            self.title[:200],
            f"Class {self.failure_class}." if self.failure_class else "",
            self.root_cause[:MAX_CAUSE],
            f"Ended as {self.outcome} after {self.action}." if self.outcome and self.action else "",
            self.note[:300],
            self.evidence[:MAX_EVIDENCE],
        ]
        return "\n".join(part for part in parts if part)
