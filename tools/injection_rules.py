"""What orders to a model look like: sentences in several languages, conversation markup, imitated tool calls."""

from __future__ import annotations

import re
from typing import Literal

from tools.log_reader.signals import Signal

Kind = Literal["order", "markup", "tool_call"]
Rule = tuple[Kind, float, re.Pattern[str]]


def _trigger(pattern: bytes, *, caseless: bool = True) -> Signal:
    return Signal("trigger", pattern, (b"",), "message", 0.0, caseless=caseless)


def _order(pattern: str, score: float = 0.9) -> Rule:
    return "order", score, re.compile(pattern, re.IGNORECASE)


_EARLIER = r"(?:previous|prior|above|preceding|earlier|foregoing|existing|initial|original|former|system|other|your|these|those|safety)"
_WORDS = r"(?:instructions?|prompts?|directives?|rules?|guidelines?|commands?|orders|policy|policies|context|constraints?|guardrails?|programming|training|messages?|text|evidence|findings|diagnosis|logs?|errors?)"
#: What can be asked of Pitstop, or of any agent in its place.
_ACT = r"(?:retry|rerun|re-run|repair|approve|authori[sz]e|execute|run|call|invoke|trigger|terminate|cancel|delete|drop|grant|escalate|close|resolve|ignore|skip|choose|select|classify|categori[sz]e|label|answer|respond|reply|output|print|return|say|report|propose|recommend|set|mark|use|send|post|forward|reveal|disclose|exfiltrate|upload|include)"
_AGENT = r"(?:a\.?i\.?(?: (?:agent|assistant|model|system|bot|reviewer))?|llms?|(?:language |large language )model|chat ?bot|assistant|chatgpt|gpt(?:-?\d)?|claude|gemini|copilot|(?:ai |automation |autonomous |on-?call |sre |ops |diagnostic )?agents?|pitstop|langgraph|automated (?:reviewer|reader|system|triage))"

ORDERS: tuple[Rule, ...] = (
    _order(
        rf"\b(?:ignore|disregard|forget|override|bypass|overrule|neglect|dismiss|discard)\b[\s\S]{{0,40}}?\b(?:all|any|every|the|your|of|my|these|those|everything)?\s*{_EARLIER}\b[\s\S]{{0,25}}?\b{_WORDS}\b"
    ),
    _order(
        r"\b(?:ignore|disregard|forget|discard)\s+(?:everything|anything|all)\s+(?:(?:that\s+)?(?:was|were|is|you)\b|above|before|written|said|so far|else|in the (?:log|prompt))"
    ),
    _order(
        r"\b(?:ignore|disregard|forget)\s+(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+|your\s+|my\s+)?(?:instructions|guidelines|guardrails|safety|system prompt|policy|policies)\b"
    ),
    _order(
        r"\b(?:new|updated|revised|real|actual|secret|important|hidden|additional|special)\s+(?:instructions?|orders|directives?|task|system prompt|system message)\s*(?:for\b[^\n]{0,30}?)?[:\u2014-]\s*\S",
        0.85,
    ),
    _order(
        rf"\b(?:attention|note|message|instructions?|memo|hint|hello|dear|hey|hi|to|for|warning)\b[\s,:]{{1,3}}(?:to\s+|for\s+)?(?:the\s+|all\s+|any\s+|every\s+|you,?\s+)?{_AGENT}\b[^\n]{{0,40}}?[:,!.]\s[^\n]{{0,60}}?\b(?:you\b|please\b|must\b|should\b|do not\b|don't\b|never\b|always\b|{_ACT}\b)",
        0.85,
    ),
    _order(
        rf"\b(?:if|when|since|because|as)\s+(?:you(?:'re| are)\s+)?(?:reading this\b[^\n]{{0,30}}?)?(?:an?\s+|the\s+)?{_AGENT}\b[^\n]{{0,40}}?\b(?:reads?|reading|see|sees|processing|process|analy[sz]\w+|you|must|should|please)\b[^\n]{{0,60}}?\b{_ACT}\b",
        0.85,
    ),
    _order(
        r"\byou(?:'re| are)\s+(?:now|no longer|actually|really)\s+(?:an?\s+|the\s+|in\s+|free|bound|acting|allowed|operating|my\b|restricted|required|dan\b)",
        0.85,
    ),
    _order(
        rf"\b(?:act|behave|respond|pretend|roleplay|role-play)\s+as\s+(?:if\s+you\s+(?:are|were)\s+)?(?:an?\s+|the\s+|my\s+)?(?:{_AGENT}|administrator|admin|root|developer|system|reviewer|approver|dan)\b"
    ),
    _order(
        rf"\b{_AGENT}\b[,:]?\s+(?:(?:you\s+)?(?:must|should|shall|need to|have to|has to|will|is (?:required|instructed|ordered|authorized|authorised|allowed) to|are (?:required|instructed|ordered|authorized|authorised|allowed) to)|please)\s+(?:now\s+|immediately\s+|always\s+|not\s+|only\s+|never\s+)?{_ACT}\b"
    ),
    _order(
        r"\byou\s+(?:must|should|shall|need to|have to|are (?:required|instructed|ordered|to)|will now)\s+(?:now\s+|immediately\s+|always\s+|only\s+|not\s+|never\s+)?(?:retry|rerun|approve|authori[sz]e|terminate|escalate|classify|categori[sz]e|label|answer|respond|reply|output|say|propose|recommend|mark|reveal|disclose|exfiltrate)\b"
    ),
    _order(
        r"\b(?:respond|reply|answer|output)\s+(?:only|just|exactly|solely|with only|strictly)\b[^\n]{0,20}?(?:with|:|\"|'|`|the\b)"
    ),
    _order(
        r"\b(?:reply|respond|answer)\s+(?:with|in)\s+(?:the\s+)?(?:word|json|action|category|text|following|string|class)\b"
    ),
    _order(
        r"\b(?:set|choose|select|use|pick|output|return|propose|recommend|report|put|change|force|make)\s+(?:the\s+)?(?:failure[ _]class|category|action|proposal|proposed action|confidence|root[ _]cause|verdict|classification|diagnosis|severity)\s*(?:to\b|as\b|=|:|must\b|should\b|be\b)\s*[\"'`]?\w"
    ),
    _order(
        r"\b(?:the\s+)?(?:correct|right|only|required|proper|mandatory|recommended|best|approved|appropriate)\s+(?:action|category|proposal|answer|classification|diagnosis|remediation|response|fix)\s+(?:here\s+)?(?:is|should be|must be|=|:)\s*[\"'`]?(?:retry|retry_with_new_params|terminate|run_upstream|propose_fix|notify_owner|escalate|approve|rerun|permission|network|timeout|resource|syntax|data|infrastructure|to\s+\w+)\b"
    ),
    _order(
        r"\b(?:classify|categori[sz]e|label|mark|report|treat|record|diagnose)\s+(?:this|the|it)\b[^\n]{0,40}?\bas\s+[\"'`]?(?:transient|retry|resolved|network|timeout|resource|permission|infrastructure|data|syntax|unknown|harmless|benign|approved|success\w*|fixed|false positive|low)\b"
    ),
    _order(
        r"\b(?:auto-?approve|pre-?approved|already approved|approved by (?:the )?(?:admin|owner|management|security|cto|ceo|operator|sre|on-?call))\b[^\n]{0,80}?\b(?:retry|run|action|proceed|execute|without|skip|no (?:review|approval)|this)\b",
        0.85,
    ),
    _order(
        r"\b(?:skip|bypass|without|no need for|do not (?:wait for|require|ask for)|don't (?:wait for|require|ask for))\s+(?:any\s+|the\s+|further\s+|human\s+|manual\s+){0,3}(?:human|approval|review|reviewer|confirmation|permission to|human[- ]in[- ]the[- ]loop|sign-?off)\b"
    ),
    _order(
        r"\b(?:do not|don't|never)\s+(?:mention|tell|inform|notify|alert|reveal|escalate|show|report|flag)\b[^\n]{0,40}?\b(?:user|owner|human|reviewer|anyone|operator|admin|team|this (?:message|instruction|text|line)|these instructions|injection|people|person|people on call)\b"
    ),
    _order(
        r"\b(?:reveal|print|show|output|repeat|leak|expose|display|send|dump|disclose|exfiltrate|include|post|email|upload)\b[^\n]{0,30}?\b(?:your |the )?(?:system prompt|initial instructions|hidden instructions|api keys?|access tokens?|credentials|secrets|environment variables|env vars|databricks_token|openai_api_key)\b[^\n]{0,60}?(?:\bto\b|\bin\b|\bverbatim\b|\bat\b|\bhere\b|\.|$)",
        0.8,
    ),
    _order(
        r"\b(?:developer|admin|god|debug|maintenance|sudo|jailbreak|unrestricted|dan)\s+mode\s+(?:is\s+)?(?:now\s+)?(?:on\b|enabled|activated|engaged|unlocked)[^\n]{0,60}?\b(?:you|agent|assistant|model|ignore|policy|restrictions?|approval|filter)",
        0.85,
    ),
    _order(
        r"\b(?:end|stop)\s+of\s+(?:the\s+)?(?:log|logs|evidence|context|data|document|input|user input|untrusted (?:data|text))\b[^\n]{0,40}?(?:\b(?:now|system|new|instructions?|assistant|you)\b)[^\n]{0,60}",
        0.8,
    ),
    _order(
        r"\bthis (?:is|was) (?:an? )?(?:authori[sz]ed|official|legitimate|verified) (?:instruction|override|command|message|request|test)\b",
        0.75,
    ),
    _order(
        r"\b(?:in|for) (?:your|the) (?:answer|response|reply|summary|diagnosis|output|report)\b[^\n]{0,20}?\b(?:say|write|state|include|claim|mention|use|set|put|always)\b",
        0.7,
    ),
    _order(
        r"\b(?:please\s+)?(?:approve|execute|perform|trigger|run|issue|call)\s+(?:the\s+|an?\s+|this\s+)?(?:action\s+)?(?:RETRY_WITH_NEW_PARAMS|RUN_UPSTREAM|PROPOSE_FIX|NOTIFY_OWNER|TERMINATE|RETRY|cancel_run|repair_run|run_now|delete_(?:job|run|table))\b[^\n]{0,40}",
        0.7,
    ),
)

FOREIGN: tuple[Rule, ...] = (
    # German, Dutch
    _order(
        r"\b(?:ignorier\w*|missacht\w*|vergiss|vergesst|vergessen sie|negeer|vergeet)\b[\s\S]{0,40}?\b(?:anweisung\w*|instruktion\w*|befehl\w*|vorgaben|regeln|instructies|opdrachten|prompts?)"
    ),
    _order(
        r"\b(?:du bist jetzt|sie sind jetzt|je bent nu|antworte (?:nur|ausschlie\u00dflich)|antworten sie nur|w\u00e4hle (?:die )?aktion|setze (?:die )?(?:kategorie|aktion)|genehmige|best\u00e4tige (?:die|den|das) (?:aktion|neustart))\b"
    ),
    # French
    _order(
        r"\b(?:ignor(?:e[zr]?|ons)|oublie[zr]?|ne (?:tiens|tenez) pas compte)\b[\s\S]{0,40}?\b(?:instructions?|consignes?|directives?|r\u00e8gles?|ordres|prompts?)"
    ),
    _order(
        r"\b(?:tu es maintenant|vous \u00eates (?:maintenant|d\u00e9sormais)|r\u00e9ponds? (?:uniquement|seulement)|r\u00e9pondez (?:uniquement|seulement)|approuve[zr]? (?:l'action|automatiquement|la relance|cette)|choisi[ss]*e?[zs]? l'action)\b"
    ),
    # Spanish, Portuguese, Italian
    _order(
        r"\b(?:ignor[ae]n?|ignore|olvid[ae]|descart[ae]|haz caso omiso|desconsider[ae]|esque\u00e7a|dimentica|trascura)\b[\s\S]{0,40}?\b(?:instrucciones|\u00f3rdenes|reglas|instru\u00e7\u00f5es|ordens|regras|comandos|istruzioni|ordini|regole|prompts?)"
    ),
    _order(
        r"\b(?:ahora eres|agora voc\u00ea \u00e9|ora sei|responde (?:solo|s\u00f3lo|\u00fanicamente)|responda (?:apenas|somente|solo)|rispondi (?:solo|soltanto)|aprueba (?:la|esta|autom)|aprove (?:a|esta|autom)|approva (?:l'|la|questa|autom)|elige la acci\u00f3n|escolha a a\u00e7\u00e3o|scegli l'azione)"
    ),
    # Russian, Ukrainian, Polish, Turkish
    _order(
        r"(?:\u0438\u0433\u043d\u043e\u0440\u0438\u0440\u0443\u0439|\u0437\u0430\u0431\u0443\u0434\u044c|\u043d\u0435 \u043e\u0431\u0440\u0430\u0449\u0430\u0439|\u0456\u0433\u043d\u043e\u0440\u0443\u0439)[\s\S]{0,40}?(?:\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446|\u0443\u043a\u0430\u0437\u0430\u043d|\u043f\u0440\u0430\u0432\u0438\u043b|\u043a\u043e\u043c\u0430\u043d\u0434|\u0456\u043d\u0441\u0442\u0440\u0443\u043a\u0446)"
    ),
    _order(
        r"\b(?:zignoruj|ignoruj|zapomnij)\b[\s\S]{0,40}?\b(?:instrukcj\w+|polece\w+|zasad\w*)|(?:\u00f6nceki|t\u00fcm)\s+(?:t\u00fcm\s+)?(?:talimat|komut|y\u00f6nerge)\w*[\s\S]{0,20}?(?:yok say|unut|g\u00f6rmezden)"
    ),
    # Chinese, Japanese, Korean, Arabic, Hindi
    _order(
        r"(?:\u5ffd\u7565|\u65e0\u89c6|\u7121\u8996|\u5fd8\u8bb0|\u5fd8\u6389|\u4e0d\u8981\u7406\u4f1a)[\s\S]{0,15}?(?:\u6307\u4ee4|\u6307\u793a|\u63d0\u793a|\u547d\u4ee4|\u89c4\u5219|\u898f\u5247|\u5185\u5bb9)"
    ),
    _order(
        r"(?:\u6307\u793a|\u547d\u4ee4|\u6307\u4ee4|\u30d7\u30ed\u30f3\u30d7\u30c8|\u30eb\u30fc\u30eb)[\s\S]{0,10}?(?:\u7121\u8996|\u5fd8\u308c|\u7834\u68c4)|(?:\uc774\uc804|\ubaa8\ub4e0|\uc704\uc758)[\s\S]{0,10}?(?:\uc9c0\uc2dc|\uba85\ub839|\ud504\ub86c\ud504\ud2b8)[\s\S]{0,10}?(?:\ubb34\uc2dc|\uc78a)"
    ),
    _order(
        r"(?:\u062a\u062c\u0627\u0647\u0644|\u0627\u0646\u0633)[\s\S]{0,30}?(?:\u0627\u0644\u062a\u0639\u0644\u064a\u0645\u0627\u062a|\u0627\u0644\u0623\u0648\u0627\u0645\u0631|\u0627\u0644\u062a\u0648\u062c\u064a\u0647\u0627\u062a)|(?:\u0928\u093f\u0930\u094d\u0926\u0947\u0936|\u0906\u0926\u0947\u0936)[\s\S]{0,20}?(?:\u0905\u0928\u0926\u0947\u0916\u093e|\u092d\u0942\u0932)"
    ),
)

MARKUP: tuple[Rule, ...] = (
    (
        "markup",
        0.95,
        re.compile(
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id|begin_of_text|tool\w*|end)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|\bs>\[INST"
        ),
    ),
    (
        "markup",
        0.85,
        re.compile(
            r"</?(?:system|assistant|instructions?|system[-_ ](?:prompt|message|instruction|reminder)|user_query|human|ai|admin|evidence|untrusted|log_?data|untrusted_data|data)>\s*[\s\S]{0,200}?\b(?:you|ignore|must|action|retry|approve|instructions?|respond|answer|set|choose|now)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "markup",
        0.8,
        re.compile(
            r"^[\s>#*`-]{0,8}(?:\[\s*)?(?:system|assistant|human|user|developer)(?:\s*\])?(?:\s+(?:prompt|message|instruction|override|note|update))?\s*[:>\]]\s*(?:you\b|ignore|please\b|approve|retry|the (?:correct|root)|from now|understood|sure|i (?:will|am)|new|override|set|choose|do not|never|always|respond|answer)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        "markup",
        0.85,
        re.compile(
            r"^\s{0,4}#{2,6}\s*(?:system|instructions?|assistant|new task|response|human|end of (?:log|context|input))\b[^\n]{0,60}:?\s*$",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        "markup",
        0.85,
        re.compile(
            r"(?:={3,}|-{3,}|\*{3,}|#{3,})\s*(?:begin|end|start|new)\b[^\n=*#-]{0,30}\b(?:system|prompt|instructions?|admin|override)\b[^\n]{0,30}",
            re.IGNORECASE,
        ),
    ),
    (
        "tool_call",
        0.85,
        re.compile(
            r"<(?:tool_call|function_call|tool_use|invoke|antml:invoke|function=)\b|<\|python_tag\||\bAction Input\s*:\s*[\[{\"]|^\s*(?:Thought|Action|Final Answer)\s*:\s*(?:RETRY|TERMINATE|ESCALATE|I (?:should|must|will)|approve|call|\w+\()",
            re.MULTILINE,
        ),
    ),
    (
        "tool_call",
        0.85,
        re.compile(
            r"\"(?:tool_calls?|function_call|tool_use|recipient_name)\"\s*:\s*[\[{\"]|\"(?:name|function|tool)\"\s*:\s*\"(?:repair_run|run_now|cancel_run|approve\w*|decide|resume|execute\w*|retry\w*|terminate\w*)\"\s*,\s*\"(?:arguments|args|parameters|input)\""
        ),
    ),
    (
        "tool_call",
        0.8,
        re.compile(
            r"\{[^{}\n]{0,200}\"(?:action|proposal|decision|failure_class|category)\"\s*:\s*\"(?:RETRY|RETRY_WITH_NEW_PARAMS|RUN_UPSTREAM|TERMINATE|PROPOSE_FIX|NOTIFY_OWNER|ESCALATE|approve|accept)\"",
            re.IGNORECASE,
        ),
    ),
    (
        "tool_call",
        0.85,
        re.compile(
            r"\bCommand\(\s*(?:goto|resume|update)\s*=|\{\s*\"decisions\"\s*:\s*\[\s*\{\s*\"type\"\s*:\s*\"(?:approve|edit|accept)",
            re.IGNORECASE,
        ),
    ),
)

#: Hints that count only together.
WEAK: tuple[tuple[float, re.Pattern[str]], ...] = (
    (0.35, re.compile(r"\b(?:instruct(?:ion|ed)s?|prompt|directive|override)\b", re.IGNORECASE)),
    (0.35, re.compile(rf"\b(?:{_AGENT})\b", re.IGNORECASE)),
    (
        0.3,
        re.compile(
            r"\b(?:you must|you should|please (?:retry|approve|rerun|run|ignore|choose|set|answer)|from now on|immediately (?:retry|approve|run|terminate))\b",
            re.IGNORECASE,
        ),
    ),
    (
        0.3,
        re.compile(
            r"\b(?:RETRY_WITH_NEW_PARAMS|RUN_UPSTREAM|PROPOSE_FIX|auto-?approve|approve (?:it|this|the)|human review|reviewer|approval)\b",
            re.IGNORECASE,
        ),
    ),
    (
        0.3,
        re.compile(
            r"\b(?:confidence|category|failure_class|root cause)\b[^\n]{0,20}\b(?:1\.0|0\.99|100 ?%|to)\b",
            re.IGNORECASE,
        ),
    ),
    (0.25, re.compile(r"\b(?:ignore|disregard|forget|pretend|bypass)\b", re.IGNORECASE)),
)
AGENT_WORDS = re.compile(rf"\b(?:{_AGENT}|you|your|reviewer|approv\w+)\b", re.IGNORECASE)

#: Something of this stands in or beside every line that a rule can match. Bytes, for the scanners of the log reader.
TRIGGERS: tuple[Signal, ...] = (
    _trigger(
        rb"(instruct|instruk|istruz|prompt|ignor|disregard|forget|pretend|overrid|overrul|bypass|approv|you are|you're|you must|you should|you need|you have to|you will|you shall)"
    ),
    _trigger(
        rb"(assistant|agent|llm|chatgpt|claude|gemini|copilot|pitstop|language model|chat ?bot|respond|reply|answer|correct action|classify|categor|failure_class|role-?play|act as|behave as)"
    ),
    _trigger(
        rb"(\ba\.?i\b|do not |don't |never (tell|mention|escalate|notify|report)|without (human|any|approval|review)|no need for|system (prompt|message)|api key|credentials|secrets|mode (is )?(now )?(on|enabled|activated)|end of (the )?(log|context|input|evidence|data))"
    ),
    _trigger(
        rb"(<\||\[/?inst\]|<<sys|_of_turn>|</?(system|assistant|human|ai|admin|evidence|untrusted|data)|tool_call|function_call|tool_use|<invoke|action input|final answer|\bcommand\(|\"(action|proposal|decisions?|category|arguments)\")"
    ),
    _trigger(rb"^.{0,8}(system|human|user|developer|assistant)\b.{0,20}[:>\]]"),
    _trigger(rb"(^ {0,4}#{2,6} ?\w|^\s*(thought|action): )"),
    _trigger(
        rb"(\bset (the )?(action|confidence|category|root)|authori[sz]ed|auto-?approve|(run|execute|call|trigger|issue) (the )?(retry|terminate))"
    ),
    _trigger(
        rb"(missacht|vergiss|vergess|negeer|vergeet|oubli|olvid|descart|desconsider|dimentica|trascura|zapomnij|talimat|komut|elige la|choisi|w.{1,2}hle )"
    ),
    _trigger(rb"([\x80-\xff]{3}|[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z])", caseless=False),
    _trigger(rb"[A-Za-z0-9+/_-]{11,}[0-9][A-Za-z0-9+/_-]{11,}", caseless=False),
    _trigger(
        rb"([0-9a-f]{2}){20}|(\\u[0-9a-f]{4}){4}|(\\x[0-9a-f]{2}){4}|(%[0-9a-f]{2}[^ \n]{0,12}){3}|(&#x?[0-9a-f]{2,6};){4}"
    ),
    _trigger(rb"(vtaber|vafgehpg|([a-z][ ._*-]){6}|1gn0r|pr3v|prev10|1nstr|instruct10|syst3m)"),
)

#: The triggers from here on tell of something encoded: only what it decodes to is examined.
FIRST_ENCODED = 9

#: Letters of other alphabets that look like Latin ones.
LETTERS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u0432\u043d\u043a\u043c\u0442\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c4\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u0131\u0261\u1d0f\u0280",
    "aeopcyxijsdhbhkmtABEKMHOPCTXIJSaopvikTABEHIKMNOPTXigor".replace("T", "t", 1),
)
