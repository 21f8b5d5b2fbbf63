"""Holding an incident's lease for the length of a block."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from core.errors import LeaseLost
from store.leases import Lease, Leases

ASK_AGAIN_SECONDS = 0.2


@contextlib.asynccontextmanager
async def holding(
    leases: Leases, incident_id: str, holder: str, *, seconds: float, heartbeat: float, patience: float = 0.0
) -> AsyncIterator[Lease]:
    """Hold the lease, renewing it every `heartbeat` seconds; the block is cancelled when it is lost.

    While another holds it, wait up to `patience` seconds for it.

    Raises:
        LeaseLost: Another worker holds it, or took it over meanwhile.
    """
    waited = 0.0
    while (lease := await leases.acquire(incident_id, holder, seconds)) is None and waited < patience:
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        waited += ASK_AGAIN_SECONDS
    if lease is None:
        raise LeaseLost(f"Incident {incident_id} is being advanced by another worker.")
    working = asyncio.current_task()
    lost = asyncio.Event()

    async def renew() -> None:
        while True:
            await asyncio.sleep(heartbeat)
            if not await leases.renew(lease, seconds):
                lost.set()
                if working:
                    working.cancel()
                return

    beating = asyncio.create_task(renew(), name=f"lease {incident_id}")
    try:
        yield lease
    except asyncio.CancelledError:
        if lost.is_set() and working:
            working.uncancel()
            raise LeaseLost(f"The lease of incident {incident_id} went to another worker.") from None
        raise
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        if not lost.is_set():
            await leases.release(lease)
