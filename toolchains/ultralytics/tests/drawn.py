"""Draws a tiny dataset: bright squares and dark discs on grey."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIDE = 96


def draw_dataset(folder: Path, *, train: int = 16, others: int = 4) -> Path:
    """``folder``/data.yaml with train, val and test of pictures of 96x96, each with one to three objects."""
    random = np.random.default_rng(0)
    for side, count in (("train", train), ("val", others), ("test", others)):
        for kind in ("images", "labels"):
            (folder / kind / side).mkdir(parents=True)
        for number in range(count):
            picture, labels = _draw(random)
            cv2.imwrite(str(folder / "images" / side / f"{number}.png"), picture)
            (folder / "labels" / side / f"{number}.txt").write_text("\n".join(labels))
    sides = "".join(f"{side}: images/{side}\n" for side in ("train", "val", "test"))
    (folder / "data.yaml").write_text(f"path: .\n{sides}names:\n  0: square\n  1: disc\n")
    return folder / "data.yaml"


def _draw(random: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    labels = []
    for _ in range(random.integers(1, 4)):
        kind, radius = int(random.integers(0, 2)), int(random.integers(10, 18))
        x, y = (int(value) for value in random.integers(radius, SIDE - radius, 2))
        if kind:
            cv2.circle(picture, (x, y), radius, (20, 20, 20), -1)
        else:
            cv2.rectangle(picture, (x - radius, y - radius), (x + radius, y + radius), (240, 240, 240), -1)
        labels.append(f"{kind} {x / SIDE} {y / SIDE} {2 * radius / SIDE} {2 * radius / SIDE}")
    return picture, labels
