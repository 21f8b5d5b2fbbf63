"""A decision as a form sends it: the same fields on every page that has one."""

from __future__ import annotations

from collections.abc import Mapping

from core.actions import Proposal
from core.errors import InvalidInput
from core.incident import Decision, DecisionKind
from server.console import proposals
from server.problems import ProblemError

_USEFUL = {"yes": True, "no": False}


def read_decision(proposal: Proposal, form: Mapping[str, str]) -> Decision:
    """The decision in a form: `kind`, `comment`, `then`, `useful`, `payload_sha256`, and the edited fields.

    Raises:
        InvalidInput: An edited value does not fit.
        ProblemError: The form does not say what was decided.
    """
    kind = DecisionKind(form.get("kind", "")) if form.get("kind") in list(DecisionKind) else None
    if kind is None:
        raise ProblemError(422, "Invalid input", "The form does not say what was decided.")
    params = None
    if kind is DecisionKind.EDIT:
        params = proposals.read_form(proposal, form).model_dump(mode="json")
    then = form.get("then", "nothing")
    return Decision(
        kind=kind,
        comment=form.get("comment", "")[:4000],
        params=params,
        payload_sha256=form.get("payload_sha256") or None,
        then=then if then in ("terminate", "take_over") and kind is DecisionKind.REJECT else "nothing",  # type: ignore[arg-type]
        useful=read_useful(form.get("useful", "")),
    )


def read_seconds(given: str) -> float | None:
    """How much more time a form asks for; None for as long again as there was. Raises: InvalidInput: No number."""
    if given and not given.isdecimal():
        raise InvalidInput("The form does not say how much more time.")
    return float(given) if given else None


def read_useful(given: str) -> bool | None:
    """The rating of the analysis in a form; None where there is none."""
    return _USEFUL.get(given)
