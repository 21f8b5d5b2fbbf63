"""Which exception of a chain is the decisive one: the root, unless the root says nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tools.log_reader.stacks import Raised

#: What low layers throw without a word to say; whoever wraps it says more.
_MUTE = re.compile(
    r"(?:EOFException|EOFError|ClosedChannelException|AsynchronousCloseException|InterruptedException|CancellationException|TimeoutException"
    r"|NoSuchElementException|Empty|Full|StopIteration|StopAsyncIteration|CancelledError|GeneratorExit|LookupError|TimeoutError|timeout"
    r"|AssertionError|Exception|RuntimeException|Error|Throwable|IOException|OSError|IncompleteRead|WouldBlock|BlockingIOError|EndOfStream)$"
)
#: Lookups that a library tries before it gives up with a better word.
_PROBES = re.compile(
    r"(?:KeyError|AttributeError|IndexError|StopIteration|LookupError|ValueError|TypeError|ImportError|ModuleNotFoundError)$"
)
#: What the operating system says; the library above says also where.
_SYSTEM = re.compile(
    r"(?:ConnectionRefusedError|ConnectionResetError|ConnectionAbortedError|TimeoutError|timeout|gaierror|OSError|herror|RemoteDisconnected"
    r"|SSLError|SSLCertVerificationError|SSLEOFError|BrokenPipeError|socket\.error)$"
)
#: Says only that something else failed.
_WRAPPER = re.compile(
    r"(?:InvocationTargetException|UndeclaredThrowableException|ExecutionException|ExecutionError|CompletionException"
    r"|PrivilegedActionException|Py4JJavaError|PythonException)$"
)


def decisive(chain: Sequence[Raised]) -> int:
    """The index, in a chain that runs from the outermost exception to the root, of the one to name and show."""
    best = len(chain) - 1
    while best > 0 and _says_nothing(chain, best):
        best -= 1
    if _says_nothing(chain, best) and len(chain) > 1:
        best = max(
            (i for i, raised in enumerate(chain) if raised.name),
            key=lambda i: len(_message(chain[i])),
            default=best,
        )
    return best


def _says_nothing(chain: Sequence[Raised], at: int) -> bool:
    raised = chain[at]
    if raised.link == "suppressed":
        return True
    if not raised.name:
        return not _message(raised)
    name = raised.name.rsplit(".", 1)[-1]
    if not _message(raised):
        return bool(_MUTE.search(name) or _WRAPPER.search(name))
    outer = _wrapper_of(chain, at)
    return outer is not None and _replaced(raised, outer, name)


def _wrapper_of(chain: Sequence[Raised], at: int) -> Raised | None:
    """The Python exception that was raised while `chain[at]` was being handled, if that is how they are linked."""
    if chain[at].language != "python":
        return None
    for outer in reversed(chain[:at]):
        if outer.language == "python":
            return outer if outer.link in ("context", "cause") else None
    return None


def _replaced(raised: Raised, outer: Raised, name: str) -> bool:
    """Whether `outer` is a library's considered answer to a probe of its own, and not a second accident.

    A probe fails inside a library (or in the user's `try`), and the handler raises something else on purpose.
    A cleanup that fails in `finally` or `except` does not replace what it was cleaning up after.
    """
    if _SYSTEM.search(name) and not outer.user_frames and len(_message(outer)) > len(_message(raised)):
        return True
    if outer.link == "cause":
        return (
            bool(_PROBES.search(name))
            and raised.library
            and len(_message(outer)) > len(_message(raised)) + 12
        )
    if not outer.statement.startswith("raise") or (
        outer.library and outer.user_frames and not raised.library
    ):
        return False
    if not _PROBES.search(name):
        return False
    return (
        raised.library
        or outer.user_frames[:1] != raised.user_frames[:1]
        or len(_message(outer)) > len(_message(raised))
    )


def _message(raised: Raised) -> str:
    return "".join(raised.message).strip()
