"""The last resort: when nothing in a log looks like an error, the words at its end that sound like one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tools.log_reader.blocks import Block
from tools.log_reader.excerpt import excerpt
from tools.log_reader.headers import Header, parse_header

_WORDS = re.compile(
    r"\b(?:fail(?:ed|ure|s)?|errors?|cannot|can't|could ?n[o']t|unable to|denied|refused|rejected|timed out|time-?out|not found|abort(?:ed)?"
    r"|exceed(?:ed|s)|invalid|missing|expired|unauthori[sz]ed|forbidden|corrupt(?:ed)?|mismatch|violat\w+|unreachable|unavailable|quota"
    r"|insufficient|does(?: not|n't) exist|no such|killed|terminated|lost|down|unhealthy|crash(?:ed)?|panic|stopped unexpectedly"
    r"|not (?:allowed|supported|permitted|authori[sz]ed|available|reachable|responding|defined|ready)|limit|conflict|duplicate"
    r"|fehler|fehlgeschlagen|erreur|\u00e9chec|refus\u00e9e?|errore|fall[o\u00f3]|error\w*|denegado|falha|negad[oa]|verweigert|nicht gefunden|introuvable|impossible|interdit|denegad[oa]|no encontrad[oa]|no existe|non trovat[oa]|impossibile|n\u00e3o encontrad[oa]|permission non"
    r"|\u30a8\u30e9\u30fc|\u5931\u6557|\u9519\u8bef|\u5931\u8d25|\u043e\u0448\u0438\u0431\u043a\u0430)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:no|0|without|zero)\s+(?:\w+\s+)?(?:errors?|failures?|failed)|(?:errors?|fail(?:ed|ures?)?)\s*[:=]\s*(?:0|none|\[\])",
    re.IGNORECASE,
)
_BEST_LINES = 3
_LOOK_BACK = 400


def tail_blocks(
    lines: Sequence[str], first: int, source: str, known: Callable[[str], bool] | None = None
) -> list[Block]:
    """Up to three one-line blocks from the end of a log, in document order; later lines weigh more.

    `lines` are the log's last lines and `first` the number of the first of them; `known` says of a line that
    the log of a good run holds its like.
    """
    found: list[Block] = []
    offset = max(0, len(lines) - _LOOK_BACK)
    for index in range(len(lines) - 1, offset - 1, -1):
        text = lines[index]
        if (
            not text.strip()
            or not _WORDS.search(text)
            or _NEGATED.search(text)
            or (known is not None and known(text))
        ):
            continue
        header = parse_header(text)
        level = header.level if header else None
        base = {"INFO": 0.12, "DEBUG": 0.08, "WARN": 0.2}.get(level or "", 0.3)
        closeness = 1 - (len(lines) - 1 - index) / max(len(lines), 40)
        found.append(_block(text, header, first + index, source, base * (0.4 + 0.6 * closeness)))
        if len(found) == _BEST_LINES:
            break
    return found[::-1] or _last_words(lines, first, source)


def _last_words(lines: Sequence[str], first: int, source: str) -> list[Block]:
    """The last line, for want of anything better; it counts a little when no logger wrote it."""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].strip():
            header = parse_header(lines[index])
            return [_block(lines[index], header, first + index, source, 0.03 if header else 0.12)]
    return []


def _block(text: str, header: Header | None, number: int, source: str, weight: float) -> Block:
    return Block(
        kind="message",
        source=source,
        line_start=number,
        line_end=number,
        text=excerpt([text], [0]),
        message=text[header.end if header else 0 :].strip()[:2000],
        decisive=(number, number),
        level=header.level if header else None,
        timestamp=header.timestamp if header else None,
        weight=weight,
    )
