"""Links in messages that let one reviewer decide on one question, once: made, read, and what they are worth.

The link is signed for the question and the reviewer and says nothing else. Whether it was used is a row; whether the
reviewer may decide is asked each time, so a link is worth no more than its holder's rights of today.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from itsdangerous import BadSignature, URLSafeSerializer

from core.errors import Conflict, Forbidden, Gone, NotFound
from core.incident import Approval, Reviewer
from server.sessions import signing_key
from store.decisions import may_decide
from store.review_links import ReviewLinks
from store.views import ReviewLink
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


async def decider(runtime: Runtime, name: str, approvers: Sequence[str]) -> Reviewer | None:
    """`name` as a reviewer by e-mail who may decide where `approvers` may; None for anybody else."""
    reviewer = await runtime.people.reviewer(name, approvers, "email")
    return reviewer if reviewer is not None and may_decide(approvers, reviewer) else None


def link_id(message_key: str) -> str:
    """The id of the link in a message: the same each time it is sent."""
    return "lnk_" + hashlib.sha256(message_key.encode()).hexdigest()[:24]


async def make(runtime: Runtime, message_key: str, approval_id: str, reviewer: str) -> str:
    """The token of a message's link; sending the message again makes the same link, with a later end."""
    links = ReviewLinks(runtime.db, runtime.clock)
    link = await links.make(link_id(message_key), reviewer, approval_id=approval_id)
    return sign(runtime, "link", [link.id, approval_id, reviewer])


def sign(runtime: Runtime, kind: str, body: Sequence[str]) -> str:
    """The token of a link: what it is about, and when it ends."""
    ends = int((runtime.clock.now() + LIFE).timestamp())
    return _signer(runtime, kind).dumps([*body, ends])


async def signed(runtime: Runtime, kind: str, token: str) -> tuple[ReviewLink, list[str]]:
    """The link of a token, still unused, and all that was signed with its id; looking changes nothing.

    Raises:
        Forbidden: It is not one of ours.
        Gone: The link is too old.
        NotFound: It is another reviewer's, or about something else, than its row says.
        Conflict: It was used.
    """
    try:
        id_, about, name, *more, ends = cast("list[Any]", _signer(runtime, kind).loads(token))
    except (BadSignature, ValueError) as error:
        raise Forbidden("This link was not made here.", hint="Copy it whole from the message.") from error
    if ends <= runtime.clock.now().timestamp():
        raise Gone("This link has expired.", hint="Sign in to the console to see how it stands.")
    link = await ReviewLinks(runtime.db, runtime.clock).get(id_)
    if link.reviewer != name:
        raise NotFound("This link belongs to another reviewer.")
    if about not in (link.approval_id, link.group_id):
        raise NotFound("This link is for another proposal.")
    if link.used_at is not None:
        raise Conflict(f"You used this link at {link.used_at:%Y-%m-%d %H:%M} UTC; it decides once.")
    return link, [str(about), *more]


async def read(runtime: Runtime, token: str) -> Holder:
    """Who holds this token. Raises: as `signed`; Forbidden also where its holder may not decide (any more)."""
    link, (approval_id,) = await signed(runtime, "link", token)
    approval = await runtime.store.approval(approval_id)
    return Holder(link.id, approval, await holder(runtime, link, approval.approvers))


async def holder(runtime: Runtime, link: ReviewLink, approvers: Sequence[str]) -> Reviewer:
    """Whose link it is. Raises: Forbidden: they may not decide where `approvers` may (any more)."""
    reviewer = await decider(runtime, link.reviewer, approvers)
    if reviewer is None:
        raise Forbidden("You may not decide on this any more.", hint="Ask whoever looks after Pitstop.")
    return reviewer


def form_token(runtime: Runtime, link_id: str, sha256: str) -> str:
    """What the form of a page carries: this link's holder was shown what has this hash, a moment ago."""
    ends = int((runtime.clock.now() + FORM_LIFE).timestamp())
    return _signer(runtime, "form").dumps([link_id, sha256, ends, secrets.token_hex(8)])


def read_form_token(runtime: Runtime, link_id: str, given: str) -> str:
    """The hash of what the form showed.

    Raises:
        Forbidden: The form is none of ours, or was made for another link.
        Gone: It lay open for too long.
    """
    try:
        made_for, sha256, ends, _ = cast("list[Any]", _signer(runtime, "form").loads(given))
    except (BadSignature, ValueError) as error:
        raise Forbidden("This form was not made here.", hint=_AGAIN) from error
    if made_for != link_id:
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
