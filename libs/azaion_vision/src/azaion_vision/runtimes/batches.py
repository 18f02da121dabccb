"""The shape of a batch: what a graph fixes, and how a short batch is brought to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError

_DIMENSIONS = 4


def static(shape: Sequence[int | str | None]) -> tuple[int | None, ...]:
    """Keep the dimensions that are numbers; a symbol becomes None.

    Raises:
        PermanentError: ``model_unsupported`` unless there are four (batch, channel, height, width).
    """
    if len(shape) != _DIMENSIONS:
        raise PermanentError(
            "model_unsupported", f"the model does not take pictures: its input is {list(shape)}"
        )
    return tuple(size if isinstance(size, int) else None for size in shape)


def padded(batch: NDArray[np.float32], fixed: int | None, largest: int) -> NDArray[np.float32]:
    """Fill a (b, 3, h, w) batch up to the ``fixed`` size with zeros, where the graph fixes one.

    Raises:
        ValueError: if there are more than ``largest`` pictures.
    """
    if len(batch) > largest:
        raise ValueError(f"the model takes {largest} pictures at once, not {len(batch)}")
    if fixed is None or len(batch) == fixed:
        return np.ascontiguousarray(batch)
    return np.concatenate((batch, np.zeros((fixed - len(batch), *batch.shape[1:]), np.float32)))
