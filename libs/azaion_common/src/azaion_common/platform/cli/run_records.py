"""What the stream of models tells of each training run, for commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from azaion_common.contracts.events import (
    Candidate,
    ModelRejected,
    ModelTrained,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
    models,
)
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.contracts.events.models import Hardware
from azaion_common.platform.cli.remembered import remembered_events

_TYPES = (
    "training.started.v1",
    "training.progress.v1",
    "training.failed.v1",
    "model.trained.v1",
    "model.rejected.v1",
)


@dataclass
class RunRecord:
    """One run. ``outcome`` None: it goes on, or its trainer stopped in the middle of it."""

    run_id: str
    at: datetime
    started: TrainingStarted | None = None
    progress: TrainingProgress | None = None
    outcome: Candidate | TrainingFailed | None = None

    @property
    def state(self) -> str:
        match self.outcome:
            case TrainingFailed(code=code):
                return f"failed: {code}"
            case ModelRejected():
                return "rejected"
            case None:
                return "running"
            case _:
                return "trained"

    @property
    def hardware(self) -> Hardware | None:
        known = self.outcome.hardware if isinstance(self.outcome, Candidate) else None
        return known or (self.started.hardware if self.started else None)

    @property
    def reason(self) -> str:
        match self.outcome:
            case TrainingFailed(message=text) | ModelRejected(reason=text) | ModelTrained(verdict=text):
                return text
            case _:
                return ""

    def facts(self) -> dict[str, Any]:
        """For machines."""
        model = self.outcome if isinstance(self.outcome, Candidate) else None
        return {
            "run_id": self.run_id,
            "at": self.at.isoformat(),
            "state": self.state,
            "reason": self.reason,
            "hardware": self.hardware.model_dump() if self.hardware else None,
            "epochs": self.started.epochs if self.started else None,
            "epochs_done": self.progress.epoch.epoch if self.progress else 0,
            "imgsz": self.started.imgsz if self.started else None,
            "estimated_seconds": self.started.estimated_seconds if self.started else None,
            "train_seconds": model.train_seconds if model else None,
            "notes": list(self.started.notes) if self.started else [],
            "model_id": model.model_id if model else None,
            "map50": model.metrics.map50 if model else None,
        }


async def read_runs(home: Path) -> list[RunRecord]:
    """Every run that the stream of ``home`` tells of, oldest first.

    Raises:
        PermanentError: ``home_missing``.
    """
    records: dict[str, RunRecord] = {}
    for envelope in await remembered_events(home, models.STREAM, _TYPES):
        fold(records, envelope)
    return list(records.values())


def fold(records: dict[str, RunRecord], envelope: Envelope) -> None:
    """Take in one event. Pure but for ``records``."""
    match envelope.event:
        case TrainingStarted(run_id=run_id) as event:
            _record(records, run_id, envelope).started = event
        case TrainingProgress(run_id=run_id) as event:
            _record(records, run_id, envelope).progress = event
        case TrainingFailed(run_id=run_id) as event:
            _record(records, run_id, envelope).outcome = event
        case ModelTrained() | ModelRejected() as event:
            _record(records, event.lineage.job_sha256, envelope).outcome = event
        case _:
            return


def _record(records: dict[str, RunRecord], run_id: str, envelope: Envelope) -> RunRecord:
    return records.setdefault(run_id, RunRecord(run_id, envelope.time))
