"""The head of a log line: its time, level and logger, in the formats that log4j, Python, CI and the shell write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

_MONTHS = {
    m: i
    for i, m in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_LEVELS = "TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|FATAL|CRITICAL|SEVERE|FINEST|FINER|FINE|CONFIG|EMERG|ALERT|CRIT"
_LEVEL_NAMES = {
    "WARNING": "WARN",
    "CRITICAL": "FATAL",
    "SEVERE": "ERROR",
    "EMERG": "FATAL",
    "ALERT": "FATAL",
    "CRIT": "FATAL",
    "NOTICE": "INFO",
    "CONFIG": "INFO",
    "FINE": "DEBUG",
    "FINER": "DEBUG",
    "FINEST": "TRACE",
}

#: Each: the way a log line can begin with a time. Tried in this order at the line's start (after `[` or `(`).
_TIMES = (
    # 2026-11-21 08:08:25,116  2026-11-21T08:08:25.116Z  2026/11/21 08:08:25  2026-11-21, 08:08:25 UTC
    r"(?P<y>\d{4})[-/.](?P<mo>\d\d)[-/.](?P<d>\d\d)(?:,? |T)(?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:[.,:](?P<f>\d{1,9}))?"
    r"(?: ?(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?",
    # 26/11/21 08:08:25 (Spark's log4j: yy/MM/dd)
    r"(?P<y2>\d\d)/(?P<mo2>\d\d)/(?P<d2>\d\d) (?P<h2>\d\d):(?P<mi2>\d\d):(?P<s2>\d\d)(?:[.,](?P<f2>\d{1,9}))?",
    # 21/Nov/2026:08:08:25 +0000 (web servers)
    r"(?P<d3>\d\d)/(?P<mo3>[A-Z][a-z]{2})/(?P<y3>\d{4}):(?P<h3>\d\d):(?P<mi3>\d\d):(?P<s3>\d\d)(?: (?P<z3>[+-]\d{4}))?",
    # Sat Nov 21 08:08:25 2026 (Apache, ctime), Sat Nov 21 08:08:25 UTC 2026 (date)
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<mo4>[A-Z][a-z]{2}) +(?P<d4>\d{1,2}) (?P<h4>\d\d):(?P<mi4>\d\d):(?P<s4>\d\d)"
    r"(?:\.\d+)?(?: [A-Z]{3,4})? (?P<y4>\d{4})",
    # Nov 21, 2026 8:08:25 AM (java.util.logging)
    r"(?P<mo5>[A-Z][a-z]{2}) (?P<d5>\d{1,2}), (?P<y5>\d{4}) (?P<h5>\d{1,2}):(?P<mi5>\d\d):(?P<s5>\d\d) (?P<ap5>[AP]M)",
    # Nov 21 08:08:25 (syslog: without a year, so without a point in time)
    r"(?P<nodate>[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d+)?)\b",
    # 261121 080825 (HDFS)
    r"(?P<y6>\d\d)(?P<mo6>\d\d)(?P<d6>\d\d) (?P<h6>\d\d)(?P<mi6>\d\d)(?P<s6>\d\d)\b",
    # 08:08:25.116 (time alone)
    r"(?P<clock>\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?=[\s|\]])",
)
_TIME = re.compile(r"[\[(<]{0,2}(?:" + "|".join(_TIMES) + r")[\])>]?")
_LEVEL = re.compile(
    rf"(?<![\w./-])(?:{_LEVELS})(?![\w./-])|\[(?:error|warn|warning|info|debug|notice|crit|alert|emerg|fatal|critical|trace) *\]"
    r"|(?<=[ |])(?:error|warn|warning|info|debug|fatal|trace)(?=[:|\t]| - )"
)
#: A line that has no time but is plainly a logger's: `ERROR:root:...`, `[ERROR] ...`, `WARN  o.a.s.X - ...`.
_BARE = re.compile(
    rf"\[?(?P<level>{_LEVELS}|error|warning|warn|info|debug)\]?(?::(?P<name>[\w.]+):| +(?=[\[\w]))|\[(?P<app>\w+)\] (?P<level2>{_LEVELS}) \|"
)
#: Google's and Kubernetes' format: `E1121 08:14:45.123456   1234 file.cc:12] message`.
_GLOG = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ (?P<name>[\w./-]+):\d+\] ")
_GLOG_LEVELS = {"I": "INFO", "W": "WARN", "E": "ERROR", "F": "FATAL"}
_LOGGER = re.compile(r"\s*(?:\[[^\]]*\]\s*)*(?P<name>[A-Za-z_][\w.$-]*)(?:\(\d+\))?(?::| -)\s")
#: Only so much of a line is searched for a level: what follows is message.
_HEAD_CHARS = 120


class Header(NamedTuple):
    """What stands before the message: `end` is where the message begins. `level` is one of log4j's names."""

    level: str | None
    timestamp: float | None
    logger: str | None
    end: int


def parse_header(text: str) -> Header | None:
    """The header of a log line, or None for a line that has none (a continuation, or plain output)."""
    first = text[:1]
    if not first or first in " \t":
        return None
    if first.isdigit() or first in "[(<" or first.isupper():
        time = _TIME.match(text)
        if time:
            return _after_time(text, time)
    glog = _GLOG.match(text)
    if glog:
        return Header(_GLOG_LEVELS[text[0]], None, glog["name"], glog.end())
    bare = _BARE.match(text)
    if not bare:
        return None
    return Header(_level_name(bare["level"] or bare["level2"]), None, bare["name"] or bare["app"], bare.end())


def _after_time(text: str, time: re.Match[str]) -> Header:
    stamp = _timestamp(time)
    level = _LEVEL.search(text, time.end(), _HEAD_CHARS)
    if not level or not _plausible_gap(text[time.end() : level.start()]):
        return Header(None, stamp, None, _skip(text, time.end()))
    end = _skip(text, level.end())
    logger = _LOGGER.match(text, end)
    name = logger["name"] if logger else None
    return Header(_level_name(level.group()), stamp, name, logger.end() if logger else end)


def _plausible_gap(between: str) -> bool:
    """Whether what stands between time and level can be a header's (thread, process, file) and not a message."""
    bare = re.sub(r"\[[^\]]*\]|\{[^}]*\}|\([^)]*\)", " ", between)
    return len(bare.split()) <= 3


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t:|-]":
        at += 1
    return at


def _level_name(name: str) -> str:
    name = name.strip("[] ").upper()
    return _LEVEL_NAMES.get(name, name)


def _timestamp(m: re.Match[str]) -> float | None:
    g = m.groupdict()
    if g["nodate"] or g["clock"]:
        return None
    try:
        for n in ("", "2", "3", "4", "5", "6"):
            if g["y" + n] is not None:
                return _seconds(g, n)
    except (ValueError, KeyError, OverflowError):
        return None
    return None


def _seconds(g: dict[str, str | None], n: str) -> float:
    year = int(g["y" + n] or 0)
    month = g["mo" + n] or ""
    hour = int(g["h" + n] or 0)
    half = g.get("ap" + n)
    if half:
        hour = hour % 12 + (12 if half == "PM" else 0)
    zone = g.get("z" + n)
    moment = datetime(
        year if year > 99 else 2000 + year,
        int(month) if month.isdigit() else _MONTHS[month.lower()],
        int(g["d" + n] or 0),
        hour,
        int(g["mi" + n] or 0),
        int(g["s" + n] or 0),
        tzinfo=_zone(zone),
    )
    fraction = g.get("f" + n)
    return moment.timestamp() + (float("0." + fraction) if fraction else 0.0)


def _zone(text: str | None) -> timezone:
    if not text or text[0] not in "+-":
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:4])))
