"""How the demo trains: settings that make something worth looking at out of minutes on a CPU. Pure.

The figures behind the numbers are in ``toolchains/ultralytics/README.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

LARGE_PICTURE_PX = 1000
"""From this median width on, objects are small against the picture and training needs a larger input."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Values of the trainer's settings. ``picture_passes`` bounds the work: epochs follow from it."""

    imgsz: int
    batch: int
    epochs: int
    picture_passes: int
    overrides: dict[str, object] = field(default_factory=dict)

    def trainer_settings(self) -> dict[str, object]:
        return {
            "imgsz": self.imgsz,
            "batch": self.batch,
            "epochs": self.epochs,
            "picture_passes": self.picture_passes,
            "overrides": self.overrides,
        }


# The variants are flipped, turned and recoloured already: the toolchain's own augmentation would only make them harder.
# Small steps of AdamW and a schedule that falls within each epoch get the most out of a few hundred steps.
_SHORT: dict[str, object] = {
    "optimizer": "AdamW", "warmup_epochs": 0.5, "mosaic": 0.0, "translate": 0.05, "scale": 0.1, "hsv_h": 0.0, "hsv_s": 0.2,
    "hsv_v": 0.2, "cache": "ram",
}  # fmt: skip


def recipe_for(widths: list[int], *, pretrained: bool) -> Recipe:
    """The recipe for pictures of these ``widths`` (px), from given weights or from scratch."""
    if not pretrained:
        return Recipe(
            imgsz=320,
            batch=16,
            epochs=100,
            picture_passes=7500,
            overrides={**_SHORT, "lr0": 0.002, "nbs": 16, "epoch_pictures": 500},
        )
    if median(widths) >= LARGE_PICTURE_PX:
        return Recipe(
            imgsz=640,
            batch=8,
            epochs=100,
            picture_passes=1600,
            overrides={**_SHORT, "lr0": 0.001, "nbs": 8, "epoch_pictures": 200},
        )
    return Recipe(
        imgsz=320,
        batch=16,
        epochs=100,
        picture_passes=3000,
        overrides={**_SHORT, "lr0": 0.001, "nbs": 16, "epoch_pictures": 500},
    )
