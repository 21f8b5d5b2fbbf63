"""The worker: the queue's jobs, and the rounds that find what no job was queued for."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import Callable, Coroutine, Iterator

import structlog

from server import watcher
from server.aftermath import look_after
from server.intake import read_signal
from server.leader import Leader
from server.loops import Loop, pause, run_loop
from server.poller import Poller
from server.postman import Postman
from server.reminders import remind
from server.retention import let_go
from store.pulse import Pulse
from wiring.queue import Handlers
from wiring.queue_worker import work
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

OUTBOX_SECONDS = 2.0
SIGNALS_SECONDS = 60.0
RESTORE_SECONDS = 30.0
GROUPS_SECONDS = 1.0
REMINDERS_SECONDS = 30.0
RETENTION_SECONDS = 3600.0
PULSE_SECONDS = 25.0
AFTERMATH_SECONDS = 300.0
#: A part that ended because of a bug is started again after this.
RESTART_SECONDS = 10.0


async def run_worker(runtime: Runtime, *, poll_only: bool = False, stop: asyncio.Event | None = None) -> None:
    """Work until `stop` is set, or, without one, until SIGTERM or SIGINT.

    Any number of workers may run: jobs are taken once, rounds are done by one of them, incidents are leased.

    Args:
        runtime: The parts, open.
        poll_only: Only look for failed runs, and leave the signals to another worker.
        stop: Set it to end gracefully.
    """
    with contextlib.nullcontext(stop) if stop else _until_signalled() as ending:
        leader = Leader(runtime.db.libpq_url)
        parts: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            loop.name: functools.partial(run_loop, loop, leader.leads, ending)
            for loop in _loops(runtime, poll_only=poll_only)
        }
        if not poll_only:
            parts["queue"] = functools.partial(_run_queue, runtime, ending)
        log.info("worker.started", parts=sorted(parts), holder=runtime.holder)
        warming = None if poll_only else asyncio.create_task(runtime.warm_up(), name="warm up")
        try:
            await asyncio.gather(*(_keep_up(name, part, ending) for name, part in parts.items()))
        finally:
            if warming:
                warming.cancel()
            await leader.close()
        log.info("worker.stopped")


def _loops(runtime: Runtime, *, poll_only: bool) -> list[Loop]:
    settings = runtime.settings
    poll = Loop("poll", settings.poll_seconds, Poller(runtime).look)
    if poll_only:
        return [poll]
    postman = Postman(runtime)
    stalled = max(settings.heartbeat_seconds, settings.stalled_seconds / 3)
    return [
        poll,
        Loop("watch", settings.watch_seconds, functools.partial(watcher.wake_due, runtime)),
        Loop("stalled", stalled, functools.partial(watcher.put_back, runtime)),
        Loop("signals", SIGNALS_SECONDS, functools.partial(watcher.read_again, runtime)),
        Loop("restore", RESTORE_SECONDS, functools.partial(watcher.restore_settings, runtime)),
        Loop("groups", GROUPS_SECONDS, runtime.groups.go_on),
        Loop("retention", RETENTION_SECONDS, functools.partial(let_go, runtime)),
        Loop("reminders", REMINDERS_SECONDS, functools.partial(remind, runtime)),
        Loop("aftermath", AFTERMATH_SECONDS, functools.partial(look_after, runtime)),
        Loop("pulse", PULSE_SECONDS, Pulse(runtime.db, runtime.clock).beat, alone=False),
        *(
            Loop(f"outbox {number}", OUTBOX_SECONDS, functools.partial(postman.deliver, lane), alone=False)
            for number, lane in enumerate(postman.lanes())
        ),
    ]


async def _run_queue(runtime: Runtime, stop: asyncio.Event) -> None:
    settings = runtime.settings
    handlers = Handlers(
        intake=functools.partial(read_signal, runtime), advance=runtime.advance, broken=runtime.store.broken
    )
    await work(
        runtime.queue,
        handlers,
        stop,
        concurrency=settings.worker_concurrency,
        heartbeat_seconds=settings.heartbeat_seconds,
        stalled_seconds=settings.stalled_seconds,
    )


async def _keep_up(name: str, part: Callable[[], Coroutine[None, None, None]], stop: asyncio.Event) -> None:
    """Run a part; when a bug ends it, say so with its trace and start it again: the others must not stop too."""
    while not stop.is_set():
        task = asyncio.create_task(part(), name=name)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        if bug := task.exception():
            log.error("worker.part_failed", part=name, exc_info=bug)
            await pause(stop, RESTART_SECONDS)


@contextlib.contextmanager
def _until_signalled() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
