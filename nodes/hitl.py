"""The interrupt's payload and the answers to it, in the shapes that LangGraph's clients speak.

Shapes: LangChain's human-in-the-loop request (`action_requests`, `review_configs`; answered by
`{"decisions": [...]}`), and the older one of Agent Inbox (`action_request`, `config`, `description`; answered by
`[{"type": "accept" | "edit" | "ignore" | "response", "args"}]`). The request is both at once, since published
versions of Agent Chat UI know only the one or the other.
"""

import json
from typing import Any

from core.actions import PARAMS, Action, check_params
from core.errors import Conflict, InvalidInput
from core.incident import Approval, Decision, DecisionKind
from nodes.telling import words

ALLOWED = [kind.value for kind in DecisionKind]
_OLD_NAMES = {"accept": "approve", "ignore": "reject", "response": "respond"}


def request(approval: Approval, facts: dict[str, Any], error: str = "") -> dict[str, Any]:
    """What a reviewer sees: the action and its parameters, what may be answered, and our facts beside it."""
    action, params = approval.proposal.action, approval.proposal.params
    description = words(approval.proposal, facts, error)
    return {
        "action_requests": [
            {
                "name": action.value,
                "args": params,
                "arguments": params,
                "description": description,
            }
        ],
        "review_configs": [
            {
                "action_name": action.value,
                "allowed_decisions": ALLOWED,
                "args_schema": PARAMS[action].model_json_schema(),
            }
        ],
        "action_request": {"action": action.value, "args": params},
        "config": {f"allow_{way}": True for way in ("accept", "edit", "respond", "ignore")},
        "description": description,
        "kind": "review",
        "approval_id": approval.id,
        "payload_sha256": approval.payload_sha256,
        "expires_at": approval.expires_at,
        "risks": approval.proposal.risks,
        "confidence": approval.proposal.confidence,
        **facts,
        **({"error": error} if error else {}),
    }


def parse(answer: Any, approval: Approval) -> Decision:
    """Read an answer in either shape; it is about `approval` as it is here, unless it names another hash itself.

    Raises:
        InvalidInput: It is in neither, names another action, or its parameters don't fit.
        Conflict: It approves what is not proposed any more.
    """
    item, named = _single(answer)
    sha = named or approval.payload_sha256
    kind = _OLD_NAMES.get(str(item.get("type", "")), str(item.get("type", "")))
    if kind not in ALLOWED:
        raise InvalidInput(f"An answer's type must be one of {', '.join(ALLOWED)}, not {kind!r}.")
    if kind == DecisionKind.EDIT:
        return _edit(item, approval, sha)
    if kind == DecisionKind.APPROVE:
        _check_same(item.get("args"), approval)
    comment = item.get("message", item.get("args") or "")
    if isinstance(comment, dict):
        comment = comment.get("message", "")
    return Decision(kind=DecisionKind(kind), comment=str(comment)[:4000], payload_sha256=sha)


def _single(answer: Any) -> tuple[dict[str, Any], str | None]:
    sha = None
    if isinstance(answer, dict):
        sha = answer.get("payload_sha256")
        answer = answer.get("decisions", [answer] if "type" in answer else None)
    if not isinstance(answer, list) or len(answer) != 1 or not isinstance(answer[0], dict):
        raise InvalidInput(
            "The answer was not understood.",
            hint='Send {"decisions": [{"type": "approve"}]}, with exactly one.',
        )
    return answer[0], sha if isinstance(sha, str) else None


def _edit(item: dict[str, Any], approval: Approval, sha: str) -> Decision:
    edited = item.get("edited_action") or item.get("args")
    if not isinstance(edited, dict):
        raise InvalidInput("An edit needs edited_action with name and args.")
    wanted = str(edited.get("name") or edited.get("action") or approval.proposal.action.value)
    if wanted != approval.proposal.action.value:
        raise InvalidInput(
            f"An edit may change the parameters of {approval.proposal.action.value}, not the action."
        )
    args = edited.get("args") or edited.get("arguments")
    if not isinstance(args, dict):
        raise InvalidInput("An edit's args must be an object.")
    params = check_params(Action(wanted), {key: _unquoted(value) for key, value in args.items()})
    return Decision(
        kind=DecisionKind.EDIT,
        params=params.model_dump(mode="json"),
        action=wanted,
        payload_sha256=sha,
        comment=str(item.get("message") or "")[:4000],
    )


def _check_same(seen: Any, approval: Approval) -> None:
    """Agent Inbox sends what it showed along with an approval: that must be what is asked now."""
    if not isinstance(seen, dict) or "action" not in seen:
        return
    proposal = approval.proposal
    args = seen.get("args")
    if seen["action"] != proposal.action.value or (isinstance(args, dict) and args != proposal.params):
        raise Conflict("The proposal has changed since it was shown. Look at it again.")


def _unquoted(value: Any) -> Any:
    """A list or object that a form-based client sent as text."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
