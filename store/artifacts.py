"""Redacted texts kept whole: compressed, checked by their hash, found by their key."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from typing import Literal

import zstandard
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from core.errors import InvalidInput, NotFound
from store.models import ArtifactModel, new_id
from store.views import ArtifactInfo

#: Above this many characters a text is compressed off the event loop.
INLINE_CHARS = 100_000
MAX_BYTES = 64 * 1024 * 1024
LEVEL = 3


class Packed:
    """A text ready to be stored.

    Attributes:
        body: zstd of its UTF-8.
        size: Bytes of its UTF-8.
        sha256: Hex digest of its UTF-8.
    """

    def __init__(self, text: str) -> None:
        raw = text.encode("utf-8", errors="replace")
        if len(raw) > MAX_BYTES:
            raise InvalidInput(
                f"A text may hold at most {MAX_BYTES // 1024 // 1024} MiB, not {len(raw)} bytes."
            )
        self.body = zstandard.ZstdCompressor(level=LEVEL).compress(raw)
        self.size = len(raw)
        self.sha256 = hashlib.sha256(raw).hexdigest()


async def pack(text: str) -> Packed:
    """Compress a text without holding up the event loop. Raises: InvalidInput: it is too large."""
    return Packed(text) if len(text) < INLINE_CHARS else await asyncio.to_thread(Packed, text)


async def put(
    session: AsyncSession,
    incident_id: str,
    name: str,
    packed: Packed,
    *,
    key: str,
    kind: Literal["artifact", "attachment"],
    by: str | None,
    at: datetime,
) -> ArtifactInfo:
    """Keep a text under `key`; the one that stands there already stays."""
    await session.execute(
        insert(ArtifactModel)
        .values(
            id=new_id("art"),
            incident_id=incident_id,
            kind=kind,
            key=key,
            name=name,
            body=packed.body,
            size=packed.size,
            sha256=packed.sha256,
            added_by=by,
            created_at=at,
        )
        .on_conflict_do_nothing(index_elements=["incident_id", "key"])
    )
    row = await session.scalar(
        select(ArtifactModel)
        .where(ArtifactModel.incident_id == incident_id, ArtifactModel.key == key)
        .options(defer(ArtifactModel.body, raiseload=True))
    )
    if row is None:
        raise NotFound(f"There is no incident {incident_id}.")
    return view(row)


async def get(session: AsyncSession, artifact_id: str) -> ArtifactModel:
    """One artifact with its body. Raises: NotFound."""
    row = await session.get(ArtifactModel, artifact_id)
    if row is None:
        raise NotFound(f"There is no artifact {artifact_id}.")
    return row


async def find(session: AsyncSession, incident_id: str, key: str) -> ArtifactModel | None:
    """The artifact under this key, with its body."""
    return await session.scalar(
        select(ArtifactModel).where(ArtifactModel.incident_id == incident_id, ArtifactModel.key == key)
    )


async def attached(session: AsyncSession, incident_id: str) -> list[ArtifactModel]:
    """What people attached, oldest first, with bodies."""
    found = await session.scalars(
        select(ArtifactModel)
        .where(ArtifactModel.incident_id == incident_id, ArtifactModel.kind == "attachment")
        .order_by(ArtifactModel.created_at, ArtifactModel.id)
    )
    return list(found)


async def listed(session: AsyncSession, incident_id: str) -> list[ArtifactInfo]:
    """What an incident keeps, oldest first, without texts."""
    found = await session.scalars(
        select(ArtifactModel)
        .where(ArtifactModel.incident_id == incident_id)
        .options(defer(ArtifactModel.body, raiseload=True))
        .order_by(ArtifactModel.created_at, ArtifactModel.id)
    )
    return [view(row) for row in found]


async def unpack(row: ArtifactModel) -> str:
    """The text of an artifact, read without holding up the event loop."""
    return _text(row) if row.size < INLINE_CHARS else await asyncio.to_thread(_text, row)


def view(row: ArtifactModel) -> ArtifactInfo:
    """The row without its text."""
    return ArtifactInfo.model_validate(row, from_attributes=True)


def _text(row: ArtifactModel) -> str:
    raw = zstandard.ZstdDecompressor().decompress(row.body, max_output_size=row.size)
    return raw.decode()
