"""The run: decoding ahead, inference in the middle, drawing and writing behind, all at once.

The middle is the only stage that ought to be waited for. Wall time is then the runtime's own time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_inferencer.batches import Batch, Batcher, Passenger
from azaion_inferencer.conveyor import Ahead, Behind
from azaion_inferencer.frame_ledger import FrameLedger
from azaion_inferencer.model_slot import LoadedModel, ModelSlot
from azaion_inferencer.ports import FrameSource, Image, Shown, Sink, StageClock
from azaion_vision.detections import Detections
from azaion_vision.drawing import draw

_DEPTH = 1
_BUFFERS = _DEPTH + 2
"""What ``Ahead`` lets exist at once."""

Rows = list[NDArray[np.float32]]


@dataclass
class Outcome:
    """What a run did. ``runtime_s`` is the time inside the model, ``wall_s`` all of it."""

    ledger: FrameLedger = field(default_factory=FrameLedger)
    with_detections: int = 0
    detections: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    runtime_s: float = 0.0
    wall_s: float = 0.0


def run(
    source: FrameSource,
    slot: ModelSlot,
    sinks: Sequence[Sink],
    *,
    every: int = 1,
    stop: Event | None = None,
    on_progress: Callable[[Outcome], None] = lambda _: None,
    on_stage: StageClock = lambda _stage, _seconds: None,
) -> Outcome:
    """Infer every ``every``-th frame of ``source`` with the model in ``slot`` and give the results to ``sinks``.

    The sinks are open already; opening and closing them is the caller's. ``stop`` ends the run early and in order.
    ``on_stage`` is told how long each stage took, from its own thread.

    Raises:
        PermanentError, TransientError: whatever source, model or sinks raise; nothing is retried here, and what was
            found before is written. ``model_unusable`` when the model's answers cannot be.
    """
    started = time.perf_counter()
    outcome = Outcome()
    show_every_frame = any(sink.every_frame for sink in sinks)
    batcher = Batcher(
        source, slot, every, _BUFFERS, show_every_frame, outcome.ledger, stop or Event(), on_stage
    )
    writer = _Writer(sinks, outcome, on_stage)
    with Ahead(batcher.batches(), _DEPTH) as batches, Behind(writer.write, _DEPTH) as written:
        try:
            for batch in batches:
                written.put((batch.loaded, batch.passengers, _infer(batch, outcome, on_stage)))
                on_progress(outcome)
        finally:
            source.stop()  # before the thread that waits for its next frame is waited for
    on_progress(outcome)
    outcome.wall_s = time.perf_counter() - started
    return outcome


def _infer(batch: Batch, outcome: Outcome, on_stage: StageClock) -> Rows:
    if not batch.sampled:
        return []
    started = time.perf_counter()
    rows = batch.loaded.model.infer(batch.inputs)
    seconds = time.perf_counter() - started
    _check_answers(batch.loaded, rows)
    on_stage("infer", seconds)
    outcome.runtime_s += seconds
    outcome.ledger.inferred += batch.sampled
    outcome.models[batch.loaded.model_id] += batch.sampled
    return rows


def _check_answers(loaded: LoadedModel, answers: Rows) -> None:
    """What is no number, or a class that the model does not have, is an error of the model and not a detection.

    Raises:
        PermanentError: ``model_unusable``.
    """
    names = loaded.model.names
    for rows in answers:
        if not np.isfinite(rows).all():
            raise _unusable(loaded, "its answers are not finite")
        for class_id in set(rows[:, 5].tolist()):
            if class_id not in names:
                raise _unusable(
                    loaded, f"it found class {class_id:g}, and its file names {len(names)} classes without it"
                )


def _unusable(loaded: LoadedModel, reason: str) -> PermanentError:
    return PermanentError(
        "model_unusable",
        f"model {loaded.model_id} answers wrongly: {reason}",
        hint="export it again, with the class names that it was trained with",
    )


@dataclass
class _Writer:
    """Turns rows into detections of the original frame, draws them, and hands every frame to the sinks."""

    sinks: Sequence[Sink]
    outcome: Outcome
    on_stage: StageClock
    last: Detections = field(default_factory=Detections.empty)

    def write(self, item: tuple[LoadedModel, list[Passenger], Rows]) -> None:
        started = time.perf_counter()
        self._write(item)
        self.on_stage("write", time.perf_counter() - started)

    def _write(self, item: tuple[LoadedModel, list[Passenger], Rows]) -> None:
        loaded, passengers, rows = item
        answers = iter(rows)
        for passenger in passengers:
            if passenger.placement is not None:
                found = Detections.from_rows(next(answers))
                boxes = passenger.placement.to_original(found.boxes)
                self.last = Detections(boxes, found.scores, found.class_ids)
                self._count(loaded)
            self._hand_out(loaded, passenger)

    def _count(self, loaded: LoadedModel) -> None:
        self.outcome.with_detections += len(self.last) > 0
        names = loaded.model.names
        self.outcome.detections.update(names[class_id] for class_id in self.last.class_ids.tolist())

    def _hand_out(self, loaded: LoadedModel, passenger: Passenger) -> None:
        inferred = passenger.placement is not None
        names = loaded.model.names
        picture = self._annotated(loaded, passenger) if any(sink.every_frame for sink in self.sinks) else None
        shown = Shown(passenger.frame, self.last, loaded.model_id, names, inferred, picture)
        for sink in self.sinks:
            if inferred or (sink.every_frame and picture is not None):
                sink.write(shown)

    def _annotated(self, loaded: LoadedModel, passenger: Passenger) -> Image | None:
        image = passenger.image
        if image is None:
            try:
                image = passenger.frame.decode()
            except PermanentError:
                return None  # it was not to be inferred, and counts as skipped; the film has one frame less
        return draw(image, self.last, loaded.model.names, loaded.colours)
