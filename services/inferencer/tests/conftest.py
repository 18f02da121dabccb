"""Numbered frames: a picture's colour spells its number, and a fake model reads it back as the class it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Self, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_common.errors import PermanentError
from azaion_inferencer.model_slot import LoadedModel
from azaion_inferencer.ports import Dropped, Frame, FrameSource, Image, Shown

BOX = (10.0, 5.0, 30.0, 15.0)


def numbered_image(number: int, size: tuple[int, int] = (24, 40)) -> Image:
    return np.full((*size, 3), (number % 256, number // 256, 9), np.uint8)


@dataclass
class NumberReader:
    """A model that finds one box per picture, whose class is the picture's number."""

    input_size: tuple[int, int] = (24, 40)
    batch_size: int = 4
    names: dict[int, str] = field(
        default_factory=lambda: {n: str(n) for n in range(1 << 16)} | {0: "zero", 1: "one"}
    )

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        middle = batch[:, :, self.input_size[0] // 2, self.input_size[1] // 2] * 255
        numbers = middle[:, 2].round() + 256 * middle[:, 1].round()
        return [np.array([[*BOX, 0.5, number]], np.float32) for number in numbers]


@dataclass
class NumberedSource:
    """``count`` frames; ``before(number)`` runs before each, ``broken`` ones cannot be decoded."""

    count: int
    broken: frozenset[int] = frozenset()
    before: Callable[[int], object] = lambda _: None
    live: bool = False
    rate: float = 25.0
    stopped: bool = False

    @property
    def total(self) -> int | None:
        return self.count

    def frames(self) -> Iterator[Frame | Dropped]:
        for number in range(self.count):
            if self.stopped:
                return
            self.before(number)
            yield Frame(number, number / self.rate, self._decoder(number))

    def stop(self) -> None:
        self.stopped = True

    def _decoder(self, number: int) -> Callable[[], Image]:
        return partial(_undecodable) if number in self.broken else partial(numbered_image, number)


def _undecodable() -> Image:
    raise PermanentError("frame_undecodable", "broken on purpose")


@dataclass
class Recorder:
    """A sink that keeps what it is given; ``before(shown)`` may be slow, or fail."""

    every_frame: bool = False
    before: Callable[[Shown], object] = lambda _: None
    shown: list[Shown] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def write(self, shown: Shown) -> None:
        self.before(shown)
        self.shown.append(shown)

    @property
    def numbers(self) -> list[int]:
        return [shown.frame.number for shown in self.shown]


@dataclass(frozen=True)
class Kit:
    """What the tests build with."""

    source: type[NumberedSource] = NumberedSource
    model: type[NumberReader] = NumberReader
    recorder: type[Recorder] = Recorder

    @staticmethod
    def loaded(model_id: str = "a" * 16, **kwargs: object) -> LoadedModel:
        return LoadedModel(model_id, NumberReader(**kwargs))  # type: ignore[arg-type]

    @staticmethod
    def film(
        path: Path,
        count: int = 50,
        size: tuple[int, int] = (48, 64),
        *,
        codec: str = "h264",
        starts_at_s: int = 0,
        images: Callable[[int], Image] | None = None,
        matrix: tuple[int, ...] | None = None,
    ) -> Path:
        """Write a video of ``count`` numbered frames, 25 a second, a key frame every ten.

        ``matrix`` is a display matrix: a, b, c, d of where a pixel goes.
        """
        with av.open(str(path), "w") as container:
            options = {} if codec == "mjpeg" else {"g": "10", "bf": "2"}
            stream = cast("av.VideoStream", container.add_stream(codec, rate=25, options=options))
            stream.height, stream.width = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if matrix is not None:
                a, b, c, d = (entry * 65536 for entry in matrix)
                stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
            for number in range(count):
                image = images(number) if images else np.full((*size, 3), number * 5 % 256, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = number + starts_at_s * 25, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    @staticmethod
    def as_source(source: object) -> FrameSource:
        return source  # type: ignore[return-value]


@pytest.fixture
def kit() -> Kit:
    return Kit()
