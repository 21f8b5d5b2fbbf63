"""Builds what a model is asked: data in fences, within so many tokens however large the data is."""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from pydantic import BaseModel

from core.errors import ConfigurationError
from core.incident import Evidence, Similar
from knowledge.catalogue import FailureClass
from tools.llm import ModelRequest, Opinion
from tools.redaction import redact

#: Shares of the room for data that one piece may take. What comes first is served first, and what is left over
#: goes to those after it: the classes, the decisive evidence, a person's hint, more evidence, knowledge.
_CLASSES, _DECISIVE, _HINT, _MORE, _KNOWN = 0.3, 0.4, 0.1, 0.15, 0.12
_MAX_EVIDENCE, _MAX_KNOWN = 6, 4
#: A piece of fewer tokens than this says nothing, so it is left out.
_LEAST = 24
#: The chat's own tokens around the messages (about 4 a message, and the start of the answer).
CHAT = 16
_CUT = "\n[... left out ...]\n"
_TITLE = 120
#: Of a longer text only the lines at its beginning and end are looked at at all, in characters.
_WHOLE = 200_000

#: Words as a byte-pair tokenizer roughly cuts them.
_PIECE = re.compile(r"([A-Z]?[a-z]+)|([A-Z]+)|([0-9]+)|(\s+)|[\x00-\x7f]|.", re.DOTALL)
#: Control characters and everything invisible that can hide or reorder text (zero-width, bidirectional, tags).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Prompt:
    """A prompt file: instructions, a line `===`, and the frame of the question with placeholders (`$data`)."""

    system: str
    frame: string.Template
    sha256: str

    @classmethod
    def read(cls, text: str, names: Set[str] = frozenset({"classes", "data"})) -> Prompt:
        """Take a prompt file apart; `names` are its placeholders.

        Raises:
            ConfigurationError: It lacks the line or a placeholder.
        """
        system, found, frame = text.partition("\n===\n")
        template = string.Template(frame)
        if not found or set(template.get_identifiers()) != names:
            wanted = " and ".join(f"${name}" for name in sorted(names))
            raise ConfigurationError(f"The prompt needs a line === and after it {wanted}, nothing else.")
        return cls(system.strip(), template, hashlib.sha256(text.encode()).hexdigest())


def estimate(text: str) -> int:
    """Tokens of a text, estimated from above.

    Compared with OpenAI's cl100k and o200k vocabularies: 1.1 to 2.2 times the true number for logs and traces,
    never below it for base64, hex, random letters, emoji or Chinese.
    """
    total = sum(cost for _, cost in _costs(text))
    return -(-total * 13 // 12)


def build(
    prompt: Prompt,
    *,
    evidence: Sequence[Evidence],
    similar: Sequence[Similar],
    classes: Sequence[FailureClass],
    hint: str,
    limit: int,
) -> ModelRequest:
    """One question about the evidence, of at most `limit` tokens, with every text in it redacted.

    Raises:
        ConfigurationError: The limit leaves no room for data.
    """
    fixed = CHAT + estimate_fixed(prompt, Opinion)
    room = limit - fixed
    if room < 10 * _LEAST:
        raise ConfigurationError(f"PITSTOP_MODEL_PROMPT_TOKENS must be at least {fixed + 10 * _LEAST}.")
    names = _list_of(classes, int(room * _CLASSES))
    left = room - estimate(names)
    shown = dict(fenced_within(_pieces(evidence, similar, hint), room, left))
    data = "\n".join(shown[name] for name in sorted(shown, key=_place))
    return ModelRequest(
        system=prompt.system,
        user=prompt.frame.substitute(classes=names, data=data),
        prompt_sha256=prompt.sha256,
        tokens=fixed + estimate(names) + sum(map(estimate, shown.values())),
        ids=frozenset(shown),
    )


def clean(text: str) -> str:
    """The text as a model may see it: nothing invisible, no secret."""
    if len(text) > _WHOLE:
        # Evidence was redacted whole when it was read; this second time need not take seconds.
        text = _beginning(text[: _WHOLE // 2]) + _CUT + _beginning(text[: -_WHOLE // 2 - 1 : -1])[::-1]
    # In this order: a secret with a zero-width character in it is no match until that is gone.
    return redact(_INVISIBLE.sub("", text)).text


def fit(text: str, limit: int) -> str:
    """The text, or its beginning and its end, in at most `limit` estimated tokens; nothing where that is too few."""
    text = text.strip()
    near = 8 * max(limit, 0)
    if len(text) <= 2 * near and estimate(text) <= limit:
        return text
    room = limit - estimate(_CUT)
    while limit >= _LEAST and room > 0:
        head = _longest(text[:near], room * 3 // 5)
        tail = _longest(text[-near:][::-1], room * 2 // 5)[::-1]
        cut = head.rstrip() + _CUT + tail.lstrip()
        if estimate(cut) <= limit:
            return cut
        room = room * 19 // 20
    return ""


def _beginning(text: str) -> str:
    """Up to the last whole line or else word in its second half: half of a secret would not be known for one."""
    half = len(text) // 2
    return text[: max(text.rfind("\n", half), 0) or max(text.rfind(" ", half), 0)]


def _costs(text: str) -> Iterator[tuple[int, int]]:
    """Where each piece of a text ends, and its tokens."""
    for match in _PIECE.finditer(text):
        length, kind = match.end() - match.start(), match.lastindex
        if kind == 1:
            cost = -(-length // 4) if length <= 12 else -(-length * 3 // 5)
        elif kind == 2:
            cost = -(-length * 3 // 4)
        elif kind == 3:
            cost = -(-length // 2)
        elif kind == 4:
            cost = 0 if match.group() == " " else -(-length // 8)
        else:
            cost = len(match.group().encode("utf-8", "replace"))
        yield match.end(), cost


def _longest(text: str, limit: int) -> str:
    """The longest beginning of at most `limit` tokens. Reversed text costs about the same."""
    end = spent = 0
    for stop, cost in _costs(text):
        spent += cost
        if spent > limit:
            break
        end = stop
    return text[:end]


def _pieces(
    evidence: Sequence[Evidence], similar: Sequence[Similar], hint: str
) -> list[tuple[str, str, float]]:
    """(id, clean text, share of the room), the most important first."""
    shown = [
        (f"E{n}", clean(f"[{e.source}:{e.line_start}-{e.line_end}]\n{e.text}"), _MORE if n > 1 else _DECISIVE)
        for n, e in enumerate(evidence[:_MAX_EVIDENCE], start=1)
    ]
    known = [(f"K{n}", clean(_words(s)), _KNOWN) for n, s in enumerate(similar[:_MAX_KNOWN], start=1)]
    hints = [("HINT", clean(hint), _HINT)] if hint.strip() else []
    return [*shown[:1], *hints, *shown[1:], *known]


def fenced_within(
    pieces: Sequence[tuple[str, str, float]], room: int, left: int
) -> Iterator[tuple[str, str]]:
    """(id, fenced text) of the pieces that fit, each within its share of the room and all within what is left."""
    # The fence is a hash of everything within it, so nothing within it can have been written to close it.
    key = hashlib.sha256("".join(text for _, text, _ in pieces).encode("utf-8", "replace")).hexdigest()[:12]
    for name, text, share in pieces:
        around = estimate(_fenced(name, key, "x"))
        body = fit(text, min(int(room * share), left) - around)
        if body:
            fenced = _fenced(name, key, body)
            left -= estimate(fenced)
            yield name, fenced


def estimate_fixed(prompt: Prompt, shape: type[BaseModel]) -> int:
    """Tokens of a question without its data: the instructions, the frame, the schema of the answer."""
    return sum(map(estimate, (prompt.system, prompt.frame.template, json.dumps(shape.model_json_schema()))))


def _words(similar: Similar) -> str:
    after = (
        f" (done: {similar.action}, outcome: {similar.outcome})" if similar.action or similar.outcome else ""
    )
    return f"{similar.kind}: {similar.title}{after}\n{similar.text}"


def _list_of(classes: Sequence[FailureClass], limit: int) -> str:
    """As many classes as fit, one a line; the first ones matter most."""
    lines: list[str] = []
    for found in classes:
        line = f"- {found.name}: {' '.join(found.title.split())[:_TITLE]}"
        limit -= estimate(line + "\n")
        if limit < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _fenced(name: str, key: str, text: str) -> str:
    return f"<<{name} {key}\n{text}\n{key}>>\n"


def _place(name: str) -> tuple[int, str]:
    """Evidence first, then knowledge, then the hint."""
    return "EKH".index(name[0]), name
