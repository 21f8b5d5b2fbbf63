"""A short name for a failure that is the same in every run that fails alike."""

from __future__ import annotations

import hashlib
import re

from tools.log_reader.blocks import Block
from tools.log_reader.masking import mask_ids

_MESSAGE_CHARS = 300
_FRAMES = 3
_SPACE = re.compile(r"\s+")
#: Words that change from run to run though no digit is in them: which attempt, which executor, how it is quoted.
_PASSING = re.compile(
    r"\b(?:Lost task|executor|TID|attempt|on host|application_|container_)\b[^:]*: ?", re.IGNORECASE
)


def fingerprint(block: Block) -> str:
    """Sixteen hex digits made of the decisive exception, its message without variables, and the user's own frames.

    The same failure has the same one in another run (other ids, times, hosts, numbers); one with another
    exception, another name in its message or raised from elsewhere in the user's code has another.
    """
    exception = (block.exception or block.kind).rsplit(".", 1)[-1]
    message = block.message.split("\n", 1)[0]
    if block.exception is None:
        message = _PASSING.sub("", message)
    masked = _SPACE.sub(" ", mask_ids(message[:_MESSAGE_CHARS])).strip().lower()
    frames = [mask_ids(frame) for cause in block.chain[:1] for frame in cause.user_frames[-_FRAMES:]]
    parts = [exception, block.error_class or "", masked, *frames]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
