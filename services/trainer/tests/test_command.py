"""``azaion dataset`` and ``azaion train``, as a person uses them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from azaion_common.contracts.events import (
    EpochMetrics,
    Event,
    Lineage,
    Metrics,
    ModelRejected,
    TrainingProgress,
    TrainingStarted,
)
from azaion_common.contracts.events.models import STREAM
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.ledger.handler import Outgoing
from azaion_common.platform.runtime.platform import Platform
from azaion_trainer import command
from azaion_trainer.adapters.dataset_folder import HardLinkedFolders
from azaion_trainer.asking import parse_settings
from azaion_trainer.certificate import certify
from azaion_trainer.dataset import Formation
from azaion_trainer.parameters import run_id_of
from azaion_trainer.tables import METADATA

Call = Callable[..., Any]


@pytest.fixture
def azaion(tmp_path: Path) -> Call:
    """A function: runs the command line on the home ``tmp_path`` and returns its result."""
    app = typer.Typer()
    command.register(app)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])

    return invoke


CHECKER = """
import json, sys
job = json.loads(sys.stdin.readline())
wrong = {"lr0": "lr0 takes a number from 0 to 1, not 7"} if job["overrides"].get("lr0") == 7 else {}
settings = {"lr0": "a number from 0 to 1", "cos_lr": "true or false"}
print(json.dumps({"type": "result", "settings": settings, "architectures": ["yolo11n"], "problems": wrong}))
"""


@pytest.fixture
def toolchain_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toolchain that only says what it takes."""
    (tmp_path / "azaion_ultralytics.py").write_text(CHECKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("AZAION_TOOLCHAINS__ULTRALYTICS_PYTHON", sys.executable)


@pytest.fixture
def outcome(platform: Platform) -> Call:
    """Awaitable: tells of a run of the first job that is queued, as the trainer would."""

    async def tell() -> None:
        while not (found := await platform.jobs.pending("trainings")):
            await asyncio.sleep(0.05)
        run_id = run_id_of(found[0].job_id, found[0].body)
        point = EpochMetrics(epoch=2, epochs=2, metrics={"map50": 0.01}, loss={}, seconds=1)
        lineage = Lineage(
            dataset_id="0" * 64, job_sha256=run_id, stream_offsets={}, base_weights_sha256=None,
            parent_model_id=None, toolchain={},
        )  # fmt: skip
        metrics = Metrics(
            map50=0.01, map50_95=0, per_class={}, per_condition={}, pictures=6, evaluator="test"
        )
        blob = await platform.blobs.put(b"model", "application/x-pytorch")
        events: list[Event] = [
            TrainingStarted(
                run_id=run_id, dataset_id="0" * 64, epochs=2, imgsz=320, batch=16, estimated_seconds=60,
                notes=("on the CPU: 2 epochs",),
            ),
            TrainingProgress(run_id=run_id, epoch=point),
            ModelRejected(
                model_id="0" * 16, checkpoint=blob, architecture="yolo11n", imgsz=320, class_names=("car",),
                class_colours=("#ff0000",), metrics=metrics, lineage=lineage, train_seconds=1,
                reason="below the floor", difference=0, confidence_interval=(0, 0),
            ),
        ]  # fmt: skip
        async with platform.open_ledger("trainer", METADATA) as ledger:
            await ledger.transact(
                lambda connection: ledger.emit(
                    connection, [Outgoing(STREAM, each, run_id) for each in events]
                )
            )

    return tell


@pytest.fixture
async def dataset_id(platform: Platform, store_blobs: Call, form: Callable[..., Formation]) -> str:
    await store_blobs([f"p{number:02}" for number in range(20)])
    manifest = form(20).manifest
    await HardLinkedFolders(platform.home / "datasets", platform.blobs).ensure(manifest, certify(manifest))
    return manifest.dataset_id


def test_datasets_are_listed_shown_and_verified(azaion: Call, dataset_id: str) -> None:
    """By the first digits of their id, or the newest without."""
    assert dataset_id[:16] in azaion("dataset", "list").stdout
    assert json.loads(azaion("dataset", "list", "--json").stdout)["datasets"][0]["dataset_id"] == dataset_id
    assert json.loads(azaion("dataset", "show", dataset_id[:5], "--json").stdout)["class_names"] == [
        "car",
        "truck",
    ]
    assert "closest pictures across sides" in azaion("dataset", "show").stdout
    assert azaion("dataset", "verify").stdout.endswith(f"dataset {dataset_id[:16]} does not leak\n")


def test_an_altered_dataset_is_not_verified(azaion: Call, dataset_id: str, tmp_path: Path) -> None:
    """The error of the check leaves the command."""
    next((tmp_path / "datasets" / dataset_id / "images" / "test").iterdir()).unlink()

    result = azaion("dataset", "verify", dataset_id)

    assert isinstance(result.exception, PermanentError)
    assert result.exception.code == "dataset_altered"


@pytest.mark.usefixtures("platform")
def test_an_unknown_dataset_is_named_in_the_error(azaion: Call) -> None:
    """Also when there is none at all."""
    assert azaion("dataset", "show", "abc").exception.code == "dataset_missing"
    assert azaion("dataset", "verify").exception.code == "dataset_missing"


@pytest.mark.usefixtures("toolchain_settings")
async def test_train_puts_a_job_into_the_queue(platform: Platform, azaion: Call) -> None:
    """The settings arrive as values, and the run id that is printed is the one that the trainer will use."""
    result = await asyncio.to_thread(azaion, "train", "epochs=5", "lr0=0.01", "cos_lr=true", "--json")
    answer = json.loads(result.stdout)

    (job,) = await platform.jobs.pending("trainings")
    assert json.loads(job.body) == {
        "dataset_id": None,
        "overrides": {"epochs": 5, "lr0": 0.01, "cos_lr": True},
    }
    assert answer == {"job_id": job.job_id, "run_id": run_id_of(job.job_id, job.body)}


async def test_a_training_that_nobody_works_on_says_so(azaion: Call, platform: Platform) -> None:
    """It is queued all the same, and what to start is named."""
    result = await asyncio.to_thread(azaion, "train", "epochs=5")

    assert result.exit_code == 0
    assert "nobody works on the queue 'trainings'" in result.stderr
    assert "azaion up" in result.stderr
    assert len(await platform.jobs.pending("trainings")) == 1


async def test_waiting_where_nobody_works_says_so_and_ends_by_its_timeout(
    azaion: Call, platform: Platform
) -> None:
    """Not in silence, and not for ever unless asked to; the training stays queued."""
    result = await asyncio.to_thread(azaion, "train", "--wait", "--timeout", "0.5")

    assert isinstance(result.exception, TransientError)
    assert result.exception.code == "wait_timed_out"
    assert "stays queued" in result.exception.message
    assert "nobody works on the queue 'trainings'" in result.stderr
    assert len(await platform.jobs.pending("trainings")) == 1


async def test_waiting_shows_a_line_now_and_then_and_the_verdict(
    azaion: Call, platform: Platform, outcome: Call
) -> None:
    """Without a terminal: what to know before, how far it is, and how it ended."""
    with (_lock_folder(platform) / "trainer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answering = asyncio.create_task(outcome())
        result = await asyncio.to_thread(azaion, "train", "--wait", "--timeout", "60")
        await answering

    lines = result.stderr.splitlines()
    assert lines[0] == "waiting for the trainer"
    assert lines[1:3] == ["on the CPU: 2 epochs", "epoch 1 of 2, about 60 s left"]
    assert lines[-1] == "trained; the model is being measured"
    assert "nobody" not in result.stderr
    assert "rejected: " in result.stdout
    assert "below the floor" in result.stdout


@pytest.mark.usefixtures("toolchain_settings")
@pytest.mark.parametrize(
    ("pair", "code"),
    [("epohcs=5", "setting_unknown"), ("lr0=7", "setting_invalid"), ("epochs=0", "setting_invalid")],
)
async def test_a_setting_that_no_training_takes_is_not_queued(
    *, azaion: Call, platform: Platform, pair: str, code: str
) -> None:
    """Ours are known here, the others are the toolchain's."""
    result = await asyncio.to_thread(azaion, "train", pair)

    assert result.exception.code == code
    assert await platform.jobs.pending("trainings") == []


async def test_weights_that_are_not_there_are_missed_when_they_are_typed(
    azaion: Call, platform: Platform
) -> None:
    """And not by the trainer, much later."""
    result = await asyncio.to_thread(azaion, "train", "weights=nowhere.pt")

    assert result.exception.code == "weights_missing"
    assert await platform.jobs.pending("trainings") == []


@pytest.mark.usefixtures("toolchain_settings")
async def test_every_setting_can_be_listed(azaion: Call) -> None:
    """Ours and the toolchain's, with what they take."""
    listed = json.loads((await asyncio.to_thread(azaion, "train", "--list", "--json")).stdout)

    assert listed["settings"]["epochs"] == "whole number or none"
    assert listed["settings"]["lr0"] == "a number from 0 to 1"
    assert listed["architectures"] == ["yolo11n"]


def _lock_folder(platform: Platform) -> Path:
    folder = platform.home / "run"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("pair", ["epochs", "=5", "x=[", "x={a"])
def test_what_is_not_key_and_value_is_refused(pair: str) -> None:
    """One clear line that quotes it."""
    with pytest.raises(PermanentError, match=pair.replace("[", r"\[")) as caught:
        parse_settings([pair])

    assert caught.value.code == "setting_malformed"
