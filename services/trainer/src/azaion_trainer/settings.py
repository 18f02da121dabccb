"""Everything configurable about the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.platform.runtime.settings import ServiceSettings
from azaion_trainer.classes import ClassSpace
from azaion_trainer.parameters import DEVICE


class TrainerSettings(ServiceSettings):
    """Section ``trainer`` of ``azaion.yaml``, or ``AZAION_TRAINER__…``."""

    model_config = SettingsConfigDict(env_prefix="AZAION_TRAINER__")

    min_new_pictures: int = Field(default=100, ge=0)
    """Train by itself when so many pictures are new or changed since the last dataset; 0: only when asked."""
    quiet_s: float = Field(default=60.0, ge=0)
    """... and none has come for so long."""
    augmentation_wait_s: float = Field(default=300.0, ge=0)
    """How long a training waits for pictures that are not augmented yet, before it leaves them out."""

    keep_datasets: int = Field(default=3, ge=1)
    """Folders of datasets that are kept, the newest used ones; what only older ones have is freed by ``azaion gc``."""
    class_space: ClassSpace = "base"
    """``base``: the base classes that occur; ``slots``: all slots of the catalogue (class x condition)."""
    gap_s: float = Field(default=10.0, ge=0)
    """Pictures of one recording at most so far apart stay together. Fixed with the first dataset."""
    hash_distance: int = Field(default=12, ge=0, le=32)
    """Pictures whose hashes differ in at most so many of 64 bits stay together. Fixed with the first dataset."""

    epochs: int | None = Field(default=None, ge=1)
    """None: 120 on a GPU; on a CPU as many of these as fit into ``budget_hours``."""
    budget_hours: float | None = Field(default=None, gt=0, le=10_000, allow_inf_nan=False)
    """Hours that a training may take, by the speed measured before it: fewer epochs, or smaller ones, where they would
    take longer. None: one hour where ``epochs`` is not set and a CPU trains, else no limit."""
    picture_passes: int | None = Field(default=None, ge=1)
    """Budget: as many epochs (up to ``epochs``) as show about so many training images in all."""
    imgsz: int | None = Field(default=None, ge=32, le=4096, multiple_of=32)
    """Side of the square that pictures are fitted into, in pixels. None: 640 on a GPU, 320 on a CPU."""
    batch: int = Field(default=16, ge=1, le=4096)
    """Pictures per step."""
    architecture: str = Field(default="yolo11n", min_length=1)
    """A detector that the toolchain knows."""
    weights: Path | None = None
    """Checkpoint to start from; relative paths start at the home. None: from scratch."""
    device: str = Field(default="auto", pattern=DEVICE)
    """``cpu``, the number of a GPU, or ``auto``: the first GPU, else the CPU. A GPU that is there and cannot be used is
    an error, never a training on the CPU."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of everything that is drawn at random in a training."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Threads of a training on the CPU. None: one for each core."""
    niceness: int | None = Field(default=None, ge=0, le=19)
    """How far a training steps back behind everything else on the machine, from 0 to 19. None: 5 where all services
    share one home, 0 on servers."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """More training settings, as the toolchain knows them (``lr0``, ``mosaic``, ``patience``…)."""

    tolerance: float = Field(default=0.0, ge=0, le=1)
    """How far below zero the lower end of the interval of the difference to the champion may lie."""
    min_map50: float = Field(default=0.1, ge=0, le=1)
    """A model below this mAP50 on the test side is never promoted, not even the first one."""
    min_test_groups: int = Field(default=5, ge=1)
    """With fewer scenes (groups) on the test side, its figures are mostly luck: that is said before the training and in
    the verdict."""
    few_test_groups: Literal["warn", "refuse"] = "warn"
    """What else follows then: nothing, or no model of that dataset is promoted."""
