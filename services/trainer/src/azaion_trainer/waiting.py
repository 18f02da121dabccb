"""Following one training run on the stream of models, with a progress bar."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from azaion_common.errors import PermanentError
from azaion_common.events import (
    Event,
    ModelRejected,
    ModelTrained,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
    models,
)
from azaion_common.ledger.decoding import decode_event
from azaion_common.streams import EventLog


async def wait_for_run(log: EventLog, run_id: str, offset: int) -> ModelTrained | ModelRejected:
    """What the run leads to, read from ``offset`` on.

    Raises:
        PermanentError: with the code of ``training.failed``.
    """
    with _RunBar() as bar:
        async for records in log.follow(models.STREAM, offset):
            for record in records:
                delivery = decode_event(record)
                if delivery and _belongs(delivery.content, run_id):
                    bar.show(delivery.content)
                    if isinstance(delivery.content, (ModelTrained, ModelRejected)):
                        return delivery.content
    raise PermanentError("log_ended", "the event log ended")


def _belongs(event: Event, run_id: str) -> bool:
    if isinstance(event, (ModelTrained, ModelRejected)):
        return event.lineage.job_sha256 == run_id
    return isinstance(event, (TrainingStarted, TrainingProgress, TrainingFailed)) and event.run_id == run_id


class _RunBar:
    """One line on stderr: epochs done, the newest figures."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task("waiting for the trainer", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Raises PermanentError with the code of a run that failed."""
        match event:
            case TrainingFailed():
                raise PermanentError(event.code, event.message)
            case TrainingStarted():
                self._progress.update(self._task, description="training", total=event.epochs)
            case TrainingProgress(epoch=point):
                known = point.metrics.get("map50")
                text = "training" if known is None else f"training (mAP50 {known:.3f})"
                self._progress.update(self._task, description=text, completed=point.epoch, total=point.epochs)
            case _:
                self._progress.update(self._task, description="measured")
