"""How the demo trains: settings that make something worth looking at out of minutes on a CPU. Pure.

The recipes and the measurements behind the numbers are in ``toolchains/ultralytics/README.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

TARGET_SIZE = 0.2
"""Relative size (root of the share of the picture) that small objects are scaled up to now and then: cameras differ."""
SCALE_LIMITS = (1.3, 8.0)
SMALL_OBJECTS = 2.0
"""From this enlargement on, objects are tiny against their picture."""

# Small steps of AdamW, and a schedule that falls within each epoch, get the most out of a few hundred steps. The
# variants are turned, sheared and recoloured already.
_SHORT: dict[str, object] = {"optimizer": "AdamW", "warmup_epochs": 0.5, "mosaic": 0.0, "cache": "ram"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Values of the trainer's settings. An epoch is ``epoch_pictures`` drawn at random."""

    imgsz: int
    batch: int
    epochs: int
    epoch_pictures: int
    overrides: dict[str, object] = field(default_factory=dict)
    confidence: float = 0.25
    """From which score on the video shows a box."""

    def trainer_settings(self) -> dict[str, object]:
        drawn = {"nbs": self.batch, "epoch_pictures": self.epoch_pictures}
        return {
            "imgsz": self.imgsz,
            "batch": self.batch,
            "epochs": self.epochs,
            "overrides": {**_SHORT, **drawn, **self.overrides},
        }


FROM_SCRATCH = Recipe(320, 8, 20, 320, {"lr0": 0.002, "scale": 0.3, "flipud": 0.5})
ORDINARY_OBJECTS = Recipe(320, 16, 6, 256, {"lr0": 0.001, "scale": 0.3})


def tiny_objects(enlargement: float) -> Recipe:
    """From given weights, whose idea of large objects is kept: frozen backbone, and enlargements in training."""
    changes: dict[str, object] = {
        "lr0": 0.001,
        "freeze": 11,
        "mosaic": 1.0,
        "close_mosaic": 0,
        "degrees": 90.0,
        "flipud": 0.5,
        "val_period": 0,
    }
    overrides = {**changes, "scale": [0.5, round(enlargement, 1)]}
    # Enlargements make a hard training; its scores stay low, and boxes on nothing were not seen at this one.
    return Recipe(512, 16, 14, 96, overrides, confidence=0.2)


def recipe_for(box_sizes: Sequence[float], *, pretrained: bool) -> Recipe:
    """The recipe for objects of these sizes (root of their share of the picture, 0-1), from weights or from scratch."""
    if not pretrained:
        return FROM_SCRATCH
    lowest, highest = SCALE_LIMITS
    enlargement = min(highest, max(lowest, TARGET_SIZE / median(box_sizes))) if box_sizes else lowest
    return tiny_objects(enlargement) if enlargement > SMALL_OBJECTS else ORDINARY_OBJECTS
