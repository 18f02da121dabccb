"""How far a run is, by its events, and what to say of it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from azaion_common.contracts.events import (
    Event,
    ModelRejected,
    ModelTrained,
    TrainingProgress,
    TrainingStarted,
)
from azaion_trainer.plan import duration

RECENT_EPOCHS = 5


@dataclass
class RunProgress:
    """Times are of one monotonic clock, in seconds."""

    started: TrainingStarted | None = None
    epochs: int = 0
    done: int = 0
    map50: float | None = None
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_EPOCHS))
    _since: float = 0.0

    def take(self, event: Event, now: float) -> None:
        match event:
            case TrainingStarted():
                self.started, self.epochs, self._since = event, event.epochs, now
            case TrainingProgress(epoch=point):
                self.epochs, self.done, self._since = point.epochs, point.epoch, now
                self._seconds.append(point.seconds)
                self.map50 = point.metrics.get("map50", self.map50)
            case ModelTrained() | ModelRejected():
                self.done = self.epochs
            case _:
                pass

    def left_s(self, now: float) -> float | None:
        """Seconds until the last epoch ends: by the epochs so far, before them by the estimate; None: not known."""
        if self._seconds:
            per_epoch = sum(self._seconds) / len(self._seconds)
            return max(0.0, (self.epochs - self.done) * per_epoch - (now - self._since))
        if self.started is None or self.started.estimated_seconds is None:
            return None
        return max(0.0, self.started.estimated_seconds - (now - self._since))

    def line(self, now: float) -> str:
        """``epoch 3 of 20, mAP50 0.412, about 4 min left``."""
        if self.epochs == 0:
            return "waiting for the trainer"
        if self.done >= self.epochs:
            return "trained; the model is being measured"
        parts = [f"epoch {self.done + 1} of {self.epochs}"]
        parts += [] if self.map50 is None else [f"mAP50 {self.map50:.3f}"]
        left = self.left_s(now)
        parts += [f"about {duration(left)} left"] if left else []  # an estimate that has run out says nothing
        return ", ".join(parts)
