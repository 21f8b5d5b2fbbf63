"""Secrets that a line alone doesn't show: private keys, values a line after their key, wrapped and encoded ones."""

from __future__ import annotations

import base64
import binascii
import re

from tools.base64_forms import base64_forms
from tools.secret_keys import looks_random

PRIVATE_KEY_BEGIN = re.compile(
    r"-{4,5}\s?BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?\s?-{4,5}|PuTTY-User-Key-File-\d"
)
PRIVATE_KEY_END = re.compile(r"-{4,5}\s?END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?\s?-{4,5}|Private-MAC:")
PRIVATE_KEY_LOOK = rb"((BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key|Private-MAC)"
MAX_KEY_LINES = 200
#: A line within a private key: base64, or a header such as `Proc-Type: 4,ENCRYPTED`.
KEY_BODY = re.compile(r"[\s>|+\"']*(?:[A-Za-z0-9+/=]{1,200}(?:\\n)?|[A-Z][\w-]{2,30}: .{0,100})?[\s,\"';\\]*")
#: What stands before a key's end where its lines are escaped: `...\\n-----END`.
ESCAPED_KEY = re.compile(r"(?:[A-Za-z0-9+/=]{16,200}\\{1,4}n){1,60}(?=-{4,5}\s?END )")
#: The next line of a secret that was wrapped, where line ends are escaped.
ESCAPED_REST = re.compile(r"(?<=\])(?P<end>\\{1,4}n)(?P<secret>[A-Za-z0-9+/_=.%-]{20,200})(?=\\|\"|\s|$)")
#: The base64 of a key alone.
KEY_LINE = re.compile(r"[\s>|+\"']*[A-Za-z0-9+/=]{16,200}(?:\\n)?[\s,\"';\\]*")

#: A quote, which may be escaped once or more: JSON within JSON.
_Q = r"\\{0,7}\""
_NAME = r"[^\"<\n]{0,80}(?:passw|passphrase|secret|token|credential|api[_.-]?key|access[_.-]?key|private[_.-]?key)[^\"<\n]{0,40}"
#: A key and its value as two members of an object or an element, which may stand on two lines.
_PAIRS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_Q}(?:key|name){_Q}\s{{0,3}}:\s{{0,3}}{_Q}{_NAME}{_Q}\s{{0,3}},\s{{0,80}}{_Q}value{_Q}\s{{0,3}}:\s{{0,3}}{_Q}(?P<secret>[^\"\n\\]{{1,2000}}){_Q}",
        rf"{_Q}value{_Q}\s{{0,3}}:\s{{0,3}}{_Q}(?P<secret>[^\"\n\\]{{1,2000}}){_Q}\s{{0,3}},\s{{0,80}}{_Q}(?:key|name){_Q}\s{{0,3}}:\s{{0,3}}{_Q}{_NAME}{_Q}",
        rf"<name>{_NAME}</name>\s{{0,80}}<value>(?P<secret>[^<\n]{{1,2000}})</value>",
    )
)
_RUN_TO_THE_END = re.compile(r"[A-Za-z0-9+/_=.%-]{40,}\\?$")
_CONTINUED = re.compile(r"[\s>|+\"']{0,20}(?P<secret>[A-Za-z0-9+/_=.%-]{8,500})[\s,\"';\\)}\]]{0,5}")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,8000}={0,2}")
_TOLD_BY = (
    "password", "passwd", "secret", "token", "AccountKey", "PRIVATE KEY", "Bearer ", "api_key", "apiKey",
    "dapi", "AKIA", "ASIA", "ghp_", "xoxb-", "SharedAccessKey",
)  # fmt: skip
ENCODED_LOOK = "|".join(
    sorted({re.escape(form) for word in _TOLD_BY for form in base64_forms(word)})
).encode()
ENCODED_NEEDLES = tuple(form.encode() for word in _TOLD_BY for form in base64_forms(word))


def paired_secrets(text: str) -> list[tuple[int, int]]:
    """Where the values of keys stand that a neighbouring member names: `"key": "db_password", "value": "x"`."""
    if "value" not in text or not ("<value>" in text or '"' in text):
        return []
    spans = {match.span("secret") for pattern in _PAIRS for match in pattern.finditer(text)}
    return sorted(span for span in spans if not text.startswith(("[REDACTED:", "{{", "${"), span[0]))


def goes_on(line: str, following: str) -> re.Match[str] | None:
    """The rest of a secret that a line's end cut in two, if `following` begins with one."""
    if not _RUN_TO_THE_END.search(line):
        return None
    match = _CONTINUED.fullmatch(following)
    if match is None:
        return None
    rest = match["secret"]
    mixed = any(map(str.isdigit, rest)) and any(map(str.isalpha, rest)) and not rest.isdigit()
    return match if looks_random(rest) or (mixed and len(rest) >= 8 and "/" not in rest[:1]) else None


def encoded_texts(line: str) -> list[tuple[int, int, str]]:
    """Runs of base64 in a line that say something readable: start, end, text."""
    found = []
    for match in _ENCODED.finditer(line):
        raw = match.group().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            decoded = base64.b64decode(raw[: len(raw) - (len(raw) % 4 == 1)] + "==")
            said = decoded.decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if said and sum(c.isprintable() or c.isspace() for c in said) >= 0.95 * len(said):
            found.append((*match.span(), said))
    return found
