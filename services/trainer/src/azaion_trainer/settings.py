"""Everything configurable about the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.runtime.settings import ServiceSettings
from azaion_trainer.classes import ClassSpace


class TrainerSettings(ServiceSettings):
    """Section ``trainer`` of ``azaion.yaml``, or ``AZAION_TRAINER__…``."""

    model_config = SettingsConfigDict(env_prefix="AZAION_TRAINER__")

    min_new_pictures: int = Field(default=100, ge=0)
    """Train by itself when so many pictures are new or changed since the last dataset; 0: only when asked."""
    quiet_s: float = Field(default=60.0, ge=0)
    """... and none has come for so long."""
    augmentation_wait_s: float = Field(default=300.0, ge=0)
    """How long a training waits for pictures that are not augmented yet, before it leaves them out."""

    class_space: ClassSpace = "base"
    """``base``: the base classes that occur; ``slots``: all slots of the catalogue (class x condition)."""
    gap_s: float = Field(default=10.0, ge=0)
    """Pictures of one recording at most so far apart stay together. Fixed with the first dataset."""
    hash_distance: int = Field(default=12, ge=0, le=32)
    """Pictures whose hashes differ in at most so many of 64 bits stay together. Fixed with the first dataset."""

    epochs: int = Field(default=120, ge=1)
    picture_passes: int | None = Field(default=None, ge=1)
    """Budget: as many epochs (up to ``epochs``) as show about so many training images in all."""
    imgsz: int = Field(default=640, ge=32, multiple_of=32)
    batch: int = Field(default=16, ge=1)
    architecture: str = "yolo11n"
    weights: Path | None = None
    """Checkpoint to start from; relative paths start at the home. None: from scratch."""
    device: str = "auto"
    """``cpu``, ``auto`` or a GPU number."""
    seed: int = 0
    threads: int | None = Field(default=None, ge=1)
    overrides: dict[str, Any] = Field(default_factory=dict)
    """More training settings, as the toolchain knows them (``lr0``, ``mosaic``, ``patience``…)."""

    tolerance: float = Field(default=0.0, ge=0, le=1)
    """How far below zero the lower end of the interval of the difference to the champion may lie."""
