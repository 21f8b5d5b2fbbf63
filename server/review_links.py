"""Links in messages that let one reviewer decide on one approval, once: made, read, and what they are worth.

The link is signed for the approval and the reviewer and says nothing else. Whether it was used is a row; whether the
reviewer may decide is asked each time, so a link is worth no more than its holder's rights of today.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from itsdangerous import BadSignature, URLSafeSerializer

from core.errors import Conflict, Forbidden, Gone, NotFound
from core.incident import Approval, Reviewer
from server.sessions import signing_key
from store.decisions import may_decide
from store.people import People
from store.review_links import ReviewLinks
from wiring.runtime import Runtime

PATH = "/review"
#: A link is good for this long at most; the approval's own end comes before it as a rule.
LIFE = timedelta(days=7)
#: A form that was opened and left lying is good for this long.
FORM_LIFE = timedelta(hours=1)
_AGAIN = "Open the link in the message again."


@dataclass(frozen=True)
class Holder:
    """Who holds a link that can still decide, and on what."""

    link_id: str
    approval: Approval
    reviewer: Reviewer


def may(approval: Approval, reviewer: Reviewer) -> bool:
    """Whether this person may decide on this."""
    return may_decide(list(approval.approvers), reviewer)


async def make(runtime: Runtime, message_key: str, approval_id: str, reviewer: str) -> str:
    """The token of a message's link; sending the message again makes the same link, with a later end."""
    link_id = "lnk_" + hashlib.sha256(message_key.encode()).hexdigest()[:24]
    link = await ReviewLinks(runtime.db, runtime.clock).make(link_id, approval_id, reviewer)
    ends = runtime.clock.now() + LIFE
    return _signer(runtime, "link").dumps([link.id, approval_id, reviewer, int(ends.timestamp())])


async def read(runtime: Runtime, token: str) -> Holder:
    """Who holds this token; looking changes nothing.

    Raises:
        Forbidden: It is not one of ours, or its holder may not decide (any more).
        Gone: The link is too old.
        NotFound: It is another reviewer's, or for another approval, than its row says.
        Conflict: It was used.
    """
    try:
        link_id, approval_id, name, ends = cast("list[Any]", _signer(runtime, "link").loads(token))
    except (BadSignature, ValueError) as error:
        raise Forbidden("This link was not made here.", hint="Copy it whole from the message.") from error
    if ends <= runtime.clock.now().timestamp():
        raise Gone("This link has expired.", hint="Sign in to the console to see how it stands.")
    link = await ReviewLinks(runtime.db, runtime.clock).get(link_id)
    if link.reviewer != name:
        raise NotFound("This link belongs to another reviewer.")
    if link.approval_id != approval_id:
        raise NotFound("This link is for another proposal.")
    if link.used_at is not None:
        raise Conflict(f"You used this link at {link.used_at:%Y-%m-%d %H:%M} UTC; it decides once.")
    approval = await runtime.store.approval(approval_id)
    reviewer = await People(runtime.db, runtime.clock).reviewer(name, approval.approvers, "email")
    if reviewer is None or not may(approval, reviewer):
        raise Forbidden("You may not decide on this any more.", hint="Ask whoever looks after Pitstop.")
    return Holder(link_id, approval, reviewer)


def form_token(runtime: Runtime, holder: Holder) -> str:
    """What the form of a page carries: it was shown to this holder, about this very proposal, a moment ago."""
    ends = int((runtime.clock.now() + FORM_LIFE).timestamp())
    body = [holder.link_id, holder.approval.payload_sha256, ends, secrets.token_hex(8)]
    return _signer(runtime, "form").dumps(body)


def read_form_token(runtime: Runtime, holder: Holder, given: str) -> str:
    """The hash of the proposal that the form showed.

    Raises:
        Forbidden: The form is none of ours, or was made for another link.
        Gone: It lay open for too long.
    """
    try:
        link_id, sha256, ends, _ = cast("list[Any]", _signer(runtime, "form").loads(given))
    except (BadSignature, ValueError) as error:
        raise Forbidden("This form was not made here.", hint=_AGAIN) from error
    if link_id != holder.link_id:
        raise Forbidden("This form belongs to another link.", hint=_AGAIN)
    if ends <= runtime.clock.now().timestamp():
        raise Gone("This page was open for too long.", hint=_AGAIN)
    return sha256


def _signer(runtime: Runtime, what: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        signing_key(runtime.settings),
        salt=f"pitstop review {what}",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
