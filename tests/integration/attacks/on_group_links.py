"""Attacks on the links to a group's question: forged, old, used, another's, another group's, opened by machines, stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from itsdangerous import URLSafeSerializer

from core.incident import Approval
from server import review_links
from server.postman import Postman
from tests.incident_stories import a_run, ask, tell
from tests.integration.attacks.on_decisions import LAKE
from tests.integration.attacks.on_links import OLD
from tests.integration.attacks.target import ANNA, BEN, VERA, Target, flipped, token_of_form

LATE = 4_000_000_000


@dataclass(frozen=True)
class Asked:
    """A group's question that was mailed: its members, and the path of each recipient's link."""

    group_id: str
    members: list[Approval]
    links: dict[str, str]


async def _joins(target: Target, number: int, cause: str, people: list[str], **more: Any) -> Approval:
    run = a_run(target.box.runtime.clock.now().microsecond + 10_000_000 * (number + 1), f"job {number}")
    about = {"cause": LAKE.cause.model_copy(update={"value": cause}), "update_seconds": 300}
    grouping = LAKE.model_copy(update=about)
    incident_id = await tell(target.box.runtime.store, run)
    given = {"grouping": grouping, "approvers": people, "notify": people, **more}
    return await ask(target.box.runtime.store, incident_id, **given)


async def _asked(target: Target, cause: str, *people: str, **more: Any) -> Asked:
    """Three failures of one cause, asked about together by mail."""
    members = [await _joins(target, n, cause, list(people), **more) for n in range(3)]
    await Postman(target.box.runtime).deliver()
    found = target.eyes.execute(
        "SELECT group_id FROM group_members WHERE approval_id = %s", (members[0].id,)
    ).fetchone()
    assert found
    links = {who: target.link_to(who) for who in people}
    assert all(path.startswith("/review/group/") for path in links.values())
    return Asked(found[0], members, links)


def _row(target: Target, group_id: str, reviewer: str) -> tuple[str, str]:
    """The newest link's id and hash."""
    found = target.eyes.execute(
        "SELECT id, sha256 FROM review_links WHERE group_id = %s AND reviewer = %s ORDER BY created_at DESC",
        (group_id, reviewer),
    ).fetchone()
    assert found
    return found


async def _form(target: Target, path: str) -> str:
    return token_of_form(await target.client().get(path))


async def _both(target: Target, path: str, *statuses: int, **fields: Any) -> None:
    await target.refused(target.client(), "GET", path, *statuses)
    await target.refused(target.client(), "HEAD", path, *statuses)
    await target.refused(target.client(), "POST", path, *statuses, data={"kind": "approve", **fields})


async def _all_wait(target: Target, asked: Asked) -> None:
    assert {(await target.standing(a)).status.value for a in asked.members} == {"pending"}


async def forged(target: Target) -> None:
    asked = await _asked(target, "forged.example.com", ANNA)
    path = asked.links[ANNA]
    form = await _form(target, path)
    link_id, sha256 = _row(target, asked.group_id, ANNA)
    body = [link_id, asked.group_id, ANNA, sha256, LATE]
    single = review_links._signer(target.box.runtime, "link")
    for bad in (
        flipped(path),
        path[:-8],
        path.rpartition(".")[0],
        "/review/group/" + URLSafeSerializer("another key", salt="pitstop review group link").dumps(body),
        "/review/group/" + str(single.dumps(body)),
        "/review/group/" + str(single.dumps([link_id, asked.group_id, ANNA, LATE])),
        f"/review/group/{form}",
        path.replace("/review/group/", "/review/"),
        "/review/group/" + "x" * 5000,
        "/review/group/%00",
    ):
        await _both(target, bad, 403, form=form)
    signer = review_links._signer(target.box.runtime, "form")
    token = path.removeprefix("/review/group/")
    wrong = ("", "x", token, flipped(form), str(signer.dumps(["lnk_other", sha256, LATE, "n"])))
    for bad_form in wrong:
        given = {"form": bad_form, "kind": "approve"}
        await target.refused(target.client(), "POST", path, 403, data=given)
    await _all_wait(target, asked)


async def expired(target: Target) -> None:
    asked = await _asked(target, "expired.example.com", ANNA)
    link_id, sha256 = _row(target, asked.group_id, ANNA)
    form = await _form(target, asked.links[ANNA])
    runtime = target.box.runtime
    old = review_links._signer(runtime, "group link").dumps([link_id, asked.group_id, ANNA, sha256, OLD])
    await _both(target, f"/review/group/{old}", 410, form=form)
    old_form = review_links._signer(runtime, "form").dumps([link_id, sha256, OLD, "n"])
    given = {"form": old_form, "kind": "approve"}
    await target.refused(target.client(), "POST", asked.links[ANNA], 410, data=given)
    await _all_wait(target, asked)


async def replayed(target: Target) -> None:
    asked = await _asked(target, "replayed.example.com", ANNA)
    path = asked.links[ANNA]
    form = await _form(target, path)
    given = {"form": form, "kind": "reject", "except": [asked.members[2].id]}
    assert (await target.client().post(path, data=given)).status_code == 200
    for kind in ("reject", "approve", "respond"):
        answer = await target.refused(target.client(), "POST", path, 409, data={**given, "kind": kind})
        assert "You used this link" in answer.text
    await target.refused(target.client(), "GET", path, 409)
    left = [(await target.standing(a)).status.value for a in asked.members]
    assert left == ["rejected", "rejected", "pending"], "who was left out is out of its reach"


async def of_another_reviewer_or_group(target: Target) -> None:
    asked = await _asked(target, "mine.example.com", ANNA, BEN)
    other = await _asked(target, "other.example.com", ANNA)
    bens, others = await _form(target, asked.links[BEN]), await _form(target, other.links[ANNA])
    for form in (bens, others):
        given = {"form": form, "kind": "approve"}
        await target.refused(target.client(), "POST", asked.links[ANNA], 403, data=given)
    link_id, sha256 = _row(target, asked.group_id, ANNA)
    _, other_sha256 = _row(target, other.group_id, ANNA)
    signer = review_links._signer(target.box.runtime, "group link")
    bodies: list[list[Any]] = [
        [link_id, other.group_id, ANNA, sha256, LATE],
        [link_id, asked.group_id, BEN, sha256, LATE],
        [link_id, asked.group_id, "root@example.com", sha256, LATE],
        [link_id, asked.group_id, ANNA, other_sha256, LATE],
        ["lnk_none", asked.group_id, ANNA, sha256, LATE],
    ]
    for body in bodies:
        await _both(target, f"/review/group/{signer.dumps(body)}", 404, form=others)
    strangers = {"form": await _form(target, asked.links[ANNA]), "kind": "approve"}
    strangers["except"] = other.members[0].id
    await target.refused(target.client(), "POST", asked.links[ANNA], 422, data=strangers)
    await _all_wait(target, asked)
    await _all_wait(target, other)


async def prefetched(target: Target) -> None:
    asked = await _asked(target, "prefetched.example.com", ANNA)
    path = asked.links[ANNA]
    form = await _form(target, path)
    scanner = {"user-agent": "Mozilla/5.0 (compatible; SafeLinks)", "purpose": "prefetch"}
    tempting = {"kind": "approve", "form": form, "_method": "POST", "confirm": "1"}
    for method in ("GET", "HEAD"):
        for query in ({}, tempting):
            await target.refused(target.client(), method, path, 200, params=query, headers=scanner)
    for method in ("OPTIONS", "PUT", "PATCH", "DELETE"):
        await target.refused(target.client(), method, path, 405)
    elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://evil.example.com"}
    given = {"form": form, "kind": "approve"}
    await target.refused(target.client(), "POST", path, 403, data=given, headers=elsewhere)
    await target.refused(target.client(), "POST", path, 403, json=given)
    await _all_wait(target, asked)


async def on_members_that_were_not_shown(target: Target) -> None:
    asked = await _asked(target, "grown.example.com", ANNA)
    path = asked.links[ANNA]
    given = {"form": await _form(target, path), "kind": "approve"}
    late = await _joins(target, 9, "grown.example.com", [ANNA])
    for kind in ("approve", "reject"):
        answer = await target.refused(target.client(), "POST", path, 409, data={**given, "kind": kind})
        assert "members joined, left or changed" in answer.text
    signer = review_links._signer(target.box.runtime, "form")
    link_id, _ = _row(target, asked.group_id, ANNA)
    made_up = {"form": signer.dumps([link_id, "0" * 64, LATE, "n"]), "kind": "approve"}
    await target.refused(target.client(), "POST", path, 409, data=made_up)
    assert (await target.standing(late)).status.value == "pending"
    await _all_wait(target, asked)


async def by_one_who_may_no_more(target: Target) -> None:
    asked = await _asked(target, "demoted.example.com", VERA)
    path = asked.links[VERA]
    form = await _form(target, path)
    await target.box.token(VERA, "viewer")
    await _both(target, path, 403, form=form)
    await _all_wait(target, asked)


ATTACKS = {
    "group link: forged, or its form": forged,
    "group link: expired, or its form": expired,
    "group link: replayed": replayed,
    "group link: another reviewer's, another group's": of_another_reviewer_or_group,
    "group link: prefetch by GET and HEAD, other methods, other sites": prefetched,
    "group link: on members that were not shown": on_members_that_were_not_shown,
    "group link: held by one who may no more": by_one_who_may_no_more,
}
