"""Variants whose blobs were lost or spoilt, made again of their originals: the same bytes, because all is decided by
picture, recipe and seed.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog

from azaion_augmentor import records
from azaion_augmentor.batches import Batches
from azaion_augmentor.records import Entry
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.transports import ledger_names, look_into_ledger

_log = structlog.get_logger(__name__)


async def affected(platform: Platform, service: str, blobs: Collection[str]) -> list[Entry]:
    """The pictures of whose variants one has a blob among ``blobs``, from every ledger of ``service``."""
    found: list[Entry] = []
    for name in ledger_names(platform.home, platform.settings):
        if name.partition(".")[0] == service:
            async with look_into_ledger(platform.home, platform.settings, name) as ledger:
                found += await ledger.read(lambda connection: records.with_blobs(connection, blobs))
    return found


async def remake(batches: Batches, entries: Collection[Entry]) -> None:
    """Make the variants of ``entries`` again; one that was made by another recipe or seed is left to the next start."""
    for entry in entries:
        if (entry.recipe_sha256, entry.seed) != (batches.recipe_sha256, batches.seed):
            continue
        try:
            await batches.make(entry.saved)
        except PermanentError as error:  # its original is spoilt too
            _log.warning("remake.refused", picture=entry.saved.name, reason=error.code, error=error.message)
