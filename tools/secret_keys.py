"""Keys named like secrets, and which of their values are: `password=x`, `"token": "x"`, `secret -> x`."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

#: Names of keys whose values are secrets whatever they look like.
_STRONG_KEY = (
    r"pass(?:word|wd|phrase|code)|passwrd|(?<![a-z])pwd|(?<![a-z])pass(?![a-z])|secret(?:[_.-]?(?:access)?[_.-]?key|[_.-]?value)?|client[_.-]?secret|secret"
    r"|api[_.-]?(?:key|secret|token)|apikey|(?:access|auth|refresh|bearer|(?<![a-z])id|session|security|sas|oauth|personal[_.-]?access|(?<![a-z])pat)[_.-]?token"
    r"|account[_.-]?key|shared[_.-]?(?:access[_.-]?)?key|private[_.-]?key|encryption[_.-]?key|signing[_.-]?key|master[_.-]?key|storage[_.-]?key"
    r"|credentials?|connection[_.-]?string|conn[_.-]?str"
)
#: Names whose values are secrets when they look random.
_WEAK_KEY = (
    r"token|access[_.-]?key|key|auth|signature|sas|salt|webhook|dsn|subscription[_.-]?key|user[_.-]?info"
)
_NOT_A_SECRET_KEY = re.compile(
    r"(?:_|-|\.|^)(?:id|ids|name|names|type|count|counts|length|len|size|path|file|scope|scopes|url|uri|endpoint|ttl|expiry|expires?|expiration|expired|columns?|cols?"
    r"|field|fields|policy|manager|provider|class|enabled|required|valid|version|format|algorithm|store|alias|status|error|errors|hint|prefix|mode|limit|usage|used|index)$"
    r"|tokens$|tokeniz|idempot|page_?token|continuation|cancel|(?:primary|foreign|partition|sort|surrogate|cache|public|natural|business|merge|join|group|unique|hash|row|index|object|task|job|run|lock|duplicate|distribution|cluster(?:ing)?)[_.-]?keys?$"
    r"|(?-i:Error|Exception|NotFound|Missing|Invalid|Expired|Name|Id|Type|Count|Path|File|Ur[li]|Scope|Provider|Class|Size|Ref|Manager|Policy|Version)$|(?-i:^Secret$)|passed|passing|bypass|passive|compass|passthrough|secretary|(?:^|[_.-])(?:max|min|num|total|prompt|completion|input|output|n)[_.-].*token",
    re.IGNORECASE,
)
_SEPARATOR = (
    r"(?:\\{0,7}[\"'])?\s{0,3}(?:=>|->|:=|[=:](?:\s?!!?\w{1,20})?|\\{1,4}u003d|\\{0,7}[\"'],|%3D)\s{0,3}"
)
_QUOTED = r"(?P<quote>\\{0,7}[\"'])(?P<quoted>(?:(?!(?P=quote))[^\n]){0,4000})(?P=quote)"
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
    # A cell of a table, whose head would have a word here.
    "|": re.compile(
        r"(?P<rest>[\w.-]{0,80})(?P<separator>\s{0,40}\|\s{0,3})(?P<bare>(?=[^|]*\d)[^|\s]{6,500})\s{0,80}\|"
    ),
    # A property of Spark or Hadoop, with blanks between it and its value.
    ".": re.compile(
        r"(?P<rest>[\w.-]{0,80})(?P<separator>[ \t]{1,60})(?P<bare>(?=\S*\d)(?=\S*[A-Za-z])[^\s\"'<=:]\S{7,500})(?=\s|$)"
    ),
}
#: Where a value without quotes ends before a space does.
VALUE_STOP = re.compile(
    r"\\{1,4}u0026|%26|[,&;)\]}>](?:(?<=[,&;])(?=\s|$|[\w.-]{1,60}\s{0,3}[=:])|(?<=[)\]}>])[)\]}>]{0,9}(?=[\s,;.)\]}]|$))"
)
MAX_KEY_CHARS = 120
#: What is left of a value that is longer than the patterns read.
VALUE_REST = re.compile(r"[^\s\"'<,;&)\]}]*")
KEYED_LOOK = rb"(pass|pwd|secret|token|key|credential|auth|signature|sas|salt|conn(ection)?[_.-]?str|webhook|dsn)[\w.$-]{0,80}(\\{0,7}[\"'])?[ \t]{0,40}(=|:|->|%3d|\\{1,4}u003d|>|,|\||[ \t][^ \t\n])"
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
)
#: What sets a property: `option("password", "x")`.
_SETS = re.compile(r"(?:option|set|put|property|header|config|conf|add)\w{0,20}\(\s*[\"']?$", re.IGNORECASE)
_SECRET_NAME = re.compile(r"[^A-Za-z0-9]+")
_PLACEHOLDER = re.compile(
    r"(?:null|none|nil|true|false|yes|no|empty|undefined|unset|default|redacted|masked|hidden|invalid|expired|missing|required|unknown|string|str|varchar|\d{1,3}"
    r"|\*+|x{3,}|\.{3,}|-+|_+|\?+|<[^>]*>?|\$\{?[\w.:-]+\}?|%\w+%|\{\{[^}]*\}{0,2}|\{[a-z_][a-z_.]*\}|\[redacted.*|\(redacted\)|env\.\w+|os\.environ.*|dbutils\.secrets.*|getpass.*|secret\(.*|\w+[(\[]\)?|(?:self|cls|settings|config|cfg|conf|args|options|params|kwargs|row|secrets|creds|credentials|context|ctx)\.[\w.]+|[\w.]+\[[\"'].*)$",
    re.IGNORECASE,
)


#: A part of a value that is a word: names of files, columns and secrets have some, made-up secrets have none.
_WORDY = re.compile(r"(?:^|[-_./:])(?=[a-z]*[g-z])[a-z]{4,}(?:[-_./:]|$)")
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
    if not strong and (_WORDY.search(value) or key.lower().endswith("hash")):
        return False
    if value.lower() in (key.lower(), key.lower().rsplit(".", 1)[-1]):
        return False  # `password=password` is a program's text
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


class Keyed(NamedTuple):
    """Where the value of a key named like a secret stands in a line, and what kind of secret it is."""

    start: int
    end: int
    kind: str


def keyed_secrets(line: str) -> Iterator[Keyed]:
    """The values of keys named like secrets, going through the line once."""
    done = 0
    word = KEY_WORD.search(line)
    while word is not None:
        span = _keyed_secret(line, word)
        if span is not None and span[0] >= done:
            yield Keyed(*span, _kind(word.group()))
            done = span[1]
        word = KEY_WORD.search(line, max(word.end(), done))


def _keyed_secret(line: str, word: re.Match[str]) -> tuple[int, int] | None:
    """Where the value of the key around `word` stands, if it is a secret."""
    name = line[max(0, word.start() - MAX_KEY_CHARS) : word.start()]
    outside = name.rstrip(KEY_CHARS)
    lead = name[len(outside) :]
    opening = "-" if lead[:1] == "-" else outside[-1:]
    after = KEY_AFTER.match(line, word.end())
    if after is None and opening in KEY_AFTER_OPEN:
        after = KEY_AFTER_OPEN[opening].match(line, word.end())
    table = outside.rstrip()[-1:] == "|"
    if table:
        after = KEY_AFTER_OPEN["|"].match(line, word.end()) or after
    if after is None and "." in lead:
        after = KEY_AFTER_OPEN["."].match(line, word.end())
    if after is None:
        return None
    if "," in after["separator"] and not _may_be_a_value(line[: word.start() - len(lead)], line, after):
        return None
    if word["weak"] and not any(
        map(str.isdigit, line[after.end("separator") : after.end("separator") + 200])
    ):
        return None
    start, end, bare = _value_span(line, after)
    key = lead.lstrip("-") + word.group() + after["rest"]
    strong = word["strong"] is not None or (opening in ("-", "<") and after["separator"][:1] in " \t>")
    spaced = (
        ":" in after["separator"]
        and after["separator"].endswith(" ")
        and not _begins_line(line, word.start() - len(lead))
    )
    value = line[start:end]
    if "[REDACTED:" in value or not is_secret(key, strong, value, bare=bare, spaced_colon=spaced):
        return None
    return start, end


def _may_be_a_value(before: str, line: str, after: re.Match[str]) -> bool:
    """Whether what follows a key and a comma is its value, and not the next of a list of names."""
    start, end, _ = _value_span(line, after)
    if not re.fullmatch(r"[A-Za-z_]+", line[start:end]):
        return True
    return bool(_SETS.search(before))


def _value_span(line: str, after: re.Match[str]) -> tuple[int, int, bool]:
    """Where a key's value begins and ends, and whether it has neither quotes nor braces."""
    groups = after.groupdict()
    for name in ("quoted", "braced"):
        if groups.get(name) is not None:
            return *after.span(name), False
    start, end = after.span("bare")
    stop = VALUE_STOP.search(line, start, end + 1)
    if stop is not None and stop.start() < end:
        return start, stop.start(), True
    if end - start >= 500:
        rest = VALUE_REST.match(line, end)
        end = rest.end() if rest else end
    return start, end, True


def _begins_line(line: str, at: int) -> bool:
    """Whether a key stands where YAML, properties and printed settings have it."""
    return not line[:at].strip(" \t-{[(\"'\\,") or line[:at].rstrip()[-1:] in "{[(,\"'"


def kind_of_key(name: str, value: str) -> str | None:
    """The kind of secret that the value of a JSON key is, or None."""
    words = list(KEY_WORD.finditer(name[:MAX_KEY_CHARS]))
    for word in words:
        if is_secret(name, word["strong"] is not None, value, bare=False, spaced_colon=False):
            return _kind(word.group())
    return None


def _kind(name: str) -> str:
    return _SECRET_NAME.sub("_", name).strip("_").lower()
