"""Where the bytes of a blob that has rotted can be had again: the messages that brought it, or a service that makes it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

from azaion_common.contracts.annotations import wire
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.discovery import load_service, service_names
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.streams import Record

if TYPE_CHECKING:
    from azaion_common.platform.runtime.platform import Platform

MEDIA_TYPE = "application/octet-stream"
_PAGE = 50


async def heal(platform: Platform, rotten: Collection[str]) -> set[str]:
    """Put those of ``rotten`` (SHA-256) again that can be had; those that are sound then."""
    healed = await _from_messages(platform, rotten)
    return healed | await _from_services(platform, set(rotten) - healed)


async def is_sound(blobs: BlobStore, sha256: str) -> bool:
    """Whether the blob has the bytes of its name; true for one that is not there."""
    digest = hashlib.sha256()
    try:
        async for chunk in blobs.read(sha256):
            digest.update(chunk)
    except PermanentError as error:
        if error.code != "blob_missing":
            raise
        return True  # taken away since it was listed
    return digest.hexdigest() == sha256


async def records(platform: Platform, stream: str) -> AsyncIterator[Record]:
    """Every record of a stream, all its parts."""
    for part in platform.partitioning.streams(stream):
        offset = 0
        while batch := await platform.log.read(part, offset, limit=_PAGE):
            for record in batch:
                yield record
            offset = batch[-1].offset + 1


async def _from_messages(platform: Platform, wanted: Collection[str]) -> set[str]:
    """From the messages that brought pictures in, or that were refused and kept as they came."""
    healed: set[str] = set()
    if not wanted:
        return healed
    async for record in records(platform, wire.STREAM):
        for data in (record.body, await asyncio.to_thread(_picture_in, record)):
            sha256 = hashlib.sha256(data).hexdigest()
            if data and sha256 in wanted and sha256 not in healed:
                await platform.blobs.put(data, MEDIA_TYPE)
                healed.add(sha256)
    return healed


def _picture_in(record: Record) -> bytes:
    return wire.remains_of(record.body).image or b""


async def _from_services(platform: Platform, wanted: Collection[str]) -> set[str]:
    """Made again by whoever makes such blobs."""
    for name in service_names() if wanted else ():
        if remake := load_service(name).remake:
            await remake(platform, wanted)
    return {sha256 for sha256 in wanted if await _is_there(platform.blobs, sha256)}


async def _is_there(blobs: BlobStore, sha256: str) -> bool:
    return await blobs.size(sha256) is not None and await is_sound(blobs, sha256)
