"""What orders look like in other languages, as markup and tool calls of a chat, and in look-alike letters."""

from __future__ import annotations

import re

from tools.injection_rules import Rule, order

FOREIGN: tuple[Rule, ...] = (
    # German, Dutch
    order(
        r"\b(?:ignorier\w*|missacht\w*|vergiss|vergesst|vergessen sie|negeer|ignoreer|vergeet)\b[^\n]{0,40}?\b(?:stacktrace|anweisung\w*|instruktion\w*|befehl\w*|vorgaben|regeln|instructies|opdrachten|prompts?)"
    ),
    order(
        r"\b(?:du bist jetzt|sie sind jetzt|je bent nu|antworte (?:nur|ausschlie\u00dflich)|antworten sie nur|w\u00e4hle (?:die )?aktion|setze (?:die )?(?:kategorie|aktion)|genehmige|best\u00e4tige (?:die|den|das) (?:aktion|neustart))\b"
    ),
    # French
    order(
        r"\b(?:ignor(?:e[zr]?|ons)|oublie[zr]?|ne (?:tiens|tenez) pas compte)\b[^\n]{0,40}?\b(?:instructions?|consignes?|directives?|r\u00e8gles?|ordres|prompts?)"
    ),
    order(
        r"\b(?:tu es maintenant|vous \u00eates (?:maintenant|d\u00e9sormais)|r\u00e9ponds? (?:uniquement|seulement)|r\u00e9pondez (?:uniquement|seulement)|approuve[zr]? (?:l'action|automatiquement|la relance|cette)|choisi[ss]*e?[zs]? l'action)\b"
    ),
    # Spanish, Portuguese, Italian
    order(
        r"\b(?:ignor[ae]n?|ignore|olvid[ae]|descart[ae]|haz caso omiso|desconsider[ae]|esque\u00e7a|dimentica|trascura)\b[^\n]{0,40}?\b(?:instrucciones|\u00f3rdenes|reglas|instru\u00e7\u00f5es|ordens|regras|comandos|istruzioni|ordini|regole|prompts?)"
    ),
    order(
        r"\b(?:ahora eres|agora voc\u00ea \u00e9|ora sei|responde (?:solo|s\u00f3lo|\u00fanicamente)|responda (?:apenas|somente|solo)|rispondi (?:solo|soltanto)|aprueba (?:la|esta|autom)|aprove (?:a|esta|autom)|approva (?:l'|la|questa|autom)|elige la acci\u00f3n|escolha a a\u00e7\u00e3o|scegli l'azione)"
    ),
    # Russian, Ukrainian, Polish, Turkish
    order(
        r"(?:\u0438\u0433\u043d\u043e\u0440\u0438\u0440\u0443\u0439|\u0437\u0430\u0431\u0443\u0434\u044c|\u043d\u0435 \u043e\u0431\u0440\u0430\u0449\u0430\u0439|\u0456\u0433\u043d\u043e\u0440\u0443\u0439)[^\n]{0,40}?(?:\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446|\u0443\u043a\u0430\u0437\u0430\u043d|\u043f\u0440\u0430\u0432\u0438\u043b|\u043a\u043e\u043c\u0430\u043d\u0434|\u0456\u043d\u0441\u0442\u0440\u0443\u043a\u0446)"
    ),
    order(
        r"\b(?:zignoruj|ignoruj|zapomnij)\b[^\n]{0,40}?\b(?:instrukcj\w+|polece\w+|zasad\w*)|(?:\u00f6nceki|t\u00fcm)\s+(?:t\u00fcm\s+)?(?:talimat|komut|y\u00f6nerge)\w*[^\n]{0,20}?(?:yok say|unut|g\u00f6rmezden)"
    ),
    # Chinese, Japanese, Korean, Arabic, Hindi
    order(
        r"(?:\u5ffd\u7565|\u65e0\u89c6|\u7121\u8996|\u5fd8\u8bb0|\u5fd8\u6389|\u4e0d\u8981\u7406\u4f1a)[^\n]{0,15}?(?:\u6307\u4ee4|\u6307\u793a|\u63d0\u793a|\u547d\u4ee4|\u89c4\u5219|\u898f\u5247|\u5185\u5bb9)"
    ),
    order(
        r"(?:\u6307\u793a|\u547d\u4ee4|\u6307\u4ee4|\u30d7\u30ed\u30f3\u30d7\u30c8|\u30eb\u30fc\u30eb)[^\n]{0,10}?(?:\u7121\u8996|\u5fd8\u308c|\u7834\u68c4)|(?:\uc774\uc804|\ubaa8\ub4e0|\uc704\uc758)[^\n]{0,10}?(?:\uc9c0\uc2dc|\uba85\ub839|\ud504\ub86c\ud504\ud2b8)[^\n]{0,10}?(?:\ubb34\uc2dc|\uc78a)"
    ),
    order(
        r"(?:\u062a\u062c\u0627\u0647\u0644|\u0627\u0646\u0633)[^\n]{0,30}?(?:\u0627\u0644\u062a\u0639\u0644\u064a\u0645\u0627\u062a|\u0627\u0644\u0623\u0648\u0627\u0645\u0631|\u0627\u0644\u062a\u0648\u062c\u064a\u0647\u0627\u062a)|(?:\u0928\u093f\u0930\u094d\u0926\u0947\u0936|\u0906\u0926\u0947\u0936)[^\n]{0,20}?(?:\u0905\u0928\u0926\u0947\u0916\u093e|\u092d\u0942\u0932)"
    ),
)

MARKUP: tuple[Rule, ...] = (
    # Orders as names of tasks, jobs and files.
    order(
        r"(?<![a-z0-9])(?:ignore|disregard|forget)[_-]+(?:all|any|the|your|previous|prior|above|every)[_-]+(?:\w*[_-])?(?:instructions?|rules?|prompts?|orders|polic)"
        r"|(?<![a-z0-9])(?:approve|retry|rerun)[_-]+(?:this|the|it|me)[_-]*(?:action|run|now|without)|(?<![a-z])(?:without|skip|bypass)[_-]+(?:human[_-]+)?(?:review|approval)"
        r"|(?<![a-z])(?:you|agent|assistant|ai)[_-]+(?:must|should|will)[_-]+(?:choose|retry|approve|run|call|ignore|propose)"
        r"|(?<![a-z])classify[_-]+(?:this[_-]+)?(?:as|it)[_-]+[a-z]"
    ),
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
            r"</?(?:system|assistant|instructions?|system[-_ ](?:prompt|message|instruction|reminder)|user_query|human|ai|admin|evidence|untrusted|log_?data|untrusted_data|data)>\s*(?#)[^\n]{0,200}?\b(?:you|ignore|must|action|retry|approve|instructions?|respond|answer|set|choose|now)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "markup",
        0.8,
        re.compile(
            r"^[\s>#*`]{0,8}(?:\[\s*)?(?:system|assistant|human|user|developer)(?:\s*\])?(?:\s+(?:prompt|message|instruction|override|note|update))?\s*[:>\]]\s*(?:you\b|ignore|please\b|approve|retry|what\b|the (?:correct|root)|from now|understood|sure|i (?:will|am)|new|override|set the|choose|respond|answer)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        "markup",
        0.85,
        re.compile(
            r"^ {0,4}#{2,6} *(?:(?:system|assistant|human|instructions?|response|new task)\s*:?\s*\n\s*(?:you\b|ignore|please\b|approve|retry|set |choose|respond|answer|always|never|propose)|(?:system|assistant)\s+(?:prompt|message|instruction)|(?:instructions?|new task|end of (?:log|context|input))\s*:\s*\S)",
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
            r"<(?:tool_call|function_call|tool_use|invoke|antml:invoke|function=)\b|<\|python_tag\||\bAction Input\s*:\s*[\[{\"]|^\s*(?:Thought|Action|Final Answer)\s*:\s*(?:RETRY|TERMINATE|ESCALATE|I (?:should|must|will)|approve|call|repair_run|run_now|cancel_run)|\b(?:tool|function|action)\s*:\s*(?:repair_run|run_now|cancel_run|delete_\w+)\b",
            re.MULTILINE,
        ),
    ),
    (
        "tool_call",
        0.85,
        re.compile(
            r"\"(?:tool_calls?|function_call|tool_use|recipient_name)\"\s*:\s*[\[{\"]|\"(?:name|function|tool)\"\s*:\s*\"(?:repair_run|run_now|cancel_run|approve\w*|decide|resume|retry\w*|terminate\w*)\"\s*,\s*\"(?:arguments|args|parameters|input)\""
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

#: Words of orders, by which an encoding of one is noticed.
TELLING = (
    "ignore",
    "disregard",
    "previous",
    "instruct",
    "approve",
    "category",
    "failure",
    "assistant",
    "override",
    "system",
    "prompt",
    "must",
    "please",
    "forget",
    "review",
    "escalate",
    "terminate",
    "retry",
    "repair",
    "confidence",
)

#: Letters of other alphabets that look like Latin ones.
LETTERS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u0432\u043d\u043a\u043c\u0442\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c4\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u0131\u0261\u1d0f\u0280",
    "aeopcyxijsdhbhkmtABEKMHOPCTXIJSaopvikTABEHIKMNOPTXigor".replace("T", "t", 1),
)
