"""Takes secrets out of text that was read off a picture, where a secret may be misread, broken up or wrapped."""

from __future__ import annotations

import re
from itertools import pairwise

from tools.redaction import Redacted, redact

_GAP = r"[ _.]?"
#: What a secret is made of, with the blanks that a machine sees in it.
_RUN = r"(?:[A-Za-z0-9+/=_~-] ?){14,}[A-Za-z0-9+/=_~-]"
#: The beginnings of tokens, as they may be misread.
_BEGINS = re.compile(
    r"(?<![A-Za-z0-9])(?:d ?a ?p ?[i1lI|!j]|dkea|d[o0]se|dsap[i1lI|]|AK[I1l|]A|A[S5][I1l|]A|gh[pousr]_?|g[l1I]pat-?|ey[JI1]|x[o0]x[a-z]-?|sk-|AIza|hf_)"
    rf" ?(?=[^\n]{{0,24}}\d)(?P<secret>{_RUN})"
)
_KEYS = (
    r"(?<![a-z])p ?a ?[s5$] ?[s5$] ?w ?[o0]? ?r? ?d|pa[s5$]{2}"
    + _GAP
    + r"phra[s5]e|(?<![a-z])pwd|[s5] ?e ?c ?r ?e ?t|t ?[o0] ?k ?e ?n|"
    r"ap[i1l|]"
    + _GAP
    + r"key|acc[o0]unt"
    + _GAP
    + r"key|acce[s5]{2}"
    + _GAP
    + r"key|[s5]hared"
    + _GAP
    + r"key|"
    r"private"
    + _GAP
    + r"key|[s5]t[o0]rage"
    + _GAP
    + r"key|credential[s5]?|c[o0]nnecti[o0]n"
    + _GAP
    + r"[s5]tring"
)
#: `passw0rd : x`, `client.secret= x`: the key, what separates, and the first word of the value.
_KEYED = re.compile(
    rf"(?i:(?:{_KEYS})[\w.-]{{0,30}})[\"'”]?\s{{0,2}}(?P<separator>=>|[=:])\s{{0,2}}[\"'“]?(?P<secret>[^\s\"'”,;)}}\]]{{3,}})"
)
_BEARER = re.compile(r"(?i:\b[b8]earer)[ :]{1,2}(?P<secret>[\w.+/=~-]{8,})")
#: A piece of a value behind a blank that was none: letters and digits mixed, and no word.
_MORE = re.compile(r" ?(?P<more>(?=[A-Za-z+/=_~-]*\d)(?=[\d+/=_~-]*[A-Za-z])[A-Za-z0-9+/=_~-]{4,})(?![\w.])")
_TOKEN = re.compile(r"(?<![\w/.$-])[A-Za-z0-9+/=_~-]{20,}(?![\w.$])")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MANY_CHANGES = 6
_PLACE = "[REDACTED:"
_WRAPPED = re.compile(r"\s*(?=[A-Za-z+/=_~-]*\d)[A-Za-z0-9+/=_~-]{4,}(?=[\W]|$)")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def redact_read(text: str) -> Redacted:
    """Redact a text that was read off a picture; rather too much than too little. The lines stay where they are."""
    clean = redact(text)
    count = clean.count
    out: list[str] = []
    open_end = False
    for line in clean.text.split("\n"):
        if open_end and (rest := _WRAPPED.match(line)):
            line = f"{_PLACE}wrapped]{line[rest.end() :]}"
            count += 1
        line, found = _line(line)
        count += found
        # A secret at the end of a line may go on in the next one, where nothing names it.
        open_end = bool(re.search(r"\[REDACTED:\w+\]\s*$", line))
        out.append(line)
    return Redacted("\n".join(out), count)


def _line(line: str) -> tuple[str, int]:
    count = 0
    for kind, pattern in (("token", _BEGINS), ("bearer", _BEARER), ("secret", _KEYED)):
        done = 0
        while match := pattern.search(line, done):
            start, end = match.start() if kind == "token" else match.start("secret"), match.end("secret")
            if line.startswith(_PLACE, start) or "REDACTED" in line[start:end] or _plain(kind, match):
                done = match.end()
                continue
            while more := _MORE.match(line, end):
                end = more.end()
            line = f"{line[:start]}{_PLACE}{kind}]{line[end:]}"
            done = start + len(_PLACE) + len(kind) + 1
            count += 1
    line, found = _TOKEN.subn(lambda m: f"{_PLACE}random]" if _random(m.group()) else m.group(), line)
    return line, count + line.count(f"{_PLACE}random]") * bool(found)


def _plain(kind: str, match: re.Match[str]) -> bool:
    """Whether what follows a key and a colon is prose: `token: expired`, `Invalid password: must be longer`."""
    if kind != "secret" or match["separator"] != ":":
        return False
    return bool(_WORD.fullmatch(match["secret"].rstrip(".")))


def _random(token: str) -> bool:
    """Whether letters and digits change so often that it is no name; a UUID is none of ours to hide."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(token))
    return changes >= _MANY_CHANGES and not _UUID.fullmatch(token)
