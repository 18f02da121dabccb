"""What every importer yields: pictures with boxes in one form, and the files that could not be used, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceBox:
    """One object: class by name, centre form, relative to the picture (0-1). Not checked yet."""

    class_name: str
    cx: float
    cy: float
    w: float
    h: float

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        return self.cx, self.cy, self.w, self.h


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture and its labels as the folder gives them.

    ``path`` is None when the labels name a file outside the folder, which is never read. Labels that cannot be
    parsed are in ``unreadable_labels``, as they stand: nothing is dropped on the way to quarantine.
    """

    name: str
    path: Path | None
    boxes: tuple[SourceBox, ...] = ()
    unreadable_labels: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be used, and why."""

    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A labelled folder, read. ``class_names`` in the order of the folder's own class numbers."""

    format: str
    class_names: tuple[str, ...]
    pictures: tuple[SourcePicture, ...]
    problems: tuple[Problem, ...]


def box_from_corners(
    class_name: str, corners: tuple[float, float, float, float], width: float, height: float
) -> SourceBox:
    """From x1, y1, x2, y2 in pixels. Without a size the numbers stay pixels, which no check will accept as relative."""
    x1, y1, x2, y2 = corners
    width, height = (width, height) if width > 0 and height > 0 else (1.0, 1.0)
    return SourceBox(
        class_name,
        (x1 + x2) / 2 / width,
        (y1 + y2) / 2 / height,
        (x2 - x1) / width,
        (y2 - y1) / height,
    )
