"""Time in the sandbox: the real clock plus an offset, and the things that are due later.

Reported times stay close to real ones, because clients compare them with their own clock. What runs faster is
the scenarios: `speed` of their seconds fit into a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


class Clock:
    """Epoch milliseconds that can be moved forward. `speed` is scenario seconds in a real second."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._offset = 0

    def now(self) -> int:
        """Epoch milliseconds."""
        return time.time_ns() // 1_000_000 + self._offset

    def forward(self, milliseconds: int) -> None:
        """Move the clock forward."""
        self._offset += milliseconds


@dataclass(order=True)
class Timer:
    """Something due at `when` (epoch milliseconds). `cancel` takes it back."""

    when: int
    number: int
    call: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Never call it."""
        self.cancelled = True


class Timeline:
    """Calls what is due, in order, each at its own time: `now` is that time while it is being called."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[Timer] = []
        self._numbers = itertools.count()
        self._now: int | None = None
        self._changed = asyncio.Event()

    @property
    def now(self) -> int:
        """Epoch milliseconds: the due time of what is being called, else the clock's."""
        return self.clock.now() if self._now is None else self._now

    def at(self, when: int, call: Callable[[], None]) -> Timer:
        """Have `call` called at `when` (epoch milliseconds)."""
        timer = Timer(when, next(self._numbers), call)
        heapq.heappush(self._heap, timer)
        self._changed.set()
        return timer

    def catch_up(self) -> None:
        """Call everything that is due by now."""
        self._run_until(self.clock.now())

    def advance(self, seconds: float) -> None:
        """Move the clock forward by real `seconds`, calling on the way what falls due."""
        milliseconds = round(seconds * 1000)
        self._run_until(self.clock.now() + milliseconds)
        self.clock.forward(milliseconds)

    def advance_until(self, reached: Callable[[], bool]) -> bool:
        """Jump from due time to due time until `reached`; False when nothing more is due."""
        self.catch_up()
        while not reached():
            when = self.next_due()
            if when is None:
                return False
            self.clock.forward(max(0, when - self.clock.now()))
            self.catch_up()
        return True

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """Hold `now` still for the length of a `with` block, so that what is done in it happens at one time."""
        if self._now is not None:
            yield
            return
        self._now = self.clock.now()
        try:
            yield
        finally:
            self._now = None

    def next_due(self) -> int | None:
        """When the next thing is due, None when nothing is."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0].when if self._heap else None

    async def tick(self) -> None:
        """Call what falls due, for ever."""
        while True:
            self._changed.clear()
            self.catch_up()
            when = self.next_due()
            wait = None if when is None else max(0.0, (when - self.clock.now()) / 1000)
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def _run_until(self, target: int) -> None:
        try:
            while (when := self.next_due()) is not None and when <= target:
                timer = heapq.heappop(self._heap)
                self._now = timer.when
                timer.call()
        finally:
            self._now = None
