"""A job becomes a model once, or a reason once, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from azaion_common.contracts.events import (
    DatasetFormed,
    EpochMetrics,
    ModelRejected,
    ModelTrained,
    TrainingFailed,
    TrainingProgress,
    TrainingStarted,
)
from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import Job
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.platform import Platform
from azaion_trainer import metrics
from azaion_trainer.adapters.dataset_folder import verify_folder
from azaion_trainer.app import make_trainer, serve
from azaion_trainer.parameters import run_id_of
from azaion_trainer.settings import TrainerSettings
from azaion_trainer.tables import METADATA
from azaion_trainer.training import Trainer, thinned

pytestmark = pytest.mark.slow

Call = Callable[..., Any]
NAMES = [f"p{number:02}" for number in range(24)]
JOB = Job("trainings", "job-1", json.dumps({"overrides": {"epochs": 2, "lr0": 0.02}}), 1)


@pytest.fixture
def trainer(platform: Platform, settings: TrainerSettings, ledger: Ledger, toolchain: Any) -> Trainer:
    return make_trainer(platform, settings, ledger, toolchain)


@pytest.fixture
async def stocked(
    ledger: Ledger, store_blobs: Call, image_saved: Call, batch_augmented: Call, keep: Call
) -> None:
    """24 augmented pictures of 12 scenes."""
    await store_blobs(NAMES)
    await keep(
        *(image_saved(name, number // 2) for number, name in enumerate(NAMES)), *map(batch_augmented, NAMES)
    )


async def finish(trainer: Trainer, job: Job) -> None:
    """What the job worker does: run, and end the job in one transaction."""
    end = await trainer.run(job)
    await trainer.ledger.transact(lambda connection: trainer.ledger.emit(connection, end(connection)))


async def flushed(platform: Platform, ledger: Ledger) -> None:
    """Wait until the outbox has been carried to the streams."""
    del platform
    ledger.outbox_filled.set()
    await asyncio.sleep(0.15)


@pytest.mark.usefixtures("stocked")
async def test_a_job_becomes_a_model(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """One dataset, one start, each epoch, one model with metrics, lineage and probe pictures of the test side."""
    await finish(trainer, JOB)
    await flushed(platform, ledger)

    formed, started, *progress, model = await told(
        DatasetFormed, TrainingStarted, TrainingProgress, ModelTrained
    )
    assert started.dataset_id == formed.dataset_id == model.lineage.dataset_id
    assert [each.epoch.epoch for each in progress] == [1, 2]
    assert [point.epoch for point in model.curves] == [1, 2]
    assert model.metrics.map50_95 == pytest.approx(1.0)
    assert set(model.metrics.per_condition) == {"Norm", "Wint"}
    assert model.class_names == formed.class_names == ("car", "truck")
    assert model.model_id == model.checkpoint.sha256[:16]
    assert model.lineage.stream_offsets == {"azaion.datasets": 24, "azaion.images": 24}
    assert model.lineage.job_sha256 == started.run_id
    assert len(model.probe_images) == formed.counts.test
    assert toolchain.trained[0][1].overrides == {"lr0": 0.02}
    assert (platform.home / "models" / f"{model.model_id}.pt").is_file()
    verify_folder(platform.home / "datasets" / formed.dataset_id)


@pytest.mark.usefixtures("stocked")
async def test_a_model_is_told_of_once_although_its_commit_is_done_again(
    *, trainer: Trainer, ledger: Ledger
) -> None:
    """The first commit fails, the second one holds: one line in the log, one run and its seconds counted."""
    before = metrics.RUNS.labels("trained")._value.get(), metrics.TRAIN_SECONDS._value.get()
    end = await trainer.run(JOB)

    def fails(connection: Connection) -> None:
        ledger.emit(connection, end(connection))
        raise ConnectionError

    with capture_logs() as told:
        with pytest.raises(ConnectionError):
            await ledger.transact(fails)
        await ledger.transact(lambda connection: ledger.emit(connection, end(connection)))

    assert [each["event"] for each in told] == ["model.trained"]
    after = metrics.RUNS.labels("trained")._value.get(), metrics.TRAIN_SECONDS._value.get()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 12.5)


async def until_told(told: Call, kind: type[Any]) -> None:
    while not await told(kind):
        await asyncio.sleep(0.1)


KILLS = ["checkpoint 1", "epoch 1", "checkpoint 2", "epoch 2", "detect 1"]


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("where", KILLS)
async def test_a_killed_run_goes_on_and_ends_once(
    *,
    platform: Platform,
    trainer: Trainer,
    ledger: Ledger,
    toolchain: Any,
    told: Call,
    killed: Any,
    where: str,
) -> None:
    """Whichever step it dies at, there is one dataset, one start, each epoch once and one model."""
    toolchain.dies_at = where
    with pytest.raises(killed):
        await finish(trainer, JOB)

    await finish(trainer, JOB)
    await flushed(platform, ledger)

    assert (
        len(await told(DatasetFormed))
        == len(await told(TrainingStarted))
        == len(await told(ModelTrained))
        == 1
    )
    assert sorted(each.epoch.epoch for each in await told(TrainingProgress)) == [1, 2]


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("where", ["ensure", "put", "transact"])
async def test_a_kill_while_the_dataset_is_formed_leaves_nothing_half(
    *,
    platform: Platform,
    trainer: Trainer,
    ledger: Ledger,
    told: Call,
    killed: Any,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """Before the folder is renamed, before the manifest is stored, before the transaction: the next try makes it whole."""
    owners = {"ensure": trainer.former.folders, "put": platform.blobs, "transact": ledger}
    _die_once(monkeypatch, owners[where], where, killed)
    with pytest.raises(killed):
        await finish(trainer, JOB)
    assert not await told(DatasetFormed, TrainingStarted)

    monkeypatch.undo()
    await finish(trainer, JOB)
    await flushed(platform, ledger)

    assert len(await told(DatasetFormed)) == len(await told(ModelTrained)) == 1
    assert not list((platform.home / "datasets").glob(".*"))


def _die_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, killed: Any) -> None:
    async def die(*_: Any, **__: Any) -> None:
        raise killed

    monkeypatch.setattr(type(owner), name, die)


@pytest.mark.usefixtures("stocked")
async def test_a_resumed_run_keeps_its_dataset_and_parameters(
    *,
    trainer: Trainer,
    toolchain: Any,
    keep: Call,
    image_saved: Call,
    batch_augmented: Call,
    store_blobs: Call,
    killed: Any,
) -> None:
    """Pictures that come after the kill are for the next dataset."""
    toolchain.dies_at = "epoch 1"
    with pytest.raises(killed):
        await finish(trainer, JOB)
    await store_blobs(["late"])
    await keep(image_saved("late", 99), batch_augmented("late"))

    await finish(trainer, JOB)

    assert toolchain.trained[0] == toolchain.trained[1]


@pytest.mark.usefixtures("stocked")
async def test_a_worse_model_is_rejected_and_the_champion_stays(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """The champion is measured again on the same test side; the reason and the interval are told."""
    await finish(trainer, JOB)
    toolchain.skill = 0.0
    await finish(trainer, Job("trainings", "job-2", "{}", 1))
    toolchain.skill = 1.0
    await finish(trainer, Job("trainings", "job-3", json.dumps({"overrides": {"epochs": 5}}), 1))
    await flushed(platform, ledger)

    champion = (await told(ModelTrained))[0]
    worse, equal = await told(ModelRejected)
    assert worse.champion_id == equal.champion_id == champion.model_id
    assert worse.lineage.parent_model_id == champion.model_id
    assert worse.difference == pytest.approx(-1.0)
    assert equal.difference == 0.0
    assert "mAP50-95 -1.0000" in worse.reason
    assert len(await told(DatasetFormed)) == 1  # nothing new: the same dataset again


@pytest.mark.usefixtures("stocked")
async def test_a_first_model_that_finds_nothing_is_no_champion(
    *,
    platform: Platform,
    settings: TrainerSettings,
    ledger: Ledger,
    toolchain: Any,
    told: Call,
) -> None:
    """By the floor that is set without being set; the next one that finds something is the first."""
    defaults = settings.model_copy(update={"min_map50": TrainerSettings().min_map50})
    trainer = make_trainer(platform, defaults, ledger, toolchain)
    toolchain.skill = 0.0
    await finish(trainer, JOB)
    toolchain.skill = 1.0
    await finish(trainer, Job("trainings", "job-2", "{}", 1))
    await flushed(platform, ledger)

    (refused,) = await told(ModelRejected)
    (first,) = await told(ModelTrained)
    assert refused.champion_id is first.lineage.parent_model_id is None
    assert "min_map50" in refused.reason


@pytest.mark.usefixtures("stocked")
async def test_a_small_test_side_is_told_before_the_training_and_in_the_verdict(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """Two scenes of five, with the setting's name; a rejection rests on as few."""
    await finish(trainer, JOB)
    toolchain.skill = 0.5
    await finish(trainer, Job("trainings", "job-2", "{}", 1))
    await flushed(platform, ledger)

    started, *_ = await told(TrainingStarted)
    first, worse = await told(ModelTrained, ModelRejected)
    assert any("min_test_groups" in note for note in started.notes)
    assert all("min_test_groups" in told_of for told_of in (first.verdict, worse.reason))


@pytest.mark.usefixtures("stocked")
async def test_a_run_says_on_what_it_runs_and_how_long(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """Before it, by a speed that was measured; and after it, with the model and for Grafana."""
    await finish(trainer, JOB)
    await flushed(platform, ledger)

    (started,), (model,) = await told(TrainingStarted), await told(ModelTrained)
    assert started.hardware == model.hardware == toolchain.hardware
    assert 1 < started.estimated_seconds < 60
    shown = [sample.labels for family in metrics.HARDWARE.collect() for sample in family.samples]
    assert shown == [{"device": "cpu", "name": "Testor 9000"}]
    assert (
        metrics.EPOCHS._value.get() == metrics.EPOCH._value.get() == 0
    )  # it is over, and so no epoch of it runs


@pytest.mark.usefixtures("stocked")
async def test_a_gpu_that_cannot_be_used_fails_the_run_before_anything_is_formed(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """It is never trained on the CPU instead."""
    toolchain.refuses = PermanentError("device_unavailable", "the driver is too old")

    with pytest.raises(PermanentError, match="device_unavailable"):
        await finish(trainer, JOB)
    await flushed(platform, ledger)

    assert toolchain.trained == []
    assert not await told(DatasetFormed, TrainingStarted)


@pytest.mark.usefixtures("stocked")
async def test_a_model_carries_the_thresholds_of_the_validation_side(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """By class name, between its 0.9 and nothing; the test side only has its figures taken."""
    await finish(trainer, JOB)
    await flushed(platform, ledger)

    (formed,), (model,) = await told(DatasetFormed), await told(ModelTrained)
    assert model.thresholds == {"car": 0.47, "truck": 0.47}
    assert model.metrics.pictures == formed.counts.test


@pytest.mark.usefixtures("stocked")
async def test_a_better_model_becomes_the_champion(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, toolchain: Any, told: Call
) -> None:
    """From finding nothing to finding everything is a promotion, although the test side has few scenes."""
    toolchain.skill = 0.0
    await finish(trainer, JOB)
    toolchain.skill = 1.0
    await finish(trainer, Job("trainings", "job-2", "{}", 1))
    await flushed(platform, ledger)

    first, second = await told(ModelTrained)
    assert second.lineage.parent_model_id == first.model_id


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("not json", "training_request_invalid"),
        ('{"overrides": {"epochs": 0}}', "training_request_invalid"),
        ('{"overrides": {"weights": "nowhere.pt"}}', "weights_missing"),
        (json.dumps({"dataset_id": "0" * 64}), "dataset_missing"),
        ("{}", "dataset_empty"),
    ],
)
async def test_a_request_that_cannot_be_met_fails_with_its_code(
    *, platform: Platform, trainer: Trainer, ledger: Ledger, told: Call, body: str, code: str
) -> None:
    """The failure is an event of the same run id, and nothing else was told."""
    job = Job("trainings", "bad", body, 1)
    with pytest.raises(PermanentError) as caught:
        await trainer.run(job)
    await ledger.transact(
        lambda connection: ledger.emit(connection, trainer.failed(connection, job, caught.value))
    )
    await flushed(platform, ledger)

    assert caught.value.code == code
    assert [each.code for each in await told(TrainingFailed)] == [code]
    assert not await told(DatasetFormed, TrainingStarted)


@pytest.mark.usefixtures("stocked")
async def test_a_dataset_whose_certificate_is_wrong_is_refused(
    *, trainer: Trainer, ledger: Ledger, toolchain: Any, platform: Platform, told: Call
) -> None:
    """A named dataset is proven again before anything is trained on it."""
    await finish(trainer, JOB)
    await flushed(platform, ledger)
    (formed,) = await told(DatasetFormed)
    empty = await platform.blobs.put(b"{}", "application/json")
    forged = formed.model_copy(update={"certificate": empty}).model_dump(mode="json")
    datasets = METADATA.tables["datasets"]
    await ledger.transact(lambda connection: connection.execute(datasets.update().values(event=forged)))
    body = json.dumps({"dataset_id": formed.dataset_id})

    with pytest.raises(PermanentError) as caught:
        await trainer.run(Job("trainings", "again", body, 1))

    assert caught.value.code == "dataset_leaks"
    assert len(toolchain.trained) == 1


@pytest.mark.usefixtures("stocked")
async def test_the_budget_of_pictures_bounds_the_epochs(*, trainer: Trainer, toolchain: Any) -> None:
    """100 picture passes over some 50 train files are 2 epochs; never more than ``epochs``, never fewer than one."""
    for number, (passes, epochs) in enumerate([(100, 30), (100_000, 3), (1, 3)]):
        body = json.dumps({"overrides": {"picture_passes": passes, "epochs": epochs}})
        await finish(trainer, Job("trainings", f"budget-{number}", body, 1))

    assert [parameters.epochs for _, parameters in toolchain.trained] == [2, 3, 1]


async def test_the_service_trains_by_itself_once_enough_pictures_are_in(
    *,
    platform: Platform,
    settings: TrainerSettings,
    toolchain: Any,
    publish: Callable[..., Awaitable[None]],
    store_blobs: Call,
    image_saved: Call,
    batch_augmented: Call,
    told: Call,
) -> None:
    """Through the real consumers, schedule and job worker: 24 new pictures, one training, and no second one."""
    await store_blobs(NAMES)
    events = [image_saved(name, number // 2) for number, name in enumerate(NAMES)]
    await publish(*events, *map(batch_augmented, NAMES))
    auto = settings.model_copy(update={"min_new_pictures": 24, "quiet_s": 0.0})
    async with platform.open_ledger("trainer", METADATA) as ledger:
        serving = asyncio.create_task(serve(platform, auto, ledger, toolchain))
        async with asyncio.timeout(20):
            await until_told(told, ModelTrained)
        await asyncio.sleep(1.2)
        platform.stopping.set()
        await serving

    assert len(await told(TrainingStarted)) == len(await told(ModelTrained)) == 1


async def test_a_failing_toolchain_ends_in_one_failure(
    *,
    platform: Platform,
    settings: TrainerSettings,
    toolchain: Any,
    publish: Callable[..., Awaitable[None]],
    store_blobs: Call,
    image_saved: Call,
    batch_augmented: Call,
    told: Call,
) -> None:
    """A permanent error of the toolchain is told with its code, and the worker takes the next job."""
    await store_blobs(NAMES)
    events = [image_saved(name, number // 2) for number, name in enumerate(NAMES)]
    await publish(*events, *map(batch_augmented, NAMES))
    toolchain.error = PermanentError("diverged", "the loss became NaN in epoch 1")
    patient = settings.model_copy(update={"min_new_pictures": 0, "augmentation_wait_s": 5.0})
    async with platform.open_ledger("trainer", METADATA) as ledger:
        serving = asyncio.create_task(serve(platform, patient, ledger, toolchain))
        await asyncio.sleep(0.5)
        await platform.jobs.put("trainings", "one", "{}")
        async with asyncio.timeout(20):
            await until_told(told, TrainingFailed)
            toolchain.error = None
            await platform.jobs.put("trainings", "two", "{}")
            await until_told(told, ModelTrained)
        platform.stopping.set()
        await serving

    assert [(each.code, each.message) for each in await told(TrainingFailed)] == [
        ("diverged", "the loss became NaN in epoch 1")
    ]


def test_long_curves_are_thinned_to_what_an_event_holds() -> None:
    """First and last stay, the rest is spread evenly."""
    points = [EpochMetrics(epoch=epoch, epochs=999, metrics={}, loss={}, seconds=1) for epoch in range(1000)]

    assert [point.epoch for point in thinned(points, 5)] == [0, 250, 500, 749, 999]
    assert thinned(points[:5], 5) == points[:5]


async def test_old_working_folders_go_when_their_run_is_over(
    *, trainer: Trainer, stocked: None, tmp_path: Path
) -> None:
    """Optimizer states are large, and the model is in the blob store: a folder goes with its run, or at the next start."""
    await finish(trainer, JOB)
    assert list((tmp_path / "training").iterdir()) == []
    left = trainer._workdir(run_id_of(JOB.job_id, JOB.body))
    left.mkdir()  # as if the process had been killed just before it removed it

    await trainer.sweep()

    assert not left.exists()
