"""Watches the ledger and puts a training into the queue when the schedule says so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from azaion_common.contracts.jobs import TRAININGS, TrainingJob
from azaion_common.core.stopping import unless_stopped
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.ledger.handler import NewJob
from azaion_common.platform.ledger.ledger import Ledger
from azaion_trainer.pictures import content_digest, read_situation
from azaion_trainer.schedule import ScheduleRules, Situation, decide
from azaion_trainer.tables import REQUESTS

INTERVAL_S = 1.0
_NEVER = -1
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    reason: str
    settled_at: int
    """As long as the ledger has had so many changes, another look would find the same."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Looks every second while it waits for silence, which nothing announces; otherwise when the ledger has changed."""

    ledger: Ledger
    jobs: JobQueue
    rules: ScheduleRules
    augmentation_wait_s: float

    async def run(self, stopping: asyncio.Event) -> None:
        """Until ``stopping`` is set; returns at once when training starts only on request."""
        if self.rules.min_new_pictures == 0:
            return
        said, settled_at = "", _NEVER
        while not stopping.is_set():
            if self.ledger.changes != settled_at:
                look = await self._look()
                settled_at = look.settled_at
                if look.reason != said:
                    _log.info("schedule.looked", reason=look.reason)
                    said = look.reason
            await unless_stopped(stopping, asyncio.sleep(INTERVAL_S))

    async def look(self) -> str:
        """Decide once, and ask for a training if it is time; returns the reason."""
        return (await self._look()).reason

    async def _look(self) -> _Look:
        changes = self.ledger.changes
        busy = bool(await self.jobs.pending(TRAININGS))

        def situation(connection: Connection) -> Situation:
            return read_situation(connection, now=time.time(), patience_s=self.augmentation_wait_s, busy=busy)

        found = await self.ledger.read(situation)
        decision = decide(found, self.rules)
        if decision.train and not await self.ledger.transact(self._request):
            return _Look("these pictures were tried before", changes + 1)
        waits = found.new >= self.rules.min_new_pictures
        return _Look(decision.reason, _NEVER if waits else changes)

    def _request(self, connection: Connection) -> bool:
        """One job for each state of the pictures, so that one that fails is not asked for over and over."""
        job_id = f"auto-{content_digest(connection)[:32]}"
        if connection.execute(sa.select(REQUESTS).where(REQUESTS.c.job_id == job_id)).first() is not None:
            return False
        connection.execute(REQUESTS.insert().values(job_id=job_id))
        self.ledger.emit(
            connection,
            [NewJob(TRAININGS, job_id, TrainingJob().model_dump_json())],
            traceparent=self.ledger.newest_trace,
        )
        return True
