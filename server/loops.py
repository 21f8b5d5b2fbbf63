"""Rounds of work that repeat: each goes on after bad weather, and stops when asked."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from core.errors import PitstopError
from wiring.queue import PASSING

log = structlog.get_logger(__name__)

#: After a failed round the next comes later, up to this many times the usual pause.
LONGEST_PAUSE = 8


@dataclass(frozen=True)
class Loop:
    """One kind of round.

    `seconds` is the pause between rounds; `alone` says that only the leader among several workers does it.
    """

    name: str
    seconds: float
    once: Callable[[], Awaitable[object]]
    alone: bool = True


async def run_loop(loop: Loop, leads: Callable[[], Awaitable[bool]], stop: asyncio.Event) -> None:
    """Do rounds of `loop` until `stop`; what is passing, or expected, is logged and tried again later."""
    pauses = 1
    while not stop.is_set():
        try:
            if not loop.alone or await leads():
                await loop.once()
            pauses = 1
        except (*PASSING, PitstopError) as error:
            pauses = min(LONGEST_PAUSE, pauses * 2)
            log.warning("loop.failed", loop=loop.name, error=str(error), kind=type(error).__name__)
        # Spread, so that several workers and loops don't all come at once.
        await pause(stop, loop.seconds * pauses * random.uniform(0.9, 1.1))  # noqa: S311


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `seconds`, or until `stop`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
