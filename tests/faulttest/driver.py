"""Drives a run: the child process, the writer whose acknowledgements are the history, and the final state."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg

from azaion_common.core.errors import TransientError
from azaion_common.platform.streams import EventLog, Message
from faulttest import pipeline
from faulttest.checker import Verdict, judge

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["faulttest.pipeline"])
BOTH = ("first", "second")
START_S = 30.0


def seed_of_run() -> int:
    """Printed by every run that is random, and taken from ``AZAION_FAULTS_SEED`` to repeat one."""
    chosen = os.environ.get("AZAION_FAULTS_SEED")  # noqa: TID251 - how a run is repeated
    seed = int(chosen) if chosen else random.SystemRandom().randrange(2**32)
    print(f"seed: AZAION_FAULTS_SEED={seed}")  # noqa: T201 - how this run is repeated
    return seed


@dataclass
class Child:
    """The pipeline in a process. ``environment`` points it at its servers."""

    home: Path
    environment: Mapping[str, str]
    names: tuple[str, ...] = BOTH
    process: BaseProcess | None = None

    def start(self, fail_at: str | None = None) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        for file in (self.home / "run").glob("*.json"):
            file.unlink()
        arguments = (self.home, dict(self.environment), fail_at, self.names)
        self.process = _CONTEXT.Process(target=pipeline.main, args=arguments)
        self.process.start()

    @property
    def running(self) -> BaseProcess:
        assert self.process is not None
        return self.process

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    @property
    def ready(self) -> bool:
        """Its services have been started."""
        return any((self.home / "run").glob("*.json"))

    def kill(self) -> None:
        self.running.kill()
        self.running.join(10)

    async def ended(self, timeout_s: float) -> int:
        """Its exit status, once it has ended by itself."""
        await asyncio.to_thread(self.running.join, timeout_s)
        status = self.running.exitcode
        assert status is not None, f"still running after {timeout_s:g} s"
        return status

    async def terminate(self) -> tuple[int, float]:
        """SIGTERM; the exit status and how long it took."""
        started = time.monotonic()
        self.running.terminate()
        return await self.ended(30), time.monotonic() - started


@dataclass
class Writer:
    """Writes numbered inputs until told to stop; what ``append`` has returned for is acknowledged."""

    log: EventLog
    chance: random.Random
    name: str = "w"
    pause_s: float = 0.01
    size_bytes: int = 0
    limit: int | None = None
    acknowledged: list[str] = field(default_factory=list)
    attempted: list[str] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Send again from what the log has, whenever there is doubt: every input is kept until the end."""
        sent = 0
        while not self._stop.is_set() and (self.limit is None or sent < self.limit):
            while len(self.attempted) < sent + self.chance.randint(1, 20):
                self.attempted.append(f"{self.name}-{len(self.attempted) + 1}")
            try:
                await self._append(sent)
                sent = len(self.attempted)
                self.acknowledged = list(self.attempted)
            except TransientError:
                with suppress(TransientError):
                    sent = await self.log.last_seq(pipeline.INPUTS, self.name) or 0
                await asyncio.sleep(0.2)
            await asyncio.sleep(self.pause_s)

    async def _append(self, sent: int) -> None:
        inputs = list(enumerate(self.attempted, 1))[sent:]
        messages = [Message(name.encode().ljust(self.size_bytes), seq=seq) for seq, name in inputs]
        await self.log.append(pipeline.INPUTS, messages, producer=self.name)

    def stop(self) -> None:
        self._stop.set()


@asynccontextmanager
async def writing(writer: Writer) -> AsyncIterator[Writer]:
    """The writer at work while the block runs; afterwards everything that it attempted is acknowledged or known."""
    task = asyncio.create_task(writer.run())
    try:
        yield writer
        writer.stop()
        await asyncio.wait_for(task, 90)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def effects(database: str, service: str, writer: str) -> list[str]:
    """The service's rows of one writer's inputs, in their order."""
    query = f"SELECT input FROM effects WHERE input LIKE '{writer}-%' ORDER BY id"  # noqa: S608 - our own name
    return [row for (row,) in rows(database, service, query)]


def rows(database: str, service: str, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query on the service's schema; none while it does not exist."""
    url = database.replace("postgresql+psycopg://", "postgresql://")
    try:
        with psycopg.connect(url, options=f"-c search_path={service}", connect_timeout=5) as connection:
            return connection.execute(query.encode()).fetchall()
    except psycopg.errors.UndefinedTable:
        return []


async def settled(database: str, writer: Writer, *, timeout_s: float = 60.0) -> float:
    """Wait until both services have made all effects of this writer's inputs; how long that took."""
    count_own = f"SELECT count(*) FROM effects WHERE input LIKE '{writer.name}-%'"  # noqa: S608 - our own name
    started = time.monotonic()
    while True:
        with suppress(psycopg.OperationalError):
            counts = [rows(database, service, count_own) for service in BOTH]
            if all(count and count[0][0] >= len(writer.acknowledged) for count in counts):
                return time.monotonic() - started
        assert time.monotonic() - started < timeout_s, missing(database, writer)
        await asyncio.sleep(0.1)


def missing(database: str, writer: Writer) -> str:
    """What the services have not made of the inputs, and where they stand."""
    lost = {
        service: sorted(set(writer.acknowledged) - set(effects(database, service, writer.name)))[:10]
        for service in BOTH
    }
    return f"missing of {len(writer.acknowledged)}: {lost}; cursors: {books(database)}"


def verdicts(database: str, writer: Writer) -> dict[str, Verdict]:
    """The judgement on each service."""
    return {
        service: judge(writer.acknowledged, writer.attempted, effects(database, service, writer.name))
        for service in BOTH
    }


def books(database: str) -> list[tuple[Any, ...]]:
    """Per cursor: what was read, and what became of it."""
    query = (
        "SELECT stream, next_offset, applied + passed_over + quarantined - before_rewind, quarantined, halted"
        " FROM inbox_cursor"
    )
    return [row for service in BOTH for row in rows(database, service, query)]


async def until(condition: Callable[[], object], what: str, timeout_s: float = START_S) -> float:
    """Poll in a thread; how long it took."""
    started = time.monotonic()
    while not await asyncio.to_thread(condition):
        assert time.monotonic() - started < timeout_s, f"no {what} within {timeout_s:g} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - started


def all_clean(found: Mapping[str, Verdict]) -> bool:
    return all(verdict.is_clean for verdict in found.values())


def summary(found: Mapping[str, Verdict], writer: Writer, **figures: object) -> str:
    """One line for the record of last figures."""
    said = ", ".join(f"{name} {value}" for name, value in figures.items())
    return f"{len(writer.acknowledged)} inputs; {said}; " + "; ".join(f"{k}: {v}" for k, v in found.items())


def figures_of(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"median {ordered[len(ordered) // 2]:.1f} s, max {ordered[-1]:.1f} s" if ordered else "none"
