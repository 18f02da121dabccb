"""What a ledger holds, as gauges: looked up every few seconds, because counting rows on every scrape would not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from azaion_common.core.errors import TransientError
from azaion_common.platform.ledger import letters, metrics
from azaion_common.platform.ledger.accounting import outbox_depth
from azaion_common.platform.ledger.ledger import Ledger

EVERY_S = 10.0

Found = TypeVar("Found")


async def watch(ledger: Ledger, look: Callable[[Connection], Found], show: Callable[[Found], None]) -> None:
    """Until cancelled. While the ledger cannot be reached, the gauges stay as they are."""
    shown_at = None
    while True:
        stamp = ledger.stamp()
        if stamp is None or stamp != shown_at:
            with suppress(TransientError):  # whoever works with the ledger tells of it
                show(await ledger.read(look))
                shown_at = stamp
        await asyncio.sleep(EVERY_S)


async def watch_books(ledger: Ledger) -> None:
    """What every ledger has: an outbox and a quarantine."""

    def show(found: tuple[int, int]) -> None:
        unsent, still_open = found
        metrics.OUTBOX.labels(ledger.service).set(unsent)
        metrics.DEAD_LETTERS.labels(ledger.service).set(still_open)

    try:
        await watch(
            ledger, lambda connection: (outbox_depth(connection), letters.count_open(connection)), show
        )
    finally:  # a part of a stream that moved to another process is told of by that one
        for gauge in (metrics.OUTBOX, metrics.DEAD_LETTERS):
            with suppress(KeyError):
                gauge.remove(ledger.service)
