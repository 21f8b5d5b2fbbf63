"""What secrets look like: one rule a kind, from detect-secrets' detectors and our own.

A rule says which lines are worth a look (`look`: a pattern that hyperscan and `re` read alike, with literals of
which such a line holds one), and where in the line the secret stands (`find`: its group `secret`, or all of it).
"""

from __future__ import annotations

import re
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
#: A token begins after anything but a letter or digit, or after one that is the end of an escape: `\\n`, `%3D`, `\\u003d`.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-F]{2})|(?<=\\u00[0-9a-f]{2})|(?<=\\x[0-9a-f]{2}))"

#: Secrets that are known by their own form, the most telling first.
RULES: tuple[Rule, ...] = (
    _rule(
        "url_password",
        "://",
        r"\b[A-Za-z][\w+.-]*://[^\s:/@\"'<>]{0,200}:(?P<secret>(?!//)[^\s/\"'<>]{1,300})@(?=[\w\[.-])"
        r"|\b[A-Za-z][\w+.-]*://(?P<user>[A-Za-z0-9_-]{24,})@(?=[\w.-])"
        # A password with a slash in it, which only looks like a port and a path when it begins with digits.
        r"|\b[A-Za-z][\w+.-]*://[^\s:/@\"'<>]{1,200}:(?P<slashed>(?!\d{1,5}[/?#])[^\s\"'<>@?]{1,100}/[^\s\"'<>@?]{0,100})@(?=[\w-]+\.[\w.-]|localhost|[\w-]+/)",
        r"://([^\s/\"'<>@]*:[^\s\"'<>]+|[A-Za-z0-9_-]{24}[A-Za-z0-9_-]*)@",
    ),
    _rule(
        "databricks_token",
        "dapi|dkea|dose|dsapi",
        _START + r"(?:dapi|dkea|dose|dsapi)(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{16,64}(?:-\d{1,2})?" + _END,
        r"(dapi|dkea|dose|dsapi)[A-Za-z0-9]{16}",
    ),
    _rule(
        "aws_secret_key",
        "AKIA|ASIA",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}[^\nA-Za-z0-9]{1,5}(?:[A-Za-z_ ]{0,30}[^\nA-Za-z0-9]{1,5})?(?P<secret>(?=[A-Za-z/+]*\d)[A-Za-z0-9/+]{36,44})(?![A-Za-z0-9/+=])",
        r"(AKIA|ASIA)[A-Z0-9]{16}",
    ),
    _rule(
        "aws_access_key",
        "A3T|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA",
        _START
        + r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)(?:(?=[A-Z0-9]*\d)[A-Z0-9]{12,24}|[A-Z]{16})"
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
        r"private_key_id\\{0,7}[\"']\s*:\s*\\{0,7}[\"'](?P<secret>[0-9a-f]{20,})",
    ),
    _rule("jwt", "eyJ", _START + r"eyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=-]{8,}(?:\.[A-Za-z0-9_.+/=-]*)?"),
    _rule(
        "oracle_jdbc_password", "jdbc:oracle", r"jdbc:oracle:\w{1,20}:[^/\s@]{1,200}/(?P<secret>[^\s@\"']+)@"
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
        "uthorization|UTHORIZATION",
        r"(?i)authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:digest|negotiate|ntlm|aws4-hmac-sha256)\s+(?P<secret>[^\n'}]{10,})",
    ),
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
    _rule(
        "curl_user",
        "-u |--user ",
        r"(?:\s-u|--user)[ =][\"']?[\w.@-]+:(?P<secret>(?![$/\d])[^\s\"']{3,}|\d[^\s\"']{5,})",
    ),
    _rule(
        "shell_password",
        "sshpass|login|redis-cli|openssl|password-stdin|passphrase",
        r"\bsshpass\s+-p\s*[\"']?(?P<secret>[^\s\"']+)"
        r"|\b(?:docker|podman|az|helm|oc|buildah|skopeo|cf|ibmcloud)\s[^|;\n]{0,60}?login\b[^|;\n]{0,200}?\s(?:-p|--password)[ =]\s*[\"']?(?P<login>[^\s\"'$-][^\s\"']{2,})"
        r"|\bredis-cli\b[^|;\n]{0,200}?\s-a\s+[\"']?(?P<redis>[^\s\"'$]+)"
        r"|\bopenssl\b[^|;\n]{0,200}?\s(?:-k\s+|-pass(?:in|out)?\s+pass:)[\"']?(?P<openssl>[^\s\"'$]+)"
        r"|\becho\s+(?:-n\s+)?[\"']?(?P<echo>[^\s\"'$|]{3,})[\"']?\s*\|[^\n]{0,120}--password-stdin",
    ),
    _rule(
        "password",
        "password|PASSWORD|Password|IDENTIFIED|dentified",
        r"(?i)\blogin\s+\S{1,100}\s+password\s+(?P<secret>\S{3,})"
        r"|\b(?:(?:create|alter)\s+(?:user|role|login)\b[^\n']{0,100}?\bpassword(?:\s*=)?|with\s+password|identified\s+(?:with\s+\S+\s+)?by(?:\s+password)?)\s+'(?P<sql>[^'\n]{3,200})'"
        r"|\bpassword\s+'(?P<said>[^'\n]{3,200})'(?=\s*(?:;|$|[)\]\"\\]|valid|replace|default|account))",
    ),
    _rule(
        "pgpass",
        ":",
        r"(?<![\w:/.-])(?:[\w-]+\.){1,6}[\w-]+:\d{4,5}:[\w*]{1,63}:[\w*]{1,63}:(?P<secret>[^\s:\"']{6,})(?=\s|$)",
        r"[\w-]\.[\w-]+:[0-9]{4,5}:[\w*]+:[\w*]+:[^\s:]{6}",
    ),
    _rule("mailgun_key", "key-", r"\bkey-(?=[0-9a-f]*\d)[0-9a-f]{32}\b"),
    _rule(
        "s3_url_secret",
        "s3",
        r"\bs3[an]?://[^\s/:@]{10,60}(?:\]|):(?P<secret>[A-Za-z0-9+/=%]{20,80})@",
        r"s3[an]?://[^\s@]+@",
    ),
    _rule(
        "aws_session_token",
        "IQoJ|FwoG",
        r"(?<![A-Za-z0-9+/])(?:IQoJb3JpZ2lu|FwoGZXIvYXdz)[A-Za-z0-9+/=%]{40,}",
    ),
    _rule("google_refresh_token", "1//0", r"(?<![\w/])1//0[\w-]{30,}"),
    _rule(
        "mysql_password",
        "mysql",
        r"\bmysql(?:dump|admin|import)?\b[^|;\n]{0,200}?\s-p(?P<secret>[^\s\"'-][^\s\"']*)",
    ),
)


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
