"""A device that works for ever, in a process to be killed: a camera that goes away, a disk that fills up.

``python -m faulttest.edge FOLDER RUN SEED`` prints ``RUN FRAME`` for each line that is safe from a power cut, after it
is. The camera's hour passes in no time; the disk is full for moments, sometimes in the middle of a line.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from azaion_common.core.logging import configure_logging
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.line_series import LineSeries
from azaion_inferencer.adapters.live_source import Decode, LiveSource, Patience, SourceLostError
from azaion_inferencer.adapters.newest import Newest
from azaion_inferencer.model_slot import LoadedModel, ModelSlot
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import Image
from azaion_inferencer.rotation import Limits

LIMITS = Limits(file_bytes=20_000, file_age_s=1e9, series_bytes=1 << 30)
HOUR_S = 3600.0
_PICTURE_S = 0.002
_FULL_SHARE = 0.02
_write = os.write


@dataclass
class Camera:
    """A connection that ends after some pictures."""

    count: int
    rate: float = 25.0

    def pictures(self) -> Iterator[Decode]:
        for _ in range(self.count):
            time.sleep(_PICTURE_S)
            yield picture


def picture() -> Image:
    return np.zeros((24, 40, 3), np.uint8)


@dataclass
class MovedClock:
    """Waiting takes no time."""

    at: float = 0.0
    gone_until: float = 0.0

    def now(self) -> float:
        return self.at

    def wait(self, stopped: Event, seconds: float) -> None:
        self.at += seconds


class OneBox:
    """A model that finds something in every picture."""

    input_size = (24, 40)
    batch_size = 4
    executed_by = "a test"
    names = {0: "car"}  # noqa: RUF012 - as Model has it

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(np.array([[[1, 2, 3, 4, 0.9, 0]]], np.float32), (len(batch), 1, 1))

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return list(self.raw(batch))


@dataclass
class Acknowledging:
    """Tells which frames are safe, once they are."""

    inner: LineSeries
    run: str
    frames: list[int] = field(default_factory=list)
    told: int = 0

    def append(self, line: bytes) -> None:
        self.inner.append(line)
        self.frames.append(json.loads(line)["frame"])

    def sync(self) -> None:
        self.inner.sync()
        safe = self.inner.synced
        sys.stdout.write("".join(f"{self.run} {frame}\n" for frame in self.frames[self.told : safe]))
        sys.stdout.flush()
        self.told = safe

    def close(self, *, whole: bool = True) -> None:
        self.sync()
        self.inner.close()


def fill_the_disk(chance: random.Random) -> None:
    """From now on a write fails now and then, at its start or in its middle, as on a full disk."""

    def full(descriptor: int, content: memoryview) -> int:
        if chance.random() > _FULL_SHARE:
            return _write(descriptor, content)
        if len(content) > 1 and chance.random() < 0.5:
            _write(descriptor, content[: chance.randrange(1, len(content))])
        raise OSError(28, "No space left on device")

    os.write = full  # type: ignore[assignment]


def main(folder: str, run_name: str, seed: str) -> None:
    configure_logging("error")  # stdout is for what is safe
    chance, clock = random.Random(seed), MovedClock()

    @contextmanager
    def connect() -> Iterator[Camera]:
        """After each connection the camera is away for an hour."""
        if clock.now() < clock.gone_until:
            raise SourceLostError("connection refused")
        yield Camera(chance.randrange(1, 40))
        clock.gone_until = clock.now() + HOUR_S

    camera = LiveSource("camera", connect, Patience(), clock=clock)
    output = Acknowledging(LineSeries(Path(folder), "edge", LIMITS), run_name)
    fill_the_disk(chance)
    with ModelSlot(LoadedModel(run_name, OneBox())) as slot, JsonLines(output, when_full="drop") as sink:
        run(Newest(camera, backlog=4), slot, [sink])


if __name__ == "__main__":
    main(*sys.argv[1:])
