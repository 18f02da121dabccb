"""The boxes that a model found in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Detections:
    """``n`` boxes, one array per property.

    Attributes:
        boxes: float32 (n, 4), ``x1, y1, x2, y2`` in pixels of the original picture.
        scores: float32 (n,), 0 to 1.
        class_ids: int64 (n,).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,) or self.class_ids.shape != (n,):
            shapes = (self.boxes.shape, self.scores.shape, self.class_ids.shape)
            raise ValueError(f"boxes (n, 4), scores (n,) and class ids (n,) do not fit together: {shapes}")

    @classmethod
    def empty(cls) -> Self:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    @classmethod
    def from_rows(cls, rows: NDArray[np.float32]) -> Self:
        """Take (n, 6) rows of ``x1, y1, x2, y2, score, class id``, as models return them."""
        return cls(
            np.ascontiguousarray(rows[:, :4], np.float32),
            np.ascontiguousarray(rows[:, 4], np.float32),
            rows[:, 5].astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Keep the boxes that a mask (n,) or an index array names, in its order."""
        return type(self)(self.boxes[which], self.scores[which], self.class_ids[which])
