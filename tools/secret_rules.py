"""What secrets look like: one rule a kind, from detect-secrets' detectors and our own.

A rule says which lines are worth a look (`look`: a pattern that hyperscan and `re` read alike, with literals of
which such a line holds one), and where in the line the secret stands (`find`: its group `secret`, or all of it).
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret. `find` has a group `secret` where only a part of the match is one."""

    kind: str
    look: bytes
    needles: tuple[bytes, ...]
    find: tuple[re.Pattern[str], ...]


def _rule(kind: str, needles: str, find: str, look: str | None = None) -> Rule:
    literals = tuple(needle.encode() for needle in needles.split("|"))
    pattern = look.encode() if look else b"(" + b"|".join(re.escape(literal) for literal in literals) + b")"
    return Rule(kind, pattern, literals, (re.compile(find),))


_END = r"(?![A-Za-z0-9])"
_START = r"(?<![A-Za-z0-9])"

#: Secrets that are known by their own form, the most telling first.
RULES: tuple[Rule, ...] = (
    _rule(
        "databricks_token",
        "dapi|dkea|dose|dsapi",
        _START + r"(?:dapi|dkea|dose|dsapi)(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{16,64}(?:-\d{1,2})?" + _END,
        r"(dapi|dkea|dose|dsapi)[A-Za-z0-9]{16}",
    ),
    _rule(
        "aws_access_key",
        "A3T|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA",
        _START
        + r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)(?=[A-Z0-9]*\d)[A-Z0-9]{12,24}"
        + _END,
        r"(A3T|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{12}",
    ),
    _rule(
        "azure_storage_key",
        "==|AccountKey=|account.key",
        r"(?i:AccountKey\s*=\s*|account\.key[\w.-]*[\"']?\s*[=:,]\s*[\"']?)(?P<secret>[A-Za-z0-9+/]{20,}={0,2})|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?!=)",
        r"(AccountKey=|account\.key|[A-Za-z0-9+/]{86}==)",
    ),
    _rule(
        "azure_sas_signature", "sig=|sig%3D", r"(?i)[?&;]?\bsig(?:=|%3D)(?P<secret>[A-Za-z0-9%+/=_-]{16,})"
    ),
    _rule(
        "azure_shared_access_key",
        "SharedAccessKey",
        r"(?i)SharedAccess(?:Key|Signature)\s*=\s*(?P<secret>[^\s;\"']{12,})",
    ),
    _rule("azure_client_secret", "Q~", r"(?<![\w~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{28,40}(?![\w~-])"),
    _rule("gcp_api_key", "AIza", r"AIza[0-9A-Za-z_-]{30,45}"),
    _rule("gcp_oauth_token", "ya29.|GOCSPX-", r"ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}"),
    _rule(
        "gcp_private_key_id",
        "private_key_id",
        r"private_key_id\\?[\"']\s*:\s*\\?[\"'](?P<secret>[0-9a-f]{20,})",
    ),
    _rule("jwt", "eyJ", _START + r"eyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=-]{8,}(?:\.[A-Za-z0-9_.+/=-]*)?"),
    _rule(
        "oracle_jdbc_password", "jdbc:oracle", r"jdbc:oracle:\w{1,20}:[^/\s@]{1,200}/(?P<secret>[^\s@\"']+)@"
    ),
    _rule(
        "url_password",
        "://",
        r"\b[A-Za-z][\w+.-]*://[^\s:/@\"'<>]{0,200}:(?P<secret>(?!//)[^\s/\"'<>]{1,300})@(?=[\w\[.-])|\b[A-Za-z][\w+.-]*://(?P<user>[A-Za-z0-9_-]{24,})@(?=[\w.-])",
        r"://([^\s/\"'<>@]*:[^\s/\"'<>]+|[A-Za-z0-9_-]{24}[A-Za-z0-9_-]*)@",
    ),
    _rule(
        "github_token",
        "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        _START + r"(?:gh[pousr]_[A-Za-z0-9_]{16,255}|github_pat_\w{20,255})",
    ),
    _rule(
        "gitlab_token",
        "glpat-|gldt-|glft-|glsoat-|glrt-|glcbt-|glptt-|GR1348941",
        _START + r"(?:gl(?:pat|dt|ft|soat|rt|cbt|ptt)-[\w-]{16,64}|GR1348941[\w-]{16,64})",
    ),
    _rule(
        "slack_token",
        "xox|xapp-|hooks.slack.com",
        r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-[\w-]{12,}|hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{8,})",
    ),
    _rule(
        "teams_webhook",
        "webhook.office.com|logic.azure.com",
        r"webhook\.office\.com/(?P<secret>[\w@/-]{16,})",
    ),
    _rule("discord_webhook", "discord", r"discord(?:app)?\.com/api/webhooks/(?P<secret>[\w/-]{16,})"),
    _rule(
        "npm_token",
        "npm_|_authToken",
        _START + r"npm_[A-Za-z0-9]{20,}|_authToken\s*=\s*(?P<secret>[^\s\"']{8,})",
    ),
    _rule("pypi_token", "pypi-", _START + r"pypi-[A-Za-z0-9_-]{16,}"),
    _rule("anthropic_key", "sk-ant-", _START + r"sk-ant-[\w-]{16,}"),
    _rule("openai_key", "sk-", _START + r"sk-(?=[\w-]*\d)(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,}"),
    _rule(
        "stripe_key",
        "_live_|_test_|whsec_",
        _START + r"(?:[rsp]k_(?:live|test)_[0-9A-Za-z]{10,}|whsec_[0-9A-Za-z+/=]{16,})",
    ),
    _rule("huggingface_token", "hf_", _START + r"hf_[A-Za-z0-9]{20,}"),
    _rule("langsmith_key", "lsv2_", _START + r"lsv2_(?:pt|sk)_[0-9a-zA-Z_]{16,}"),
    _rule("docker_token", "dckr_", _START + r"dckr_(?:pat|oat)_[\w-]{16,}"),
    _rule("vault_token", "hvs.|hvb.|hvr.", _START + r"hv[sbr]\.[\w-]{16,}"),
    _rule("terraform_token", ".atlasv1.", r"[A-Za-z0-9]{10,}\.atlasv1\.[\w-]{20,}"),
    _rule("shopify_token", "shpat_|shpca_|shppa_|shpss_", _START + r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}"),
    _rule("digitalocean_token", "_v1_", _START + r"do[opr]_v1_[0-9a-f]{32,}"),
    _rule("grafana_token", "glsa_|glc_", _START + r"(?:glsa_[\w-]{20,}|glc_[A-Za-z0-9+/=]{32,})"),
    _rule("newrelic_key", "NRAK-", _START + r"NRAK-[A-Z0-9]{16,}"),
    _rule("linear_key", "lin_api_", _START + r"lin_api_[A-Za-z0-9]{20,}"),
    _rule(
        "authorization_header",
        "uthorization|UTHORIZATION|earer |asic |BEARER ",
        r"(?i:(?:proxy-)?authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:\w+\s+)?|\bbearer\s+)(?P<secret>(?!\[REDACTED)(?=[^\s\"',]*[\d+/=._-])[A-Za-z0-9._~+/=-]{8,})|\b[Bb]asic\s+(?P<basic>(?=[A-Za-z0-9+/]*[A-Z0-9])[A-Za-z0-9+/]{8,}={1,2}|[A-Za-z0-9+/]{24,})",
    ),
    _rule(
        "cookie",
        "ookie: |OOKIE: ",
        r"(?i)\b(?:set-)?cookie\\?[\"']?\s*:\s*\\?[\"']?(?P<secret>[^\s\"'\[][^\n\"']{6,})",
    ),
    _rule("curl_user", "-u |--user ", r"(?:\s-u|--user)[ =][\"']?[\w.@-]+:(?P<secret>[^\s\"']{3,})"),
    _rule("sshpass", "sshpass", r"sshpass\s+-p\s*[\"']?(?P<secret>[^\s\"']+)"),
    _rule(
        "mysql_password",
        "mysql",
        r"\bmysql(?:dump|admin|import)?\b[^|;\n]{0,200}?\s-p(?P<secret>[^\s\"'-][^\s\"']*)",
    ),
)
PRIVATE_KEY_BEGIN = re.compile(
    r"-{4,5}\s?BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?\s?-{4,5}|PuTTY-User-Key-File-\d"
)
PRIVATE_KEY_END = re.compile(r"-{4,5}\s?END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?\s?-{4,5}|Private-MAC:")

#: Names of keys whose values are secrets whatever they look like.
_STRONG_KEY = (
    r"pass(?:word|wd|phrase|code)|passwrd|(?<![a-z])pwd|(?<![a-z])pass(?![a-z])|secret(?:[_.-]?(?:access)?[_.-]?key|[_.-]?value)?|client[_.-]?secret|secret"
    r"|api[_.-]?(?:key|secret|token)|apikey|(?:access|auth|refresh|bearer|id|session|security|sas|oauth|personal[_.-]?access|pat)[_.-]?token"
    r"|account[_.-]?key|shared[_.-]?(?:access[_.-]?)?key|private[_.-]?key|encryption[_.-]?key|signing[_.-]?key|master[_.-]?key|storage[_.-]?key"
    r"|credentials?|connection[_.-]?string|conn[_.-]?str"
)
#: Names whose values are secrets when they look random.
_WEAK_KEY = r"token|access[_.-]?key|key|auth|signature|sas|hash|salt|cert|webhook|dsn"
_NOT_A_SECRET_KEY = re.compile(
    r"(?:_|-|\.|^)(?:id|ids|name|names|type|count|counts|length|len|size|path|file|scope|scopes|url|uri|endpoint|ttl|expiry|expires?|expiration|expired|columns?|cols?"
    r"|field|fields|policy|manager|provider|class|enabled|required|valid|version|format|algorithm|store|alias|status|error|errors|hint|prefix|mode|limit|usage|used|index)$"
    r"|tokens$|tokeniz|idempot|page_?token|continuation|cancel|(?:primary|foreign|partition|sort|surrogate|cache|public|natural|business|merge|join|group|unique|hash|row|index|object|task|job|run|lock|duplicate|distribution|cluster(?:ing)?)[_.-]?keys?$"
    r"|passed|passing|bypass|passive|compass|passthrough|secretary|(?:^|[_.-])(?:max|min|num|total|prompt|completion|input|output|n)[_.-].*token",
    re.IGNORECASE,
)
_SEPARATOR = r"(?:\\?[\"'])?\s{0,3}(?:=>|->|[=:]|\\?[\"'],|%3D)\s{0,3}"
_QUOTED = r"(?P<quote>\\?[\"'])(?P<quoted>(?:(?!(?P=quote))[^\n]){0,4000})(?P=quote)"
_BRACED = r"\{(?P<braced>[^{}\n]{3,500})\}"
_BARE = r"(?P<bare>[^\s\"'<]{1,500})"
#: A word in a key's name; what stands before and after it in the name is looked at by itself.
KEY_WORD = re.compile(rf"(?P<strong>{_STRONG_KEY})|(?P<weak>{_WEAK_KEY})", re.IGNORECASE)
KEY_CHARS = string.ascii_letters + string.digits + "_.$:-"
#: The rest of the name, a separator, a value: `password=x`, `"token": "x"`, `('fs.secret', 'x')`, `secret -> x`.
KEY_AFTER = re.compile(
    rf"(?P<rest>[\w.$-]{{0,80}})(?P<separator>{_SEPARATOR})(?:{_QUOTED}|{_BRACED}|{_BARE})", re.IGNORECASE
)
#: Separators that need something before the key: `--password x`, `<password>x</password>`, `(fs.password,x)`.
KEY_AFTER_OPEN = {
    "-": re.compile(
        r"(?P<rest>[\w-]{0,40})(?P<separator>[ \t]{1,3})[\"']?(?P<bare>[^\s\"'-][^\s\"']{0,500})"
    ),
    "/": re.compile(
        r"(?P<rest>[\w-]{0,40})(?P<separator>[ \t]{1,3})[\"']?(?P<bare>[^\s\"'-][^\s\"']{0,500})"
    ),
    "<": re.compile(r"(?P<rest>[\w.:-]{0,40})(?P<separator>(?:\s[^<>\n]{0,200})?>)(?P<bare>[^<\n]{1,500})<"),
    "(": re.compile(r"(?P<rest>[\w.-]{0,80})(?P<separator>,)(?P<bare>[^(),\s]{1,500})\)"),
}
#: Where a value without quotes ends before a space does.
VALUE_STOP = re.compile(
    r"[,&;)\]}>](?:(?<=[,&;])(?=\s|$|[\w.-]{1,60}\s{0,3}[=:])|(?<=[)\]}>])[)\]}>]{0,9}(?=[\s,;.)\]}]|$))"
)
MAX_KEY_CHARS = 120
#: What is left of a value that is longer than the patterns read.
VALUE_REST = re.compile(r"[^\s\"'<,;&)\]}]*")
KEYED_LOOK = rb"(pass|pwd|secret|token|key|credential|auth|signature|sas|salt|conn(ection)?[_.-]?str|webhook|dsn|hash|cert)[\w.$-]{0,80}(\\?[\"'])?[ \t]{0,3}(=|:|->|%3d|>|,|[ \t][^ \t\n])"
KEYED_NEEDLES = (
    b"pass",
    b"pwd",
    b"secret",
    b"token",
    b"key",
    b"credential",
    b"auth",
    b"signature",
    b"sas",
    b"salt",
    b"conn",
    b"webhook",
    b"dsn",
    b"hash",
    b"cert",
)
_PLACEHOLDER = re.compile(
    r"(?:null|none|nil|true|false|yes|no|empty|undefined|unset|default|redacted|masked|hidden|invalid|expired|missing|required|unknown|string|str|varchar|\d{1,3}"
    r"|\*+|x{3,}|\.{3,}|-+|_+|\?+|<[^>]*>?|\$\{?[\w.:-]+\}?|%\w+%|\{\{[^}]*\}{0,2}|\{[a-z_][a-z_.]*\}|\[redacted.*|\(redacted\)|env\.\w+|os\.environ.*|dbutils\.secrets.*|getpass.*|secret\(.*|\w+\(\)?)$",
    re.IGNORECASE,
)


#: So many characters of a value are enough to see whether it looks random.
_RANDOM_CHARS = 200


def is_secret(key: str, strong: bool, value: str, *, bare: bool, spaced_colon: bool) -> bool:
    """Whether the value of `key` is a secret.

    Args:
        key: The whole name of the key.
        strong: The name alone says so (`password`), and not only together with a random value (`token`).
        value: What stands after it.
        bare: The value has no quotes.
        spaced_colon: Key and value are separated as in a sentence, by a colon and a space.
    """
    if not strong and not looks_random(value[:_RANDOM_CHARS]):
        return False
    if len(value) < 3 or _PLACEHOLDER.match(value) or _NOT_A_SECRET_KEY.search(key):
        return False
    if key.upper() == "PWD" and value[:1] in "/~.":
        return False
    if strong and bare and spaced_colon:
        # "Invalid password: must be longer" is a sentence; "password: hunter2" is not.
        return looks_random(value) or bool(re.search(r"\d|[^\w\s.,:;'\"()-]", value)) or len(value) >= 12
    return True


def looks_random(value: str) -> bool:
    """Whether a value has the length, the mixture of characters and the entropy of a made-up secret."""
    if len(value) < 16 or not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    if (
        re.fullmatch(r"[\w.-]+\.(?:py|scala|java|sql|csv|json|parquet|com|net|org|io)(?:[:/].*)?", value)
        or value[:1] == "/"
        or "://" in value[:12]
    ):
        return False
    return entropy(value) >= 3.2


def entropy(value: str) -> float:
    """Shannon's entropy in bits per character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


#: detect-secrets' detectors that add kinds to ours, with literals that their matches hold.
_DETECTORS: dict[str, tuple[str, str, str, str]] = {
    "artifactory": ("ArtifactoryDetector", "artifactory_token", "AKC|AP", r"(AKC|AP[0-9A-F])[a-zA-Z0-9]{8}"),
    "cloudant": ("CloudantDetector", "cloudant_key", "cloudant|cl_|cl-|clou", r"(cloudant|cl[_-]|clou)"),
    "discord": (
        "DiscordBotTokenDetector",
        "discord_token",
        ".",
        r"[MNO][a-zA-Z0-9_-]{23,25}\.[a-zA-Z0-9_-]{6}\.",
    ),
    "ibm_cloud_iam": ("IbmCloudIamDetector", "ibm_cloud_key", "ibm|cloud|iam|bx", r"(ibm|cloud|iam|bx)"),
    "ibm_cos_hmac": ("IbmCosHmacDetector", "ibm_cos_key", "cos|secret", r"(cos|secret)[_-]"),
    "mailchimp": ("MailchimpDetector", "mailchimp_key", "-us", r"[0-9a-z]{32}-us[0-9]"),
    "sendgrid": ("SendGridDetector", "sendgrid_key", "SG.", r"SG\.[a-zA-Z0-9_-]{22}\."),
    "softlayer": ("SoftlayerDetector", "softlayer_key", "softlayer|sl_|sl-", r"(softlayer|sl[_-])"),
    "square_oauth": ("SquareOAuthDetector", "square_secret", "sq0csp-", r"sq0csp-"),
    "telegram_token": ("TelegramBotTokenDetector", "telegram_token", ":", r"[0-9]{8,10}:[0-9A-Za-z_-]{35}"),
    "twilio": ("TwilioKeyDetector", "twilio_key", "AC|SK", r"(AC|SK)[a-z0-9]{32}"),
}


@cache
def library_rules() -> tuple[Rule, ...]:
    """The rules taken over from detect-secrets; imported when first needed, since that takes a while."""
    import importlib

    rules: list[Rule] = []
    for module, (name, kind, needles, look) in _DETECTORS.items():
        detector = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()
        rules.append(
            Rule(kind, look.encode(), tuple(n.encode() for n in needles.split("|")), tuple(detector.denylist))
        )
    return tuple(rules)
