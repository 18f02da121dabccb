"""``azaion jobs``: runs with what they ran on and how they ended, and what is queued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import MetaData
from typer.testing import CliRunner

from azaion_common.contracts.events import (
    EpochMetrics,
    Event,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
    models,
)
from azaion_common.contracts.events.models import Hardware
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli import doctor, jobs
from azaion_common.platform.ledger.handler import Outgoing
from azaion_common.testing import platform as open_platform

Call = Callable[..., Any]
GPU = Hardware(device="0", name="NVIDIA Test", threads=16)
FIRST, SECOND = "a" * 64, "b" * 64


def started(run_id: str, **changes: Any) -> TrainingStarted:
    return TrainingStarted(run_id=run_id, dataset_id="1" * 64, epochs=5, imgsz=320, batch=16, **changes)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """One run that failed, one of a trainer that did not tell yet, a job in the queue."""
    point = EpochMetrics(epoch=2, epochs=5, metrics={}, loss={}, seconds=1)
    events: list[Event] = [
        started(FIRST, hardware=GPU, notes=("on the GPU: 5 epochs",)),
        TrainingProgress(run_id=FIRST, epoch=point),
        TrainingFailed(run_id=FIRST, code="diverged", message="the loss became NaN"),
        started(SECOND),
    ]
    async with open_platform(tmp_path) as platform:
        async with platform.open_ledger("trainer", MetaData()) as ledger:
            owed = [Outgoing(models.STREAM, event, "x") for event in events]
            await ledger.transact(lambda connection: ledger.emit(connection, owed))
        await platform.jobs.put("trainings", "job-1", "{}")
    return tmp_path


@pytest.fixture
def azaion(home: Path) -> Call:
    """Awaitable: runs the command line on the home."""
    app = typer.Typer()
    jobs.register(app)
    doctor.register(app)

    async def invoke(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--home", str(home)])

    return invoke


async def test_runs_and_what_is_queued_are_listed(azaion: Call) -> None:
    """On what each ran, how far it came, how it ended."""
    text = (await azaion("jobs", "list")).stdout
    listed = json.loads((await azaion("jobs", "list", "--json")).stdout)

    assert "GPU 0 (NVIDIA Test)" in text
    assert "failed: diverged" in text
    assert "2 of 5" in text
    assert "trainings: job-1 (waiting)" in text
    assert [run["state"] for run in listed["runs"]] == ["failed: diverged", "running"]
    assert [run["hardware"] for run in listed["runs"]] == [GPU.model_dump(), None]
    assert listed["pending"] == [{"queue": "trainings", "job_id": "job-1", "attempt": 0}]


async def test_one_run_is_shown(azaion: Call) -> None:
    """With what was said before it and what came of it."""
    text = (await azaion("jobs", "show", "aa")).stdout

    assert "on GPU 0 (NVIDIA Test)" in text
    assert "before: on the GPU: 5 epochs" in text
    assert "verdict: the loss became NaN" in text
    assert json.loads((await azaion("jobs", "show", "bb", "--json")).stdout)["state"] == "running"
    assert (await azaion("jobs", "show", "cc")).exception.code == "run_unknown"


async def test_a_job_is_cancelled_once(azaion: Call) -> None:
    """And a job that is none is an error."""
    assert (await azaion("jobs", "cancel", "job-1")).stdout == "cancelled: job-1 of trainings\n"

    second = (await azaion("jobs", "cancel", "job-1")).exception
    assert isinstance(second, PermanentError)
    assert second.code == "job_unknown"


async def test_doctor_says_on_what_was_trained_last(azaion: Call, home: Path) -> None:
    """Whoever looks after a machine sees that its GPU is not used."""
    assert json.loads((await azaion("doctor", "--json")).stdout)["last_training"]["run_id"] == SECOND
    assert "last training: running" in (await azaion("doctor")).stdout
