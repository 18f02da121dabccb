"""Rebuilds what a service knows from the beginning of its streams, beside the service, and compares.

The service's own code runs on a platform that reads the real log up to where the service had come, writes nothing to
it, hands out no jobs and shows no files; its ledger is a file of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

from sqlalchemy import Connection, MetaData

from azaion_common.core.errors import PermanentError
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.jobs import DeadJob, Job
from azaion_common.platform.ledger.accounting import cursors
from azaion_common.platform.ledger.digests import TableDigest, table_digest
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime import transports
from azaion_common.platform.runtime.health import Health
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.service import Derived, Service
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.streams import EventLog, Message, Record

POLL_S = 0.1
Progress = Callable[[int, int], None]
"""Told how many offsets were read, and of how many."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table, as the service has it and as the replay made it."""

    ledger: str
    table: str
    kept: TableDigest
    replayed: TableDigest

    @property
    def same(self) -> bool:
        return self.kept == self.replayed


@dataclass(frozen=True, slots=True)
class _State:
    """One ledger at one moment: how far its streams were read, and what its tables held."""

    ends: Mapping[str, int]
    tables: Mapping[str, TableDigest]


async def replay(home: Path, service: Service, progress: Progress) -> list[Comparison]:
    """Rebuild the ledgers of ``service`` from the first offset on, in ``home/replay``, and compare.

    The service may be at work: it is compared as it was when the replay began.

    Raises:
        PermanentError: ``not_replayable``, ``services_never_ran``, ``log_truncated``, and what the transports raise.
        TransientError: from the transports.
    """
    if service.derived is None:
        raise PermanentError(
            "not_replayable", f"{service.name} keeps nothing that follows from its streams alone"
        )
    settings = PlatformSettings.load(home, "platform")
    transports.check_exists(home, settings)
    kept = await _kept(home, settings, service.name, service.derived)
    async with open_platform(home, settings.model_copy(update={"views": False})) as platform:
        await _check_complete(platform.log, kept)
        await _run(_Stage(platform, kept), service, progress)
    replayed = {
        ledger: await _read(sqlite_url(_file(home, ledger)), ledger, service.derived) for ledger in kept
    }
    return [
        Comparison(ledger, table, digest, replayed[ledger].tables[table])
        for ledger, state in kept.items()
        for table, digest in state.tables.items()
    ]


async def _kept(home: Path, settings: PlatformSettings, service: str, derived: Derived) -> dict[str, _State]:
    names = await asyncio.to_thread(transports.ledger_names, home, settings)
    own = [name for name in names if name.partition(".")[0] == service]
    if not own:
        raise PermanentError(
            "services_never_ran", f"{service} has never run on {home}", hint="start it with: azaion up"
        )
    return {name: await _read(transports.ledger_url(home, settings, name), name, derived) for name in own}


async def _read(url: str, ledger: str, derived: Derived) -> _State:
    def state(connection: Connection) -> _State:
        return _State(
            {cursor.stream: cursor.next_offset for cursor in cursors(connection)},
            {table.name: table_digest(connection, table, derived.ignored) for table in derived.tables},
        )

    async with Ledger.open(url, ledger, MetaData(), exclusive=False) as opened:
        return await opened.read(state)


async def _check_complete(log: EventLog, kept: Mapping[str, _State]) -> None:
    for stream in {stream for state in kept.values() for stream in state.ends}:
        if first := await log.first(stream):
            raise PermanentError(
                "log_truncated",
                f"{stream} begins at offset {first}: what came before cannot be replayed",
                hint="retention removed it; keep streams whole that are to be replayed",
            )


@dataclass
class _Stage:
    """The platform that a replay runs on."""

    platform: Platform
    kept: Mapping[str, _State]
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    @property
    def ends(self) -> dict[str, int]:
        return {stream: end for state in self.kept.values() for stream, end in state.ends.items()}

    def for_service(self) -> Platform:
        real = self.platform
        return Platform(
            home=real.home,
            log=ReplayLog(real.log, self.ends),
            jobs=NoJobs(),
            blobs=real.blobs,
            catalogue=real.catalogue,
            stopping=real.stopping,
            health=Health(),
            settings=real.settings,
            open_ledger=self._open_ledger,
            open_releases=real.open_releases,
            open_readings=real.open_readings,
        )

    @asynccontextmanager
    async def _open_ledger(self, name: str, metadata: MetaData) -> AsyncIterator[Ledger]:
        """No relay: what the replay would publish was published long ago."""
        url = sqlite_url(_file(self.platform.home, name))
        async with Ledger.open(url, name, metadata, route=self.platform.partitioning.stream_for) as ledger:
            self.ledgers[name] = ledger
            yield ledger

    async def read_so_far(self) -> int:
        """How many of the wanted offsets were read."""
        found = {}
        for ledger in self.ledgers.values():
            for cursor in await ledger.read(cursors):
                found[cursor.stream] = cursor.next_offset
        return sum(min(found.get(stream, 0), end) for stream, end in self.ends.items())


async def _run(stage: _Stage, service: Service, progress: Progress) -> None:
    """Run the service on ``stage`` until it has read everything."""
    for ledger in stage.kept:
        await asyncio.to_thread(_remove, _file(stage.platform.home, ledger))
    total = sum(stage.ends.values())
    running = asyncio.create_task(service.run(stage.for_service()))
    try:
        while (done := await stage.read_so_far()) < total and not running.done():
            progress(done, total)
            await asyncio.wait({running}, timeout=POLL_S)
        progress(done, total)
        stage.platform.stopping.set()
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _file(home: Path, ledger: str) -> Path:
    return home / "replay" / f"{ledger}.sqlite"


def _remove(file: Path) -> None:
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()


class ReplayLog:
    """A log up to given offsets, to be read only. Implements ``EventLog``."""

    def __init__(self, log: EventLog, ends: Mapping[str, int]) -> None:
        self._log = log
        self._ends = ends

    async def append(self, stream: str, messages: Sequence[Message], *, producer: str | None = None) -> None:
        """Raises PermanentError ``replay_writes``."""
        _refuse()

    async def follow(
        self, stream: str, offset: int = 0, *, max_batch: int = 100, after: bytes | None = None
    ) -> AsyncIterator[list[Record]]:
        if offset < self._end(stream):
            async for batch in self._log.follow(stream, offset, max_batch=max_batch, after=after):
                kept = [record for record in batch if record.offset < self._end(stream)]
                if kept:
                    yield kept
                if batch[-1].offset + 1 >= self._end(stream):
                    break
        await asyncio.Event().wait()

    async def read(self, stream: str, offset: int = 0, *, limit: int = 100) -> list[Record]:
        found = await self._log.read(stream, offset, limit=limit)
        return [record for record in found if record.offset < self._end(stream)]

    async def end(self, stream: str) -> int:
        return self._end(stream)

    async def first(self, stream: str) -> int:
        return await self._log.first(stream)

    async def count(self, stream: str, before: int | None = None) -> int:
        end = self._end(stream)
        return await self._log.count(stream, end if before is None else min(before, end))

    async def last_seq(self, stream: str, producer: str) -> int | None:
        return await self._log.last_seq(stream, producer)

    async def turns(self, stream: str, *, group: str) -> AsyncIterator[asyncio.Event]:
        """Its own from beginning to end: the services that are at work keep theirs."""
        yield asyncio.Event()
        await asyncio.Event().wait()

    async def acknowledge(self, stream: str, reader: str, positions: Mapping[str, int]) -> None:
        """Not told: the service's own word counts."""

    async def acknowledged(self, stream: str, producer: str) -> Mapping[str, int]:
        return {}

    def _end(self, stream: str) -> int:
        return self._ends.get(stream, 0)


class NoJobs:
    """A queue in which nothing ever is. Implements ``JobQueue``."""

    async def put(self, queue: str, job_id: str, body: str) -> None:
        """Raises PermanentError ``replay_writes``."""
        _refuse()

    async def take(self, queue: str, worker: str, *, lease_s: float) -> Job:
        while True:
            await asyncio.Event().wait()

    async def renew(self, job: Job, worker: str, *, lease_s: float) -> bool:
        return False

    async def complete(self, job: Job, worker: str) -> None:
        """There is none."""

    async def release(self, job: Job, worker: str, *, delay_s: float) -> None:
        """There is none."""

    async def cancel(self, queue: str, job_id: str) -> bool:
        return False

    async def pending(self, queue: str) -> list[Job]:
        return []

    async def dead_letters(self) -> list[DeadJob]:
        return []

    async def requeue(self, job_id: str) -> None:
        """Raises PermanentError ``replay_writes``."""
        _refuse()


def _refuse() -> Never:
    raise PermanentError("replay_writes", "a replay publishes nothing and asks for nothing")
