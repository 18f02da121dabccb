"""How far the loop has come, folded from its events. Pure: the same events give the same state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from azaion_common.contracts.events import (
    BatchAugmented,
    DatasetFormed,
    ExportFailed,
    ImageQuarantined,
    ImageSaved,
    ModelExported,
    ModelPublished,
    ModelRejected,
    ModelTrained,
    PublishFailed,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
)
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.errors import PermanentError

_BEGINS = {"model.trained.v1": "export", "model.exported.v1": "publish"}
"""Stages that begin with the event that ends the one before."""


@dataclass
class Span:
    """When the first and the last event of a stage happened."""

    first: datetime | None = None
    last: datetime | None = None

    def touch(self, at: datetime) -> None:
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)

    @property
    def seconds(self) -> float:
        return (self.last - self.first).total_seconds() if self.first and self.last else 0.0


@dataclass
class LoopState:
    """Everything that the progress bars, the summary and the report need to know."""

    saved: dict[str, ImageSaved] = field(default_factory=dict)
    quarantined: list[ImageQuarantined] = field(default_factory=list)
    augmented: dict[str, BatchAugmented] = field(default_factory=dict)
    dataset: DatasetFormed | None = None
    training: TrainingStarted | None = None
    epochs: list[TrainingProgress] = field(default_factory=list)
    trained: ModelTrained | None = None
    rejected: ModelRejected | None = None
    exported: ModelExported | None = None
    published: ModelPublished | None = None
    failure: TrainingFailed | ExportFailed | PublishFailed | None = None
    spans: dict[str, Span] = field(default_factory=dict)

    @property
    def settled_pictures(self) -> int:
        """Pictures that are stored or put aside."""
        return len(self.saved) + len(self.quarantined)

    def apply(self, envelope: Envelope) -> None:
        """Take in one event."""
        stage = self._take(envelope)
        if stage is not None:
            self.spans.setdefault(stage, Span()).touch(envelope.time)
        if (begun := _BEGINS.get(envelope.type)) is not None:
            self.spans.setdefault(begun, Span()).touch(envelope.time)

    def _take(self, envelope: Envelope) -> str | None:
        match envelope.event:
            case ImageSaved() as event:
                self.saved[event.name] = event
                return "ingest"
            case ImageQuarantined() as event:
                self.quarantined.append(event)
                return "ingest"
            case BatchAugmented() as event:
                self.augmented[event.name] = event
                return "augment"
            case _:
                return self._take_model_event(envelope)

    def _take_model_event(self, envelope: Envelope) -> str | None:
        match envelope.event:
            case DatasetFormed() as event:
                self.dataset = event
            case TrainingStarted() as event:
                self.training = event
            case TrainingProgress() as event:
                self.epochs.append(event)
            case ModelTrained() as event:
                self.trained = event
            case ModelRejected() as event:
                self.rejected = event
            case ModelExported() as event:
                self.exported = event
                return "export"
            case ModelPublished() as event:
                self.published = event
                return "publish"
            case TrainingFailed() | ExportFailed() | PublishFailed() as event:
                self.failure = event
            case _:
                return None
        return "train"

    def raise_failure(self) -> None:
        """Nothing when all is well.

        Raises:
            PermanentError: what ended the loop, with its own code.
        """
        if self.failure is not None:
            raise PermanentError(
                self.failure.code, f"{self.failure.type.split('.')[0]} failed: {self.failure.message}"
            )
        if self.rejected is not None:
            raise PermanentError("model_rejected", f"the model was not released: {self.rejected.reason}")
