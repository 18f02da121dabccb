"""What the ledgers and the event log say about each other; the services may be at work meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from azaion_common.core.errors import SetupError
from azaion_common.platform.ledger.accounting import Cursor, StreamAccount, account, cursors, outbox_depth
from azaion_common.platform.ledger.letters import count_open
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import check_exists, ledger_names, look_into_ledger, open_log
from azaion_common.platform.streams import EventLog

OUTDATED = "ledger_outdated"


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """The books of one service."""

    service: str
    outbox: int
    """Events and jobs that are owed and not sent yet."""
    dead_letters: int
    """Messages that were refused and that nobody has looked after."""
    streams: list[StreamAccount]


@dataclass(frozen=True, slots=True)
class _Books:
    cursors: list[Cursor]
    outbox: int
    dead_letters: int


async def examine(home: Path) -> list[ServiceReport]:
    """The books of every ledger.

    Raises:
        PermanentError: ``home_missing``, and what the transports raise.
        TransientError: from the transports.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    names = await asyncio.to_thread(ledger_names, home, settings)
    async with open_log(home, settings) as log:
        return [await _examine(log, name, await _read(home, settings, name)) for name in names]


async def lag(home: Path, log: EventLog, service: str) -> int | None:
    """Offsets of its streams that ``service`` has not read yet, and what it owes; None when it has never run."""
    settings = PlatformSettings.load(home, "platform")
    names = await asyncio.to_thread(ledger_names, home, settings)
    try:
        books = [await _read(home, settings, name) for name in names if name.partition(".")[0] == service]
    except SetupError as error:
        if error.code != OUTDATED:
            raise
        return None  # its process ended while it was making it
    cursors = [cursor for each in books for cursor in each.cursors]
    behind = [max(0, await log.end(cursor.stream) - cursor.next_offset) for cursor in cursors]
    return sum(behind) + sum(each.outbox for each in books) if books else None


async def _examine(log: EventLog, service: str, books: _Books) -> ServiceReport:
    accounts = [await account(log, cursor) for cursor in books.cursors]
    return ServiceReport(service, books.outbox, books.dead_letters, accounts)


async def _read(home: Path, settings: PlatformSettings, service: str) -> _Books:
    async with look_into_ledger(home, settings, service) as ledger:
        return await ledger.read(_books)


def _books(connection: Connection) -> _Books:
    return _Books(cursors(connection), outbox_depth(connection), count_open(connection))
