"""The service: where everything concrete is put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from azaion_common.contracts.events import Event, datasets, images
from azaion_common.contracts.jobs import TRAININGS
from azaion_common.core.errors import PermanentError
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.worker import JobWorker
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.service import Derived, Service
from azaion_common.platform.runtime.toolchains import ToolchainSettings
from azaion_common.platform.toolchain import Toolchain
from azaion_trainer.adapters.dataset_folder import HardLinkedFolders
from azaion_trainer.adapters.ultralytics import UltralyticsTraining
from azaion_trainer.asking import check_theirs
from azaion_trainer.forming import DatasetFormer
from azaion_trainer.gate import GateRules
from azaion_trainer.groups import GroupingRules
from azaion_trainer.handlers import PictureKeeper
from azaion_trainer.measuring import Bench
from azaion_trainer.parameters import TrainingWishes
from azaion_trainer.ports import TrainingToolchain
from azaion_trainer.schedule import ScheduleRules
from azaion_trainer.scheduling import Scheduler
from azaion_trainer.settings import TrainerSettings
from azaion_trainer.tables import METADATA, PICTURES, POSITIONS, VARIANTS
from azaion_trainer.training import Trainer

EMBEDDED_NICENESS = 5


async def run(platform: Platform) -> None:
    settings = TrainerSettings.load(platform.home, "trainer")
    command = ToolchainSettings.load(platform.home, "toolchains").ultralytics_command()
    toolchain = UltralyticsTraining(Toolchain(command), niceness(platform, settings))
    await check_overrides(toolchain, settings.overrides)
    async with platform.open_ledger("trainer", METADATA) as ledger:
        await serve(platform, settings, ledger, toolchain)


async def serve(
    platform: Platform, settings: TrainerSettings, ledger: Ledger, toolchain: TrainingToolchain
) -> None:
    """Consume, schedule and train until the platform stops."""
    trainer = make_trainer(platform, settings, ledger, toolchain)
    await trainer.sweep()
    scheduler = Scheduler(
        ledger=ledger,
        jobs=platform.jobs,
        rules=ScheduleRules(settings.min_new_pictures, settings.quiet_s),
        augmentation_wait_s=settings.augmentation_wait_s,
    )
    worker = JobWorker(
        jobs=platform.jobs, ledger=ledger, queue=TRAININGS, run=trainer.run, failed=trainer.failed
    )
    async with asyncio.TaskGroup() as group:
        for stream in (*platform.partitioning.streams(images.STREAM), datasets.STREAM):
            group.create_task(_consumer(platform, ledger, stream).run(platform.stopping))
        group.create_task(scheduler.run(platform.stopping))
        group.create_task(worker.run(platform.stopping))


async def check_overrides(toolchain: UltralyticsTraining, overrides: Mapping[str, Any]) -> None:
    """What no training takes is refused at the start, as every other setting is.

    Raises:
        PermanentError: ``settings_invalid``.
    """
    if not overrides:
        return
    try:
        check_theirs(overrides, await toolchain.check(overrides))
    except PermanentError as error:
        if error.code == "toolchain_missing":  # it may be installed before the first training
            return
        raise PermanentError(
            "settings_invalid", f"setting trainer.overrides: {error.message}", hint=error.hint
        ) from error


def make_trainer(
    platform: Platform, settings: TrainerSettings, ledger: Ledger, toolchain: TrainingToolchain
) -> Trainer:
    folders = HardLinkedFolders(platform.home / "datasets", platform.blobs, keep=settings.keep_datasets)
    former = DatasetFormer(
        ledger=ledger,
        blobs=platform.blobs,
        folders=folders,
        catalogue=platform.catalogue,
        rules=GroupingRules(settings.gap_s, settings.hash_distance),
        class_space=settings.class_space,
        augmentation_wait_s=settings.augmentation_wait_s,
    )
    return Trainer(
        ledger=ledger,
        blobs=platform.blobs,
        toolchain=toolchain,
        former=former,
        bench=Bench(toolchain, folders, platform.blobs),
        defaults=training_defaults(settings),
        tolerance=settings.tolerance,
        gate=GateRules(settings.min_map50, settings.min_test_groups, settings.few_test_groups),
        home=platform.home,
    )


def training_defaults(settings: TrainerSettings) -> TrainingWishes:
    return TrainingWishes.model_validate(
        {name: getattr(settings, name) for name in TrainingWishes.model_fields}
    )


def niceness(platform: Platform, settings: TrainerSettings) -> int:
    """Where everything shares one machine, a training is what can wait."""
    if settings.niceness is not None:
        return settings.niceness
    return EMBEDDED_NICENESS if platform.settings.jobs_url is None else 0


def _consumer(platform: Platform, ledger: Ledger, stream: str) -> Consumer[Event, None]:
    return Consumer(
        log=platform.log,
        ledger=ledger,
        blobs=platform.blobs,
        stream=stream,
        handler=PictureKeeper(platform.catalogue),
        decode=decode_event,
        accept_gaps=platform.settings.accept_gaps,
    )


SERVICE = Service(
    "trainer",
    "Forms leak-free datasets and trains detectors from them",
    run,
    Derived((PICTURES, VARIANTS, POSITIONS), ignored=(PICTURES.c.used_revision,)),
)
