"""Releases of version 0.1, whose big halves lie among the pictures, where no device may look any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from azaion_common.contracts.events import ModelPublished
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.contracts.events.models import STREAM
from azaion_common.core.durable import make_folder
from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.streams import EventLog

_PAGE = 1000
_log = structlog.get_logger(__name__)


async def bring_over(log: EventLog, blobs: BlobStore, releases: BlobStore, work: Path) -> int:
    """Copy the big half of the newest release for each target from ``blobs`` to ``releases``, unless it is there.

    Args:
        log: where releases are announced.
        blobs: where version 0.1 has put the halves.
        releases: where devices look for them.
        work: folder for a half on its way.

    Returns:
        How many were copied.

    Raises:
        TransientError: a store or the log is away; the service is started again.
    """
    newest: dict[str, ModelPublished] = {}
    async for release in _releases(log):
        if release.target not in newest or release.release > newest[release.target].release:
            newest[release.target] = release
    copied = 0
    for release in newest.values():
        sha256 = release.big.sha256
        if await releases.size(sha256) is None and await blobs.size(sha256) is not None:
            make_folder(work)
            half = work / f"{sha256}.moving"
            await blobs.fetch(sha256, half)
            await releases.put_file(half, "application/octet-stream")
            half.unlink()
            copied += 1
            _log.info("release.brought_over", release=release.release, target=release.target, sha256=sha256)
    return copied


async def _releases(log: EventLog) -> AsyncIterator[ModelPublished]:
    offset = 0
    while records := await log.read(STREAM, offset, limit=_PAGE):
        for record in records:
            try:
                event = decode(record.body).event
            except (UnknownEventType, PermanentError):
                continue
            if isinstance(event, ModelPublished):
                yield event
        offset = records[-1].offset + 1
