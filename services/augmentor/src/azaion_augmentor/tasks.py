"""What goes to a worker process and comes back. Light to import: the parent needs neither OpenCV nor albumentations."""

from __future__ import annotations

from dataclasses import dataclass

LARGE_PIXELS = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One picture to multiply.

    Attributes:
        recipe_json: the recipe, as ``Recipe.model_dump_json`` writes it.
        image: the stored bytes.
        picture_sha256: of ``image``.
        longer_side: of the picture, in pixels.
        shorter_side: of the picture, in pixels.
        usable: whether training can read ``image`` as it is, if it is small enough.
        slots: per box, the class id that training sees.
        boxes: ``cx cy w h`` each, relative to the picture.
        seed: the user's.
    """

    recipe_json: str
    image: bytes
    picture_sha256: str
    longer_side: int
    shorter_side: int
    usable: bool
    slots: tuple[int, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    seed: int

    @property
    def is_large(self) -> bool:
        """Takes so much memory that workers do not take several such at the same time."""
        return self.longer_side * self.shorter_side > LARGE_PIXELS


@dataclass(frozen=True, slots=True)
class Made:
    """The original or one variant: JPEG (None: the stored picture as it is), YOLO labels, number of boxes."""

    jpeg: bytes | None
    labels: bytes
    boxes: int
