"""Everything outside a service that the runtime hands to it, already connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData

from azaion_common.catalogue import Catalogue
from azaion_common.jobs import JobQueue
from azaion_common.ledger.ledger import Ledger
from azaion_common.runtime.health import Health
from azaion_common.storage import BlobStore
from azaion_common.streams import EventLog


@dataclass(frozen=True)
class Platform:
    """The transports of this process, the user's catalogue, and the signal to stop."""

    home: Path
    log: EventLog
    jobs: JobQueue
    blobs: BlobStore
    catalogue: Catalogue
    stopping: asyncio.Event
    health: Health
    api_url: str
    open_ledger: Callable[[str, MetaData], AbstractAsyncContextManager[Ledger]]
    """``open_ledger("ingestor", tables)``: the service's own small database, tables made, outbox relay running."""
