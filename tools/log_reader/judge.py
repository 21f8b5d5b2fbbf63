"""Weighs the blocks of one source: what failed last and for good, over noise, symptoms and what recovered."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tools.log_reader.blocks import Block

#: Says that something failed and not what. Such a block gives way to one that explains it.
_SYMPTOM = re.compile(
    r"unread block data|Answer from Java side is empty|trying to connect to the Java server|SparkContext was shut ?down"
    r"|stopped SparkContext|Job \S+ (?:was )?cancelled|Stage cancelled|Lost executor|ExecutorLostFailure|Missing an output location"
    r"|Python worker exited unexpectedly|Workload failed|[Cc]ommand exited with code|exited with code|exit (?:code|status)|exitCode"
    r"|disassociated|[Bb]roken pipe|Stream (?:is )?closed|Task failed while writing rows|TASK_WRITE_FAILED|Kernel died|non-zero"
    r"|aborting job|Job aborted|^Killed|^Terminated|Execution halted|BUILD FAIL|Build failed|see run output|Upstream|upstream"
    r"|could not compile|aborting due to|due to \d+ previous error|Lifecycle script|ELIFECYCLE|npm (?:error|ERR!) code|\*\*\* \["
    r"|^(?:\W+|\W*(?:\w+\W+){1,5})(?:failed|aborted|unsuccessful|was not successful|failed with errors?)\W*$|see (?:the )?(?:above|logs?|output)\b"
    r"|^(?:\d+|some|several|one or more|at least one)\b[^:]{0,60}\b(?:failed|failures?|errors?)\b|^Process exited|^exit$|^FAILED\b"
    r"|FetchFailed|Connection to \S+ closed|Command failed|command failed|Job failed|has failed|run failed"
)
_SYMPTOM_CLASSES = re.compile(
    r"(?:CalledProcessError|ExecutorLostFailure|SystemExit|Py4JNetworkError|Py4JError|FetchFailedException|MetadataFetchFailedException"
    r"|DeadKernelError|KeyboardInterrupt|ProcessExitedException|RejectedExecutionException|CancelledError"
    r"|NotebookExecutionException|WorkflowException|NotebookExecutionError|PapermillExecutionError|SubprocessError|ErrorReturnCode_\d+)$"
)
#: What a program says while it shuts down, after the failure.
_SHUTDOWN = re.compile(
    r"Exception ignored in|ShutdownHook|shutdown hook|deleting Spark temp dir|AsyncEventQueue|Dropping event|stopped SparkContext"
    r"|SparkContext was shut down|RejectedExecution|Task \S+ rejected from|ContextCleaner|Error cleaning|InterruptedException"
    r"|during shutdown|already stopped|LiveListenerBus|closing connection|Uncaught exception in thread (?:Thread|shutdown)"
    r"|TransportRequestHandler|StreamResponse|unknown executor|py4j.*Error while (?:sending|receiving)|BrokenPipeError|Broken pipe"
    r"|Failed to open socket to Python daemon|Asked to (?:remove|kill) (?:non-existent|unknown)|OutputStream.*closed"
)
#: A resource that ran out brings everything else down with it.
_STRONG = re.compile(
    r"OutOfMemoryError|GC overhead limit|No space left on device|Disk quota exceeded|oom-kill|OOMKilled|Out of memory: Kill|StackOverflowError"
    r"|Container killed by YARN|memory limits|Too many open files|fatal error has been detected|Cannot allocate memory|exit code 137|MemoryError"
)
_RETRIED = re.compile(
    r"\b(?:retry|retries|retrying|retried|will try again|trying again|attempt \d+|sleeping|backing off|backoff|falling back|fallback"
    r"|ignor(?:ed|ing)|skipp(?:ed|ing)|continuing|recovered|handled|succeeded (?:on|after)|re-?connect(?:ed|ing))\b",
    re.IGNORECASE,
)
#: An exception that ended a thread, a task or a destructor and not the program.
_NOT_THE_END = re.compile(
    r"Exception in thread (?!\"?[Mm]ain)|Task exception was never retrieved|Error in atexit"
)
_QUIET = ("WARN", "INFO", "DEBUG", "TRACE")
#: So many lines may follow the failure that ended a program: its shutting down.
_LAST_LINES = 40
_DISTRUSTED = 6
_GIST_CHARS = 1500


def weigh(blocks: list[Block], total_lines: int, known: Callable[[Block], bool] | None = None) -> None:
    """Set `weight` and `recovered` of a source's blocks, which are in document order.

    `known` says of a block that the same thing also stood in the log of a good run.
    """
    ending = _ending(blocks, total_lines)
    for block in blocks:
        block.weight = _base(block, block is ending)
    last = _last_fatal(blocks)
    passing = {id(block) for block in blocks if block is not ending and _passing(block)}
    for index, block in enumerate(blocks):
        block.weight *= 0.6 + 0.4 * block.line_end / max(1, total_lines)
        if block is last:
            block.weight = min(1.0, block.weight * 1.25)
        if known is not None and known(block):
            block.weight *= 0.3
        if index and _is_shutdown(block):
            block.weight *= 0.25
        if id(block) in passing and not _comes_again(block, blocks[index + 1 :], passing):
            block.recovered = True
            block.weight *= 0.3
    _distrust_orders(blocks)
    _prefer_explanations(blocks, last)


def _distrust_orders(blocks: Sequence[Block]) -> None:
    """A message that gives orders to whoever reads the log is no witness. Only the heaviest few are looked at."""
    from tools.injection import suspected

    messages = sorted((b for b in blocks if not b.chain and b.weight >= 0.3), key=lambda b: -b.weight)
    for block in messages[:_DISTRUSTED]:
        if suspected(block.text[:_GIST_CHARS]):
            block.weight *= 0.4


def _ending(blocks: Sequence[Block], total_lines: int) -> Block | None:
    """The Python exception that the program ended with: only symptoms and its shutting down follow it."""
    for block in reversed(blocks):
        if total_lines - block.line_end > _LAST_LINES:
            return None
        if (
            block.kind == "python_traceback"
            and not _is_shutdown(block)
            and not _NOT_THE_END.match(block.text)
        ):
            goes_on = total_lines - block.line_end > 3
            return None if goes_on and block.level and _says_retried(block) else block
        if not (block.level in _QUIET or _is_shutdown(block) or is_symptom(block) or block.weight < 0.3):
            return None
    return None


def _base(block: Block, ending: bool) -> float:
    if block.exception is None and not block.message:
        return 0.1
    if not any(cause.line_end != block.line_end for cause in block.chain) and block.weight:
        return block.weight
    level = None if ending and block.level == "WARN" else block.level
    if block.kind == "python_traceback":
        logged = {"ERROR": 0.7, "FATAL": 0.8, "WARN": 0.45}
        base = logged.get(level, 0.4) if level else 0.9
    else:
        logged = {"ERROR": 0.6, "FATAL": 0.75, "WARN": 0.3}
        base = logged.get(level, 0.3) if level else 0.65
        if re.search(r'Exception in thread "?[Mm]ain', block.text[:400]):
            base = 0.85
    return base * 0.6 if _NOT_THE_END.match(block.text) else base


def _last_fatal(blocks: Sequence[Block]) -> Block | None:
    """The last block that looks like the program's end: an uncaught exception, else the last heavy one."""
    for block in reversed(blocks):
        if block.kind == "python_traceback" and block.weight >= 0.7 and not _is_shutdown(block):
            return block
    heavy = [block for block in blocks if block.weight >= 0.4 and not _is_shutdown(block)]
    return heavy[-1] if heavy else None


def is_symptom(block: Block) -> bool:
    """Whether a block says only that something failed."""
    name = (block.exception or "").rsplit(".", 1)[-1]
    if _SYMPTOM_CLASSES.search(name):
        return True
    return bool(_SYMPTOM.search(block.message[:400])) and not _STRONG.search(block.message[:400])


def _is_shutdown(block: Block) -> bool:
    return bool(_SHUTDOWN.search(_gist(block)))


def _gist(block: Block) -> str:
    return f"{block.logger or ''}: {block.exception or ''}: {block.message[:600]}\n{block.text[:300]}"


def _passing(block: Block) -> bool:
    """Whether the program took the block in its stride: it was a warning, or the record says what was done."""
    if block.level in _QUIET:
        return True
    return block.level is not None and _says_retried(block)


def _says_retried(block: Block) -> bool:
    return bool(_RETRIED.search(block.text.split("\n", 1)[0]))


def _comes_again(block: Block, later: Sequence[Block], passing: set[int]) -> bool:
    """Whether the same exception is met again, and then not taken in the program's stride."""
    return any(id(other) not in passing and same_failure(block, other) for other in later)


def same_failure(one: Block, other: Block) -> bool:
    """Whether two blocks are about the same exception."""
    if not one.exception:
        return False
    names = {(cause.exception or "").rsplit(".", 1)[-1] for cause in other.chain} | {
        (other.exception or "").rsplit(".", 1)[-1]
    }
    return one.exception.rsplit(".", 1)[-1] in names and (
        not one.message or one.message[:40] in other.text or one.message[:40] in other.message
    )


def _prefer_explanations(blocks: Sequence[Block], last: Block | None) -> None:
    """When what failed last is only a symptom, lift what explains it over it."""
    if last is None or not is_symptom(last):
        return
    before = [
        b
        for b in blocks
        if b is not last and b.line_start <= last.line_end and not b.recovered and not is_symptom(b)
    ]
    strong = [
        b for b in before if _STRONG.search(f"{b.exception}: {b.message[:400]}") and b.level not in _QUIET
    ]
    explained = strong or [b for b in before if b.weight >= 0.25]
    if not explained:
        return
    best = explained[-1]
    best.weight, last.weight = max(best.weight, min(1.0, last.weight + 0.02)), last.weight * 0.8
