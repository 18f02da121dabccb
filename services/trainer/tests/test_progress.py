"""What is said of a run while it goes on."""

from __future__ import annotations

import pytest

from azaion_common.contracts.events import EpochMetrics, TrainingProgress, TrainingStarted
from azaion_trainer.progress import RunProgress

RUN = "1" * 64


def epoch(number: int, seconds: float, **metrics: float) -> TrainingProgress:
    point = EpochMetrics(epoch=number, epochs=10, metrics=metrics, loss={}, seconds=seconds)
    return TrainingProgress(run_id=RUN, epoch=point)


def started(estimate: float | None = 600.0) -> TrainingStarted:
    return TrainingStarted(
        run_id=RUN, dataset_id=RUN, epochs=10, imgsz=320, batch=16, estimated_seconds=estimate
    )


def test_before_the_first_epoch_the_estimate_tells_the_time() -> None:
    """It runs down, and is left out where there is none."""
    run = RunProgress()
    assert run.line(0) == "waiting for the trainer"

    run.take(started(), now=100)
    assert run.line(220) == "epoch 1 of 10, about 8 min left"
    run.take(started(None), now=100)
    assert run.line(220) == "epoch 1 of 10"


def test_from_the_first_epoch_on_the_epochs_do() -> None:
    """With the newest mAP50, also where an epoch was not measured."""
    run = RunProgress()
    run.take(started(), now=0)
    run.take(epoch(1, 30, map50=0.25), now=30)
    run.take(epoch(2, 50), now=80)

    assert run.left_s(80) == pytest.approx(8 * 40)
    assert run.line(80) == "epoch 3 of 10, mAP50 0.250, about 5 min left"
    assert run.left_s(9999) == 0


def test_after_the_last_epoch_it_is_measured() -> None:
    """That may take a while, too."""
    run = RunProgress()
    run.take(epoch(10, 30), now=0)

    assert run.line(5) == "trained; the model is being measured"
