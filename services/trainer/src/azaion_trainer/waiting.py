"""Following one training run on the stream of models: a progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from azaion_common.contracts.events import (
    Event,
    ModelRejected,
    ModelTrained,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
    models,
)
from azaion_common.contracts.jobs import TRAININGS
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.backlog import START
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.streams import EventLog
from azaion_trainer.progress import RunProgress

LOOK_S = 2.0
NOBODY = f"nobody works on the queue '{TRAININGS}': {START}"

Works = Callable[[], Awaitable[bool]]


async def always() -> bool:
    """Somebody works."""
    return True


async def wait_for_run(
    log: EventLog, run_id: str, offset: int, *, works: Works = always, console: Console | None = None
) -> ModelTrained | ModelRejected:
    """What the run leads to, read from ``offset`` on; ``works`` says whether a trainer is there.

    Raises:
        PermanentError: with the code of ``training.failed``.
    """
    events: asyncio.Queue[Event] = asyncio.Queue()
    reading = asyncio.create_task(_read(log, run_id, offset, events))
    try:
        with _Watch(console or Console(stderr=True)) as watch:
            watch.idle(works=await works())
            while True:
                event = await _next(events)
                if event is not None:
                    watch.show(event)
                    if isinstance(event, (ModelTrained, ModelRejected)):
                        return event
                elif reading.done():
                    reading.result()
                    raise PermanentError("log_ended", "the event log ended")
                else:
                    watch.idle(works=await works())
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _next(events: asyncio.Queue[Event]) -> Event | None:
    try:
        async with asyncio.timeout(LOOK_S):
            return await events.get()
    except TimeoutError:
        return None


async def _read(log: EventLog, run_id: str, offset: int, events: asyncio.Queue[Event]) -> None:
    async for records in log.follow(models.STREAM, offset):
        for record in records:
            delivery = decode_event(record)
            if delivery and _belongs(delivery.content, run_id):
                events.put_nowait(delivery.content)


def _belongs(event: Event, run_id: str) -> bool:
    if isinstance(event, (ModelTrained, ModelRejected)):
        return event.lineage.job_sha256 == run_id
    return isinstance(event, (TrainingStarted, TrainingProgress, TrainingFailed)) and event.run_id == run_id


class _Watch:
    """Shows a run on stderr."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console) if console.is_terminal else None
        self._task = self._bar.add_task("waiting for the trainer", total=None) if self._bar else None
        self._lines = Patience(console)
        self._run = RunProgress()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, event: Event) -> None:
        """Raises PermanentError with the code of a run that failed."""
        if isinstance(event, TrainingFailed):
            raise PermanentError(event.code, event.message)
        self._run.take(event, time.monotonic())
        if isinstance(event, TrainingStarted):
            for note in event.notes:
                self._lines.tell(note)
        self._say()

    def idle(self, *, works: bool) -> None:
        """Nothing has happened for a while."""
        self._say() if works else self._put(NOBODY, "nobody")

    def _say(self) -> None:
        run = self._run
        about = "waiting" if not run.epochs else "measuring" if run.done >= run.epochs else "training"
        self._put(run.line(time.monotonic()), about)

    def _put(self, text: str, about: str) -> None:
        if self._bar is None or self._task is None:
            self._lines.say(text, about=about)
            return
        total = self._run.epochs or None
        self._bar.update(self._task, description=text, completed=self._run.done, total=total)
