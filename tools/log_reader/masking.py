"""Takes the variables out of a message: numbers, ids, times, addresses, and for templates also paths and URLs."""

from __future__ import annotations

import re

WILDCARD = "<*>"

_UUID = r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
_TIME = (
    r"\b\d{4}[-/]\d\d[-/]\d\d(?:[T ,]+\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w-])|\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [A-Z][a-z]{2} +\d{1,2}\b|\b[A-Z][a-z]{2} +\d{1,2}(?= <\*>| \d\d:\d\d)"
)
_HEX = r"\b0[xX][0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b|\b(?=[0-9A-F]*\d)(?=[0-9A-F]*[A-F])[0-9A-F]{8,}\b|@[0-9a-f]{5,8}\b"
_IP = r"/?(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:/\d+)?(?![\w.]*\d)|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?:/\S+)?(?![\w:])"
_URL = r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s\"'<>,;)\]}]+"
_EMAIL = r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"
_HOST = r"\b(?:[\w-]+\.){2,}[A-Za-z][\w-]*:\d{2,5}\b|\b[\w-]+:\d{4,5}\b|\bip-\d+(?:-\d+){3}[\w.-]*"
_PATH = r"(?<![\w.:/])(?:[A-Za-z]:[\\/]|~?/|\.{1,2}/)(?:[\w.@=+%$#*~,-]+[/\\]*){1,40}"
_SIZE = r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*\s?(?:(?:[KMGTPE]i?)?B|ms|us|ns|sec|secs|[hms])\b"
#: Letters and digits that alternate, as random names do; a plain word with a number at its end is not one.
_RANDOM = (
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*\d[A-Za-z]+\d)(?=[A-Za-z0-9]*[A-Za-z]\d)[A-Za-z0-9]{6,}(?![A-Za-z0-9])"
)
_MIXED = (
    r"(?<![A-Za-z0-9+])(?=[A-Za-z0-9+]*\d)(?=[A-Za-z0-9+]*[a-z])(?=[A-Za-z0-9+]*[A-Z])[A-Za-z0-9+]{20,}={0,2}"
)
#: A package with its version.
_RELEASE = r"(?<![\w./-])[A-Za-z][A-Za-z0-9_]*(?:[-_.][A-Za-z][A-Za-z0-9_]*)*-\d+(?:\.\d+)+(?:[-.]?(?:post|dev|rc|a|b)\d+)?(?![\w-])"
_NUMBER = r"(?<![\d.,])[-+]?\d+(?:[.,]\d+)*"

_IDS = re.compile("|".join((_UUID, _TIME, _HEX, _IP, _MIXED, _RANDOM)))
_ALL = re.compile(
    "|".join((_URL, _EMAIL, _UUID, _TIME, _HEX, _IP, _HOST, _PATH, _SIZE, _MIXED, _RANDOM, _RELEASE))
)
_DIGITS = re.compile(_NUMBER)
_INT = re.compile(r"\d+")
#: Letters that are often followed by a digit and yet are one word.
_WORDS_WITH_DIGITS = re.compile(
    r"\b(?:[A-Za-z]{1,5}\d[A-Za-z]{1,9}|utf-?\d+|[Uu][Tt][Ff]\d+|md5|sha\d+|s3a?|ipv[46]|IPv[46]|x86_64|ext\d|py\d|int\d+|float\d+|HTTP/\d\.\d)\b"
)


def mask_ids(text: str) -> str:
    """The text with ids, times, addresses and every number masked; names, paths and hosts stay.

    Two runs that fail alike give the same text; another table, column, path or module gives another.
    """
    return _INT.sub(WILDCARD, _IDS.sub(WILDCARD, text)).replace(WILDCARD + "." + WILDCARD, WILDCARD)


def mask_variables(text: str) -> str:
    """The text with everything masked that a program fills in: also URLs, paths, hosts, sizes and durations."""
    masked = _ALL.sub(WILDCARD, text)
    if not _INT.search(masked):
        return masked
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match.group())
        return f"\x01{chr(0xE000 + len(kept) - 1)}"

    masked = _DIGITS.sub(WILDCARD, _WORDS_WITH_DIGITS.sub(keep, masked))
    for number, word in enumerate(kept):
        masked = masked.replace(f"\x01{chr(0xE000 + number)}", word)
    return masked
