"""Mends what a machine misreads on a screenshot: the names that the catalogue knows, and the shape of stacks.

Letters that look alike (O/0, l/1/I, 5/S) are folded into one; a name whose folded letters are those of a known name, or
of all but one of them, is written as the known one. A word that is no known name stays as it was read.
"""

from __future__ import annotations

import builtins
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property

from knowledge.catalogue import Catalogue
from tools.ocr.wrapped import unwrapped

_ALIKE = str.maketrans(
    {"o": "0", "q": "0", "l": "1", "i": "1", "|": "1", "!": "1", "j": "1", "s": "5", "$": "5", "b": "8"}
    | {"z": "2", "g": "9", "v": "u", "_": "", " ": "", "-": "", ".": "", "'": "", "(": "", ")": "", ":": ""}
    | {",": "", "\t": ""}
)
#: What begins or joins the parts of a trace; the reader of logs knows a trace by these.
_MARKS = (
    "Traceback (most recent call last):",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
    "Caused by:",
    "Job aborted due to stage failure",
    "Driver stacktrace:",
    "Exception in thread",
)
_WORD = re.compile(r"[A-Za-z]{3,}")
_ATOM = re.compile(r"[\w|!$]+")
_BETWEEN = re.compile(r"[ _.-]{0,2}")
_LONGEST_WINDOW = 9
#: A name of so many letters is still known with one of them wrong, lost or too many.
_FORGIVING = 10
_SHORTEST = 7
#: A class's name of several words; one of a single word is a word of prose as well.
_CAMEL = re.compile(r"[A-Z]+[a-z0-9]*[A-Z][A-Za-z0-9]+")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_FRAME = re.compile(
    r"^\W{0,3}F[i1lI|]le\s?[\"“”']{1,2}\s?(?P<path>[^\"“”']+?)\s?[\"“”']{1,2}[,.]?\s?[l1I|]ine\s?(?P<line>\d+)[,.]?\s?(?:in\s?(?P<name>\S.*))?$"
)
_AT = re.compile(r"^(?P<gap>\s*)[|Il\[]?at (?=[\w$]+ ?[./])(?P<rest>.+)$")
#: A condition that no catalogue need know: `[SOME_CONDITION.WlTH_SUBCLASS]`.
_BRACKETED = re.compile(r"\[(?=[^\]]*_)[A-Za-z0-9_.|]{5,80}\]")
_CAPITAL = str.maketrans("l|", "II")
_DIGIT_FOR_LETTER = re.compile(r"(?<=[A-Z_])[01](?=[A-Z_])")
_MISREAD_CAUSE = re.compile(r"^\W{0,2}Caused\s?by\s?[:;]\s*")


class Vocabulary:
    """The names that a catalogue recognises failures by. Made once, used in any thread."""

    def __init__(self, names: Iterable[str], words: Iterable[str] = ()) -> None:
        self._words = frozenset(words)
        self._names = sorted({name for name in names if len(fold(name)) >= _SHORTEST})

    @classmethod
    def of(cls, catalogue: Catalogue) -> Vocabulary:
        """Error conditions and the exceptions' class names of a catalogue, and Python's own exceptions."""
        names: set[str] = set(catalogue.conditions)
        for found in catalogue.classes.values():
            for rule in found.recognise:
                names.update(name.rsplit(".", 1)[-1] for name in rule.exception if "*" not in name)
                names.update(part for name in rule.condition for part in name.split(".") if "*" not in part)
                names.update(name for name in rule.event if "*" not in name)
        names.update(n for n, v in vars(builtins).items() if isinstance(v, type) and n.endswith("Error"))
        texts = (
            text for found in catalogue.classes.values() for rule in found.recognise for text in rule.text
        )
        words = {word.lower() for text in texts for word in _WORD.findall(text)}
        return cls((name for name in names if _CAMEL.fullmatch(name) or _CAPITALS.fullmatch(name)), words)

    def mend(self, lines: Iterable[str]) -> list[str]:
        """The lines with known names and marks as they are written, and those joined that a window broke."""
        lines = unwrapped([unicodedata.normalize("NFKC", line) for line in lines], self._words)
        return [self._mend_line(_shape(line)) for line in lines]

    def meant(self, read: str) -> str | None:
        """The known name that `read` (an atom, or several with gaps between) is a misreading of."""
        key = fold(read)
        found = self._exact.get(key)
        if found is None and len(key) >= _FORGIVING:
            near = {name for part in (key, *_without_one(key)) for name in self._nearly.get(part, ())}
            found = near.pop() if len(near) == 1 else None
        return found if found and _may_be(read, found) else None

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {fold(name): name for name in reversed(self._names)}

    @cached_property
    def _nearly(self) -> dict[str, set[str]]:
        """Folded names, and these with one letter left out: two that differ in one letter meet here."""
        found: dict[str, set[str]] = {}
        for name in self._names:
            key = fold(name)
            if len(key) >= _FORGIVING:
                for part in (key, *_without_one(key)):
                    found.setdefault(part, set()).add(name)
        return found

    def _mend_line(self, line: str) -> str:
        done, out = 0, []
        for start, end, name in self._known(line):
            out += [line[done:start], name]
            done = end
        return _BRACKETED.sub(_condition, "".join([*out, line[done:]]))

    def _known(self, line: str) -> Iterator[tuple[int, int, str]]:
        """Where known names stand in a line that were misread: (start, end, name), from left to right."""
        atoms = list(_ATOM.finditer(line))
        at = 0
        while at < len(atoms):
            for last in range(_window(line, atoms, at), at - 1, -1):
                start, end = atoms[at].start(), atoms[last].end()
                name = self.meant(line[start:end])
                if name is not None:
                    if line[start:end] != name:
                        yield start, end, name
                    at = last
                    break
            at += 1


def _condition(read: re.Match[str]) -> str:
    """A condition in brackets in capitals, when it was written in capitals."""
    text = read[0]
    if sum(map(str.isupper, text)) * 10 < sum(map(str.isalpha, text)) * 6:
        return text
    return _DIGIT_FOR_LETTER.sub(lambda m: "O" if m[0] == "0" else "I", text.translate(_CAPITAL).upper())


def fold(text: str) -> str:
    """The text's letters with those that look alike made one, without what is lost between words."""
    return text.lower().replace("rn", "m").replace("vv", "w").translate(_ALIKE)


def _without_one(key: str) -> Iterator[str]:
    for at in range(len(key)):
        yield key[:at] + key[at + 1 :]


def _window(line: str, atoms: list[re.Match[str]], at: int) -> int:
    """The last atom that may belong to a name that begins with atom `at`."""
    last = at
    while last + 1 < len(atoms) and last - at + 1 < _LONGEST_WINDOW:
        if not _BETWEEN.fullmatch(line, atoms[last].end(), atoms[last + 1].start()):
            break
        last += 1
    return last


def _may_be(read: str, name: str) -> bool:
    """Whether `read` is written like the name: prose and variables of the same letters are not taken for it."""
    if "_" not in name and (" " in read or "_" in read or not any(map(str.isupper, read))):
        return False
    upper, wanted = sum(map(str.isupper, read)), sum(map(str.isupper, name))
    return abs(upper - wanted) <= max(2, round(0.3 * len(name)))


def _shape(line: str) -> str:
    """Marks and frames of a stack as they are written."""
    bare = line.strip()
    for mark in _MARKS:
        if len(bare) <= len(mark) + 6 and _near(fold(bare), fold(mark)):
            return mark
    frame = _FRAME.match(bare)
    if frame:
        name = f", in {frame['name']}" if frame["name"] else ""
        return f'  File "{frame["path"]}", line {frame["line"]}{name}'
    at = _AT.match(line)
    if at:
        return f"\tat {re.sub(r' ?([./$(:]) ?', lambda m: m[1], at['rest'])}"
    return _MISREAD_CAUSE.sub("Caused by: ", line) if _MISREAD_CAUSE.match(line) else line


def _near(one: str, other: str) -> bool:
    """Whether two folded texts are the same but for two letters."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 2 or len(other) < _FORGIVING:
        return False
    begin = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    end = next((i for i, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=False)) if a != b), len(one))
    return begin + end >= len(other) - 2
