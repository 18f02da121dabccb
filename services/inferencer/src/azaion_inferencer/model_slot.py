"""The place where the serving model sits, and where a newer one is put without a pause.

A newer model is loaded and warmed in a thread while the old one serves. Whoever forms a batch asks for ``current``
once and carries the answer with the batch: so the switch falls between two frames, batches under way end with the
model they were prepared for (sizes may differ), and the old model goes when the last of them is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.errors import AzaionError, PermanentError
from azaion_vision.runtimes import Model


@dataclass(frozen=True)
class LoadedModel:
    """A model that can serve: warmed, with the name it was released under and the colours of its classes."""

    model_id: str
    model: Model
    colours: dict[int, str] = field(default_factory=dict)


def warmed(loaded: LoadedModel) -> LoadedModel:
    """Run the model on a grey picture, twice, so that its first real frame is neither slow nor a surprise.

    Raises:
        PermanentError: ``model_unusable`` when it fails, or gives numbers that are none; ``model_unsupported``.
    """
    return _run(loaded, [0.5])


def proven(loaded: LoadedModel) -> LoadedModel:
    """As ``warmed``, on pictures that are grey, black, white and noise: a model may fail on some only.

    Raises:
        PermanentError: ``model_unusable``, ``model_unsupported``.
    """
    return _run(loaded, [0.5, 0.0, 1.0, None])


def _run(loaded: LoadedModel, shades: Sequence[float | None]) -> LoadedModel:
    """Once on a batch of each shade, None standing for noise, and once more with what is read from the answer."""
    try:
        for shade in shades:
            batch = _pictures(loaded.model, shade)  # one at a time: a batch may be hundreds of megabytes
            _require_finite(loaded, loaded.model.raw(batch))
        loaded.model.infer(_pictures(loaded.model, shades[-1]))
    except (AzaionError, MemoryError):
        raise
    except Exception as error:  # runtimes have no common base class
        raise _unusable(loaded, str(error)) from error
    return loaded


def _pictures(model: Model, shade: float | None) -> NDArray[np.float32]:
    shape = (model.batch_size, 3, *model.input_size)
    if shade is None:
        return np.random.default_rng(0).random(shape, np.float32)
    return np.full(shape, shade, np.float32)


class ModelSlot:
    """Holds the serving model; use as a context manager, since loading has a thread."""

    def __init__(self, first: LoadedModel) -> None:
        self._current = first
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for what is being loaded, and load nothing more."""
        self._loader.shutdown()

    @property
    def current(self) -> LoadedModel:
        return self._current

    def replace(self, load: Callable[[], LoadedModel]) -> Future[LoadedModel]:
        """Load and switch to a model, after those asked for before; ``load`` gives it warmed.

        The future has the model once it serves, or the error for which the old one still does.
        """
        return self._loader.submit(self._replace, load)

    def _replace(self, load: Callable[[], LoadedModel]) -> LoadedModel:
        self._current = load()
        return self._current


def _require_finite(loaded: LoadedModel, answer: NDArray[np.float32]) -> None:
    if not np.isfinite(answer).all():
        raise _unusable(loaded, "its answers are not finite")


def _unusable(loaded: LoadedModel, reason: str) -> PermanentError:
    first_line = reason.splitlines()[0] if reason else "no reason given"
    return PermanentError("model_unusable", f"model {loaded.model_id} does not run: {first_line}")
