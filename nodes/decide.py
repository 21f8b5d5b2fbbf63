"""Propose one action, and write it down as an approval row."""

from datetime import datetime
from typing import Any

from langgraph.runtime import Runtime

from core.actions import (
    CHANGES_THE_WORLD,
    TELLS_PEOPLE,
    Action,
    Proposal,
    check_params,
    payload_sha256,
)
from core.approvals import NewApproval
from core.groups import Cause, Grouping, cause_of
from core.incident import AUTHORISES, Diagnosis, Prediction, Status
from core.policy import Mode, Rules
from core.run import RunFacts
from nodes.context import Context
from nodes.outputs import run_facts
from nodes.state import State
from nodes.telling import messages


async def decide(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Derive the proposal under the policy's rules and record it, with its notices, for the reviewer.

    Doing it twice changes nothing: the row is keyed by incident, attempt, revision and payload hash. In
    `observe` mode, or while a person has muted the incident or taken it over, nothing is asked for.
    """
    ctx = runtime.context
    incident_id = state["incident_id"]
    diagnosis = Diagnosis.model_validate(state["diagnosis"])
    run = await run_facts(state, ctx)
    rules = ctx.policy.rules_for(run.job_name, run.tags, diagnosis.failure_class)
    proposal = addressed(await _proposal(state, ctx, diagnosis, run, rules), rules, run)
    if warning := state.get("warning"):
        proposal = proposal.model_copy(update={"risks": [warning[:500], *proposal.risks][:20]})
    row = await ctx.store.incident(incident_id)
    await _record(state, ctx, proposal)
    if row.taken_over_by or row.muted:
        return {
            "proposal": proposal.model_dump(mode="json"),
            "outcome": "taken_over" if row.taken_over_by else "muted",
            "route": "learn",
        }
    if rules.mode is Mode.OBSERVE:
        return {"proposal": proposal.model_dump(mode="json"), "outcome": "observed", "route": "learn"}
    by_hand = row.second_look is not None or bool(await ctx.store.attachments(incident_id))
    new = approval_for(
        state, proposal, rules, diagnosis, cause_of(diagnosis, run), by_hand=by_hand, now=ctx.clock.now()
    )
    approval = await ctx.store.propose(new)
    critical = rules.critical and proposal.action is not Action.ESCALATE
    if critical and await ctx.store.speaks(approval.id):
        await ctx.store.notify(
            incident_id, "critical", rules.escalate_to or rules.owners, key=f"critical/{state['attempt']}"
        )
    waiting = Status.ACTING if approval.status in AUTHORISES else Status.AWAITING_APPROVAL
    await ctx.store.update_incident(incident_id, status=waiting)
    return {
        "proposal": proposal.model_dump(mode="json"),
        "approval_id": approval.id,
        "shown_sha256": approval.payload_sha256,
        "messages": messages(state, approval.proposal),
        "review_error": "",
        "warning": "",
        "route": "review",
    }


def approval_for(
    state: State,
    proposal: Proposal,
    rules: Rules,
    diagnosis: Diagnosis,
    cause: Cause | None = None,
    *,
    now: datetime,
    by_hand: bool = False,
) -> NewApproval:
    """The approval row to be: who may decide it, until when, and whether a rule decides it at once.

    Where nobody answered, the next are told without being asked about: that question would wait for the same people.
    After a warning no rule decides: what did not help elsewhere takes a person to try again. `by_hand` says that
    a person brought evidence or asked for a second look: then none does either, or it would do their bidding.
    """
    params = check_params(proposal.action, proposal.params)
    rule: str | None = None
    doubt = bool(state.get("warning")) or by_hand
    if proposal.action in TELLS_PEOPLE and not rules.notify_needs_approval:
        rule = "policy: telling people needs no approval"
    elif proposal.action is Action.ESCALATE and state.get("unanswered"):
        rule = "policy: nobody decided in time, so the next are told"
    else:
        granted = rules.auto_rule(diagnosis.failure_class, proposal.action, proposal.confidence)
        if granted and not state.get("low_support") and not doubt:
            rule = (
                f"policy: {granted.failure_class} x {granted.action.value}, granted by {granted.granted_by}"
            )
    return NewApproval(
        incident_id=state["incident_id"],
        attempt=state["attempt"],
        revision=state.get("revision", 1),
        proposal=proposal,
        payload_sha256=payload_sha256(state["incident_id"], state["attempt"], proposal.action, params),
        approvers=rules.approvers,
        barred=_started_by(state) if rules.separate_duties else [],
        separate_duties=rules.separate_duties,
        ttl_seconds=rules.seconds_to_decide(now),
        decided_by_rule=rule,
        notify=[] if rule else (rules.notify or rules.approvers or rules.owners),
        grouping=_grouping(proposal, rules, cause, alone=doubt),
    )


def _started_by(state: State) -> list[str]:
    """Who started the run by hand; nobody, where a schedule or another job did."""
    run = state.get("run", {})
    creator = run.get("creator", "") if run.get("trigger") == "ONE_TIME" else ""
    return [creator] if creator else []


def _grouping(proposal: Proposal, rules: Rules, cause: Cause | None, *, alone: bool) -> Grouping | None:
    """How the policy groups this one with others of its cause; None where there is no cause to share.

    `alone`: it follows no decision that was made on the others.
    """
    if cause is None or not rules.groups.window_seconds or proposal.action not in CHANGES_THE_WORLD:
        return None
    settings = rules.groups.model_dump(exclude={"follow"})
    follow = proposal.action in rules.groups.follow and not alone
    return Grouping(cause=cause, follow=follow, **settings)


def addressed(proposal: Proposal, rules: Rules, run: RunFacts) -> Proposal:
    """The proposal with the policy's recipients filled in; log text never names one."""
    if proposal.action not in TELLS_PEOPLE:
        return proposal
    owners = rules.owners or [o for o in (run.tags.get("owner", ""), run.creator) if "@" in o][:1]
    if proposal.action is Action.ESCALATE:
        people = rules.escalate_to or rules.approvers or owners
    else:
        people = owners or rules.approvers
    return proposal.model_copy(update={"params": {**proposal.params, "recipients": list(people)[:50]}})


async def _proposal(
    state: State, ctx: Context, diagnosis: Diagnosis, run: RunFacts, rules: Rules
) -> Proposal:
    refusal = state.get("refusal", "")
    if refusal:
        return Proposal(
            action=Action.ESCALATE,
            params={"reason": refusal[:1000]},
            reason=f"Pitstop stops here: {refusal[:500]}",
            confidence=1.0,
        )
    return ctx.investigator.propose(
        diagnosis,
        run,
        rules,
        attempt=state["attempt"],
        low_support=state.get("low_support", False),
        tried=state.get("tried", []),
        jobs=await _producing_jobs(ctx, diagnosis, rules),
    )


async def _producing_jobs(ctx: Context, diagnosis: Diagnosis, rules: Rules) -> dict[str, int]:
    """The ids of the jobs that the policy names, by name only, for what the diagnosis says is missing."""
    producers = [rules.producer_of(value) for value in diagnosis.facts.values() if value]
    names = {p.job_name for p in producers if p and p.job_id is None and p.job_name}
    found = {name: await ctx.workspace.find_job(name) for name in sorted(names)}
    return {name: job_id for name, job_id in found.items() if job_id is not None}


async def _record(state: State, ctx: Context, proposal: Proposal) -> None:
    """Show the newest answer in the incident, and add it to the trail."""
    await ctx.store.update_incident(
        state["incident_id"],
        run=state["run"],
        diagnosis=state["diagnosis"],
        triad=state.get("triad", {}),
        prediction=state.get("prediction") or Prediction(probability=0, low=0, high=1).model_dump(),
        similar=state.get("similar", []),
        proposal=proposal.model_dump(mode="json"),
        tried=state.get("tried", []),
        history=state.get("history", []),
        tasks=state.get("tasks", {}),
        low_support=state.get("low_support", False),
    )
    await ctx.store.add_event(
        state["incident_id"],
        "proposed",
        {
            "attempt": state["attempt"],
            "revision": state.get("revision", 1),
            "action": proposal.action.value,
            "failure_class": state["diagnosis"]["failure_class"],
            "confidence": proposal.confidence,
        },
        key=f"proposed/{state['attempt']}/{state.get('revision', 1)}",
    )
