"""Where a line's message begins, in logs whose header no logger of the usual kind wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tools.log_reader.headers import parse_header

#: Header formats of systems that don't write `time level logger: message`. Each ends where the message begins.
_FORMATS = (
    # syslog: Jun 14 15:16:01 host sshd(pam_unix)[19939]: message
    re.compile(
        r"[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d+)? \S+ [^\[\]:]{1,60}?(?:\[[^\]]*\])?:(?: |$)"
    ),
    # syslog of a cluster: - 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond[2915]: message
    re.compile(
        r"\S+ \d{9,10} \d{4}\.\d\d\.\d\d \S+ [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \S+ (?:[^\[\]: ]{1,60}(?:\[[^\]]*\])?:(?: |$))?"
    ),
    # supercomputers' event logs: - 1117838570 2005.06.03 NODE 2005-06-03-15.42.50.363779 NODE RAS KERNEL INFO message
    re.compile(
        r"\S+ \d{9,10} \d{4}\.\d\d\.\d\d \S+ \d{4}-\d\d-\d\d-[\d.]+ \S+ \S+ \S+ (?:INFO|WARNING|ERROR|FATAL|SEVERE|FAILURE) "
    ),
    re.compile(r"\d+ \S+ \S+ \S+ \d{9,10} \d (?=\S)"),
    # android: 03-17 16:13:38.811  1702  2395 D WindowManager: message
    re.compile(r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +\d+ +\d+ [VDIWEF] [^:]{1,60}?: "),
    # windows servicing: 2016-09-28 04:30:30, Info                  CBS    message
    re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, [A-Z][a-z]+ +\S+ +"),
    # openstack: nova-api.log.1 2017-05-16 00:00:00.008 25746 INFO nova.osapi [req-...] message
    re.compile(r"(?:\S+ )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \d+ [A-Z]+ [\w.]+ (?:\[[^\]]*\] )?"),
    # 20171223-22:15:29:606|Step_LSC|30002312|message
    re.compile(r"\d{8}-[\d:]+\|[^|]*\|\d+\|"),
    # [10.30 16:49:06] chrome.exe - message
    re.compile(r"\[\d\d\.\d\d \d\d:\d\d:\d\d\] .{1,60}? - "),
    # 2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - message
    re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d{3} - [A-Z]+ +\[.{1,150}?:\S+@\d+\] - "),
)
#: After so many lines the format that fitted most of them is tried first.
_LEARN_LINES = 200


@dataclass(slots=True)
class PrefixFinder:
    """Finds the end of the header; the format that a log uses most is tried first."""

    _hits: list[int] = field(default_factory=lambda: [0] * len(_FORMATS))
    _order: list[int] = field(default_factory=lambda: list(range(len(_FORMATS))))
    _seen: int = 0

    def end(self, line: str) -> int:
        """The index at which the message of `line` begins; 0 for a line without a header."""
        self._seen += 1
        if self._seen == _LEARN_LINES:
            self._order.sort(key=lambda number: -self._hits[number])
        for number in self._order:
            match = _FORMATS[number].match(line)
            if match:
                self._hits[number] += 1
                return match.end()
        header = parse_header(line)
        return header.end if header else 0
