"""What a train job may say, without torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.protocol import TrainJob
from azaion_ultralytics.train import check_overrides, identity


@pytest.fixture
def job(tmp_path: Path) -> TrainJob:
    (tmp_path / "data.yaml").write_text("names: [car]")
    (tmp_path / "weights.pt").write_bytes(b"weights")
    return TrainJob(
        data=tmp_path / "data.yaml",
        weights=tmp_path / "weights.pt",
        workdir=tmp_path / "run",
        epochs=2,
        threads=1,
    )


@pytest.mark.parametrize(
    "overrides", [{"project": "/elsewhere"}, {"resume": True}, {"val_period": -1}, {"epoch_pictures": 1.5}]
)
def test_settings_that_are_not_the_jobs_are_refused(overrides: dict[str, Any]) -> None:
    """A job changes how is trained, not where it is written; the values of our own settings are checked."""
    with pytest.raises(ToolchainError) as caught:
        check_overrides(overrides)
    assert caught.value.code == "bad_job"


def test_the_documented_settings_are_accepted() -> None:
    """Augmentation, optimiser and pace may be set."""
    check_overrides(
        {"lr0": 0.01, "mosaic": 0, "freeze": 11, "scale": [0.5, 8], "val_period": 0, "epoch_pictures": 96}
    )


def test_a_job_stays_the_same_on_another_machine(job: TrainJob) -> None:
    """Device, threads and workdir may change before a resume; a copy of the weights is as good as the file."""
    copy = job.data.with_name("copy.pt")
    copy.write_bytes(b"weights")

    assert identity(
        replace(job, device="0", threads=8, workdir=Path("/elsewhere"), weights=copy)
    ) == identity(job)


def test_whatever_decides_the_result_makes_another_job(job: TrainJob) -> None:
    """More epochs, another setting, other classes or other weights do not go on from this job's checkpoint."""
    before = identity(job)
    others = [
        replace(job, epochs=3),
        replace(job, seed=1),
        replace(job, overrides={"lr0": 0.1}),
        replace(job, weights=None),
    ]

    assert before not in {identity(other) for other in others}
    job.data.write_text("names: [bus]")
    assert identity(job) != before
