"""What orders to a model or an agent look like in plain English: sentences, each with how sure it is one."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["order", "markup", "tool_call"]
Rule = tuple[Kind, float, re.Pattern[str]]


class Hint(NamedTuple):
    """What counts only together with hints of other groups."""

    group: str
    score: float
    pattern: re.Pattern[str]


def order(pattern: str, score: float = 0.9) -> Rule:
    """A rule for a sentence, whatever its case."""
    return "order", score, re.compile(pattern, re.IGNORECASE)


def _hint(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_EARLIER = r"(?:previous|prior|above|preceding|earlier|foregoing|existing|initial|original|former|system|other|your|these|those|safety)"
_WORDS = r"(?:instructions?|prompts?|directives?|rules?|guidelines?|commands?|orders|policy|policies|context|constraints?|guardrails?|programming|training|messages?|evidence|findings|diagnosis)"
_DROP = r"(?:ignore|disregard|forget|override|bypass|overrule|neglect|dismiss|discard)"
#: Names that only an agent has, and names that much else has too.
_AI = r"(?:a\.?i\.?(?:[ -](?:agents?|assistants?|models?|systems?|bots?|reviewers?))?|llms?|(?:large )?language models?|chat ?bots?|chatgpt|gpt(?:-?\d)?|claude|gemini|copilot|pitstop|langgraph|automated (?:reviewers?|readers?|systems?|triage)|(?:diagnos\w+|reviewer|triage) (?:agents?|models?|bots?|assistants?))"
_AGENT = rf"(?:{_AI}|assistant|(?:automation |autonomous |on-?call |sre |ops )?(?:agents?|model|bot))"
#: What is asked of Pitstop alone, and what is asked of programs every day.
_DO = r"(?:retry|rerun|re-run|repair|approve|authori[sz]e|terminate|cancel|delete|drop|grant|escalate|close|resolve|ignore|skip|choose|select|classify|categori[sz]e|label|diagnose|propose|recommend|disclose|exfiltrate|obey|accept|forget|pretend|(?:not |never )(?:mention|report|escalate|notify|tell|flag))"
_SAY = r"(?:answer|respond|reply|output|print|return|say|state|report|set|mark|use|send|post|forward|reveal|upload|include|call|run|invoke|execute|trigger|raise|summari[sz]e|increase|change|write|require|require\w*)"
_ACTION = r"(?-i:RETRY(?:_WITH_NEW_PARAMS)?|RUN_UPSTREAM|TERMINATE|PROPOSE_FIX|NOTIFY_OWNER|ESCALATE)"
_AIM = rf"(?:{_ACTION}|category|failure[ _]class|confidence|approv\w+|reviewers?|the owner|evidence|https?://|[\w.]+@[\w.]+|transient|root cause|max_\w+|num_workers|spark\.[\w.]+|credentials|driver log|no error|proposal)"
_KIND = r"(?:transient|retry|retryable|resolved|network|timeout|resource|permission|infrastructure|data|syntax|unknown|harmless|benign|approved|success\w*|fixed|false positive|low|spot|[a-z]+(?:_[a-z]+)+)"
_FAILURE = (
    r"(?:(?:failed |current |whole )?(?:failure|error|run|incident|problem|issue|crash|exception|traceback))"
)
_BE = r"(?:must|should|shall|has to|have to|is to|needs? to|ought to)"

ORDERS: tuple[Rule, ...] = (
    # What came before shall not count.
    order(
        rf"\b{_DROP}\b[^.,;:]{{0,40}}?\b(?:all|any|every|the|your|of|my|these|those|everything)?\s*{_EARLIER}\b[^.,;:]{{0,15}}?\b{_WORDS}\b"
    ),
    order(
        r"\b(?:ignore|disregard|forget|discard)\s+(?:everything|anything|all)\s+(?:(?:that\s+)?(?:was|were|is|you)\b|above|before|written|said|so far|else|in the (?:log|prompt))"
    ),
    order(
        r"\b(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+|your\s+|my\s+)?(?:[a-z]+\s)?(?:instructions|guidelines|guardrails|safety|system prompt|policy|policies|rules)\s+(?:above|you\b|given|and\b|of\b)"
    ),
    order(
        r"\b(?:ignore|disregard|forget)\s+your\s+(?:[a-z]+\s)?(?:instructions|guidelines|guardrails|safety|policy|policies|rules|training)\b"
    ),
    order(
        r"\b(?:ignore|disregard|forget)\s+(?:the|this|that|what|its)\b[^\n,.]{0,20}\b(?:stack ?trace|traceback|sqlstate|evidence|logs?|error|failure|says)\b[^\n]{0,30}?(?:\band|,|\.|;)\s+(?:call|say|classify|diagnose|choose|answer|report|approve|retry|treat|mark|the cause)\b"
    ),
    order(
        r"\b(?:everything|all|lines?|text|log|evidence|errors?)\s+(?:above|below|before|after)(?:\s+this(?:\s+line)?)?\s+(?:is|are|was|were)\s+(?:only\s+|just\s+|now\s+)?(?:an?\s+)?(?:simulated|fake|fictional|test fixture|not (?:a )?real|trusted|outdated|void)"
    ),
    order(
        r"\b(?:stop reading (?:here|now)|do not read (?:any )?(?:further|on)|don't read (?:any )?(?:further|on)|(?:remaining|other) lines are fake|treat everything (?:above|below) as)\b",
        0.8,
    ),
    order(
        r"\b(?:previous|earlier|prior|first)\s+(?:evidence|diagnosis|classification|analysis)\s+(?:is|was|are)\s+(?:wrong|outdated|incorrect|invalid|fake|void)",
        0.75,
    ),
    order(
        r"\b(?:new|updated|revised|real|actual|secret|hidden)\s+(?:instructions?|orders|directives?|system prompt|system message)\s*(?:for\b[^\n]{0,30}?|follow)?(?:[:-]|\u2014)\s*\S",
        0.85,
    ),
    order(
        r"\b(?:the|your) (?:system prompt|instructions) (?:has|have|was|were|is|are) (?:changed|replaced|updated|void|superseded)\b|\byou now (?:serve|obey|follow|work for)\b",
        0.85,
    ),
    order(
        r"\b(?:end|stop)\s+of\s+(?:the\s+)?(?:log|logs|evidence|context|data|document|input|user input|untrusted (?:data|text))\b[^\n]{0,40}?\b(?:now|system|new|instructions?|assistant|you)\b",
        0.8,
    ),
    # Somebody speaks to the agent.
    order(
        rf"\b(?:attention|notes?|messages?|instructions?|memo|hint|hello|dear|hey|hi|reminder|notice|warning)\b[^\n:.]{{0,40}}?[\s,:]{{1,3}}(?:to\s+|for\s+)?(?:the\s+|all\s+|any\s+|every\s+|you,?\s+)?{_AGENT}\b(?#)[^\n]{{0,40}}?[:,!.]\s[^\n]{{0,60}}?\b(?:you\b|please\b|must\b|should\b|do not\b|don't\b|never\b|always\b|(?:correct|right|real|only) |the answer|this failure|{_DO}\b|{_SAY}\b[^\n]{{0,40}}\b{_AIM})",
        0.85,
    ),
    order(
        rf"(?:^|[\"'.:;>\]|-])\s*(?:to|for)\s+(?:the\s+|any\s+|all\s+|every\s+)?(?:{_AI}|who(?:m|ever)\s+(?:reads?|analy[sz]es|parses|processes|diagnoses))\b[^\n:]{{0,40}}:\s*\S",
        0.85,
    ),
    order(
        rf"\b(?:if|when|since|because|as)\s+(?:you(?:'re| are)\s+)?(?:reading this\b[^\n]{{0,30}}?)?(?:an?\s+|the\s+)?{_AGENT}\b[^\n]{{0,40}}?\b(?:you|must|should|please|skip|say)\b[^\n]{{0,60}}?\b(?:{_DO}|say|answer|reply|respond|call|report)\b",
        0.85,
    ),
    order(
        rf"(?:^|[^\w.]){_AI}\s*(?:instructions?)?[,:]\s+(?:please\s+|kindly\s+)?(?:now\s+|always\s+|you\s+)?(?:{_DO}|{_SAY})\b"
    ),
    order(
        rf"\b(?:assistant|agent|bot|model)(?: instructions)?[,:]\s+(?:please\s+|kindly\s+|you\s+)?(?:{_DO}\s+(?:the|this|it|all|every|until|yourself|that|your|{_ACTION})\b|do it\b|{_SAY}\s[^\n]{{0,40}}\b{_AIM})"
    ),
    order(
        rf"\b{_AGENT}\b[,:]?\s+(?:(?:you\s+)?(?:must|should|shall|need to|have to|has to|will|may|(?:is|are) (?:required|instructed|ordered|authori[sz]ed|allowed) to)|please)\s+(?#)(?:now\s+|immediately\s+|always\s+|only\s+)?(?:{_DO}|{_SAY}\b[^\n]{{0,60}}?{_AIM}|do the same|perform|proceed|always)\b"
    ),
    order(
        rf"\b(?:{_AI}|all agents)\b[^\n.]{{0,50}}?\b(?:must|should|shall|needs? to|ha(?:ve|s) to|(?:is|are) (?:required|instructed|ordered|authori[sz]ed|allowed) to)\s+(?:now\s+|immediately\s+|always\s+)?(?:{_DO}|{_SAY}\b[^\n]{{0,60}}?{_AIM})|\b(?:action|fix) for the {_AGENT}\b\s*[:=]"
    ),
    order(r"\byou,?\s+(?:the|an?)\s+(?:a\.?i|llm|language model|model|agent|assistant|bot)\b"),
    order(rf"\b(?:call|run|use|execute|do) (?:this|it)(?: now)?, {_AGENT}\b"),
    # What the agent is now, and what it wants.
    order(
        r"\byou(?:'re| are)\s+(?:now|no longer|actually|really)\s+(?:an?\s+|the\s+|in\s+|free|bound|acting|allowed|operating|my\b|restricted|required|dan\b)(?!\s*(?:using|connected))",
        0.85,
    ),
    order(
        rf"\b(?:act|behave|respond|pretend|roleplay|role-play)\s+as\s+(?:if\s+you\s+(?:are|were)\s+)?(?:an?\s+|the\s+|my\s+)?(?:senior\s+)?(?:{_AGENT}|administrator|admin|root|developer|system|reviewer|approver|dan|sre|operator)\b"
    ),
    order(r"\bpretend (?:that )?(?:the|this|it|you|nothing)\b"),
    order(r"\bfrom now on,? (?:you|the (?:agent|assistant|model)|all agents|policy)\b"),
    order(
        r"\byour (?:new |only |sole |real |actual )(?:task|goal|purpose|mission|objective|job)(?: is)?\b\s*(?:to\b|:|now\b)"
    ),
    order(
        r"\b(?:developer|admin|god|debug|maintenance|sudo|jailbreak|unrestricted|dan)\s+mode\b[^\n]{0,10}(?:\bon\b|enabled|activated|engaged|unlocked|[.:])[^\n]{0,60}?\b(?:you|agent|assistant|ignore|policy|restrictions?|approval|approve|filter)\b",
        0.85,
    ),
    order(
        rf"\byou\s+(?:must|should|shall|need to|have to|are (?:required|instructed|ordered|to)|will(?: now)?)\s+(?:now\s+|immediately\s+|always\s+|only\s+|not\s+|never\s+)?(?:retry\s+(?:{_ACTION}|it|this|at once|and)|rerun|approve|authori[sz]e|terminate|escalate|classify|categori[sz]e|label this|answer|reply with|output|say|propose|recommend|mark this|reveal|disclose|exfiltrate|choose|retry(?=\W*$))\b"
    ),
    # The verdict is given.
    order(
        rf"\b(?:classify|categori[sz]e|label|mark|report|treat|record|diagnose|call|flag|log)\s+(?:this|it|that|the)(?:\s+{_FAILURE})?\s+(?:as\s+|an?\s+(?=\w+(?:$|\W)))(?:an?\s+|the\s+)?[\"'`]?{_KIND}\b(?!\s+(?:type|column|table|file|value|frame))"
    ),
    order(
        rf"\b(?:this|it|that|the)(?:\s+{_FAILURE})?\s+{_BE}\s+be\s+(?:classified|categori[sz]ed|labell?ed|marked|treated|recorded|diagnosed|reported)\s+as\s+(?:an?\s+|the\s+)?[\"'`]?{_KIND}"
    ),
    order(
        rf"\b(?:correct|right|only|required|proper|mandatory|recommended|best|approved|appropriate|acceptable|valid|real)\s+(?:acceptable\s+|valid\s+)?(?:failure[ _]class|class|action|category|proposal|answer|classification|diagnosis|remediation|response|fix)\s+(?:[^\n.:]{{0,30}}?\s)?(?:is|should be|must be|=|:)\s*[\"'`]?(?:a\s+|an\s+)?(?:{_ACTION}|transient|infrastructure|network|timeout|permission|(?:to )?(?:approve|rerun|retry|terminate|drop|delete)|[a-z]+_[a-z_]+)\b"
    ),
    order(
        rf"\bfailure[ _]class\s+(?:is|must be|should be)\s+[\"'`]?[a-z]+_[a-z_]+|\b(?:with|use|choose|return)\s+(?:the\s+)?(?:failure[ _]class|category)\s*[=: ]\s*[\"'`]?{_KIND}"
    ),
    order(
        r"\b(?:set|choose|select|pick|propose|recommend|change|force|make)\s+(?:the\s+)?(?:failure[ _]class|category|action|proposal|proposed action|confidence|root[ _]cause|verdict|classification|diagnosis|severity)\s*(?:to\b|as\b|=|must\b|should\b|be\b)\s*[\"'`]?(?:\d|[a-z]+_[a-z]|(?:retry|terminate|run_upstream|notify|escalate|approve|transient|network|timeout|resource|permission|infrastructure|data|syntax|unknown|harmless|low)\b)(?!\s+(?:column|table|type))"
    ),
    order(
        rf"\b(?:answer|reply|respond|output|choose|select|pick|propose|recommend|issue|say|return|execute|perform|approve|trigger)\s+(?:with\s+|the\s+|an?\s+|only\s+|just\s+|any\s+|action\s+|single\s+|word\s+|this\s+|[:\"'`]\s*){{0,4}}{_ACTION}(?!\w)"
    ),
    order(
        r"\b(?:choose|pick|say|answer)[: ]\s*(?:the\s+)?(?:category\s+|class\s+|that\s+)?[\"'`]?(?:transient|infrastructure|dns_failure|unknown|spot|(?:spot|network|cluster|connection|executor|driver|lock)_[a-z_]+)\b"
    ),
    order(
        r"\b(?:answer|reply|respond)\s+(?:only|just|exactly|solely|strictly)?\s*(?:with|in)\s+(?:the\s+)?(?:single\s+)?(?:word|json|action|category|text|following|string|class|failure[ _]class)\b|\byour answer (?:must|should|is to) be\b"
    ),
    order(
        r"\b(?:respond|reply|answer|output)\s+(?:only|just|exactly|solely|strictly)\b[^\n]{0,20}?(?:with|:|\"|'|`|the\b)"
    ),
    order(
        rf"\b(?:override|overriding|overruled?)\b[^\n]{{0,40}}\b(?:confidence|category|failure_class)\b[^\n]{{0,40}}\b{_ACTION}"
    ),
    order(
        r"\b(?:use|set|raise|put|write|say|state|include|claim|mention|always|add)\b[^\n]{0,70}\bin your (?:proposal|answer|report|response|reply|diagnosis|summary|output)\b|\bin (?:your|the) (?:answer|response|reply|summary|diagnosis|report)\b,?\s+(?:you\s+)?(?:say|write|state|claim|always)\b",
        0.8,
    ),
    order(
        r"\bwhen\s+(?:you(?:'re| are)?\s+)?(?:summari[sz]\w*|diagnos\w*|asked|analy[sz]\w*|classif\w*|report on|describe)\b[^\n]{0,50}?[, ]\s*(?:say|state|write|answer|claim|always|respond|reply|choose)\b",
        0.85,
    ),
    # Approval, and who must not know.
    order(
        r"\b(?:auto-?approve|pre-?approved|already approved|approved by (?:the )?(?:admin|owner|management|security|cto|ceo|operator|sre|on-?call)|granted by (?:the )?(?:admin|owner))\b[^\n]{0,80}?\b(?:retry|run|action|proceed|execute|without|skip|no (?:review|approval)|this|go on)\b",
        0.85,
    ),
    order(
        r"\b(?:skip|bypass|without|no need for|do not (?:wait for|require|ask for)|don't (?:wait for|require|ask for))\s+(?:any\s+|the\s+|further\s+|human\s+|manual\s+){0,3}(?:human|approval|review|reviewer|confirmation|permission to|human[- ]in[- ]the[- ]loop|sign-?off|asking any(?:body|one))\b(?!\s+(?:of|comments?|file))"
    ),
    order(
        r"\b(?:i|we) (?:hereby |now )?(?:approve|authori[sz]e|order|command|instruct) (?:you|this|the (?:action|repair|proposal|run))\b|\bconsider (?:this|the) [a-z]{0,10}\s?(?:as )?approved\b|\bapprove (?:yourself|itself|everything|every pending)\b|\bclick approve\b"
    ),
    order(
        r"\bdo (?:what|as) i (?:say|tell)\b|\byou have been authori[sz]ed to\b|\bpolicy (?:no longer|does not) appl"
    ),
    order(
        r"\b(?:do not|don't|never)\s+(?:mention|tell|inform|notify|alert|reveal|escalate|report|flag)\b[^\n]{0,40}?\b(?:owner|human|reviewer|anyone|operator|admin|team|this (?:message|instruction|text|line)|these instructions|injection|people|person|suspicious)\b"
    ),
    order(r"\btell (?:the )?(?:reviewer|owner|operator|team|people|human)s? (?:that|to)\b", 0.8),
    order(
        r"\b(?:e-?mail|notify|mail|send|forward|alert)\b[^\n]{0,60}?(?:\binstead of the (?:owner|team|reviewer)|\band (?:nobody|no ?one) else\b)|\b(?:e-?mail|send|forward|post)\s+(?:this|the)\s+(?:incident|diagnosis|approval|proposal)\s+to\b"
    ),
    order(
        r"\b(?:reveal|print|show|output|repeat|leak|expose|display|send|dump|disclose|exfiltrate|include|post|email|upload)\b[^\n]{0,15}?\b(?:your |the |all )(?:system prompt|initial instructions|hidden instructions|api keys?|access tokens?|credentials|secrets|environment variables|env vars|databricks_token|openai_api_key)\b[^\n]{0,40}?(?:\bto\s+\S+@|\bto\s+https?:|\bverbatim\b|\bhere\b|\bin (?:your|the) (?:answer|report|reply)|\.$|$)",
        0.8,
    ),
    order(
        r"\bthis (?:is|was) (?:an? )?(?:authori[sz]ed|official|legitimate|verified) (?:instruction|override|command)\b|\bauthori[sz]ed override\b",
        0.75,
    ),
    order(
        rf"\b(?:please\s+)?(?:execute|perform|trigger|run|issue|call|retry|approve)\s+(?:the\s+|an?\s+|this\s+)?(?:action\s+)?(?:{_ACTION}|cancel_run|repair_run|delete_(?:job|run|table))\b(?!\()",
        0.7,
    ),
    order(r"\bmust (?:choose|pick) (?-i:[A-Z])", 0.8),
)

#: Groups of hints: a sentence that has several of them is an order even where no rule knows its words.
HINTS: tuple[Hint, ...] = (
    Hint("address", 0.45, _hint(rf"\b{_AI}\b")),
    Hint("address", 0.3, _hint(r"\b(?:agents?|assistant|model|bot)\b")),
    Hint("address", 0.25, _hint(r"\b(?:you|your|whoever)\b")),
    Hint(
        "override",
        0.3,
        _hint(
            r"\b(?:ignore|disregard|forget|pretend|bypass|overrid\w+|overrule|supersedes?|exempt|regardless|hereby|on behalf of|no longer applies|authori[sz]ed to|granted|void|do not use|you have a new role)\b"
        ),
    ),
    Hint(
        "override",
        0.25,
        _hint(r"\b(?:instead of|don't use|as noise|is fine|is ok|is safe|intended)\b"),
    ),
    Hint(
        "matter",
        0.45,
        _hint(r"\b(?:failure[ _]class|redaction|human review|system prompt|auto-?approv\w+)\b"),
    ),
    Hint(
        "matter",
        0.35,
        _hint(r"\b(?:reviewers?|root cause|proposal|proposed action|diagnosis)\b"),
    ),
    Hint(
        "matter",
        0.3,
        _hint(
            r"\b(?:approv(?:e|ed|al|als)|incident|evidence|confidence|catalogue|category|classification|policy limits|instructions?|prompt|directive|stack ?trace)\b"
        ),
    ),
    Hint(
        "bid",
        0.3,
        _hint(
            r"\b(?:must|should|shall|need(?:s|ed)? (?:you )?to|ha(?:ve|s) to|please|kindly|make sure|always|never|do not|don't|immediately|right away|at once|next step|new role|from now on|if asked|to report is|let the|answer contains|give it|wants)\b"
        ),
    ),
    Hint(
        "bid",
        0.3,
        _hint(
            r"(?:^|[.:;,!\"'>\]-]\s*|\band )(?:approve|close|cancel|retry|rerun|repair|answer|reply|respond|say|choose|select|pick|set|treat|consider|continue|print|rate|override|write|tell|give|delete|ignore|execute|use my|call)\b"
        ),
    ),
    Hint("action", 0.4, _hint(rf"\b(?:{_ACTION}|APPROVED|repair_run|cancel_run)\b")),
    Hint(
        "action",
        0.15,
        _hint(
            r"\b(?:retry|rerun|repair|cancel|terminate|delete|harmless|benign|transient|apply the fix|the fix)\b"
        ),
    ),
    Hint(
        "prize",
        0.3,
        _hint(
            r"\b(?:databricks_token|api[ _]keys?|credentials|access tokens?|environment variables|max_workers|num_workers|\S+@\S+\.\w+)\b"
        ),
    ),
)
#: From this sum of the best hint of each group on, and from so many groups on, it is an order.
ENOUGH, GROUPS = 0.9, 3
#: Without a hint of one of these no sum is enough, so only they are looked for.
TELLING_GROUPS = frozenset({"override", "matter", "prize"})
