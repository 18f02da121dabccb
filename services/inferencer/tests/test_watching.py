"""The service at its source: for ever, whatever happens, and with everything that it found in its results."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError, TransientError
from azaion_inferencer import watching
from azaion_inferencer.adapters.line_series import LineSeries
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.ports import Dropped, Frame, FrameSource
from azaion_inferencer.settings import InferencerSettings

Kit = Any


def frames_in(home: Path) -> list[int]:
    paths = sorted((home / "results").iterdir())
    return [json.loads(line)["frame"] for path in paths for line in path.read_text().splitlines()]


@pytest.fixture
def settings(tmp_path: Path) -> InferencerSettings:
    return InferencerSettings(device="gate/7", every=1, results_gzip=False)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LONGEST_PAUSE_S", 0.01)


def sources(*given: FrameSource) -> Any:
    """Each time that the source is opened the next one comes; after the last, that is it."""
    left = iter(given)

    def open_source(text: str, every: int, **_: object) -> tuple[FrameSource, int]:
        return next(left), every

    return open_source


async def watched(
    home: Path, settings: InferencerSettings, slot: ModelSlot, until: Event, source: str = "0"
) -> None:
    task = asyncio.create_task(watching.watch(home, settings, source, slot))
    await asyncio.to_thread(until.wait, 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_camera_that_fails_costs_nothing_and_is_opened_again(
    kit: Kit, settings: InferencerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends it, what was found before stays, and goes on in the same file, named after the device."""
    done = Event()

    def fail(number: int) -> None:
        if number == 5:
            raise TransientError("stream_unreachable", "gone")

    def end(number: int) -> None:
        if number == 9:
            done.set()

    opened = sources(kit.source(10, before=fail, live=True), kit.source(10, before=end, live=True), Silent())
    monkeypatch.setattr(watching, "open_source", opened)
    with ModelSlot(kit.loaded()) as slot:
        await watched(tmp_path, settings, slot, done)

    assert frames_in(tmp_path)[:14] == [*range(5), *range(9)]
    (path,) = (tmp_path / "results").iterdir()
    assert path.name.startswith("gate_7-")


class Silent:
    """A camera that says nothing until it is stopped."""

    live = True
    rate = 25.0
    total = None

    def __init__(self) -> None:
        self.looked_at = Event()
        self.stopped = Event()

    def frames(self) -> Iterator[Frame | Dropped]:
        self.looked_at.set()
        self.stopped.wait(30)
        time.sleep(0.05)  # whoever does not wait for the end is found out
        yield from ()

    def stop(self) -> None:
        self.stopped.set()


async def test_stopping_the_service_ends_a_silent_camera_and_closes_its_file(
    kit: Kit, settings: InferencerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start is not told that another process writes the results."""
    camera = Silent()
    monkeypatch.setattr(watching, "open_source", sources(camera))
    with ModelSlot(kit.loaded()) as slot:
        async with asyncio.timeout(10):
            await watched(tmp_path, settings, slot, camera.looked_at)

    assert camera.stopped.is_set()
    LineSeries(tmp_path / "results", "gate_7", settings.results_limits).close()


async def test_a_model_that_answers_wrongly_does_not_end_the_service(
    kit: Kit, settings: InferencerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers are not shown; with the next model the camera is looked at again."""
    done, wrong, right = Event(), kit.loaded("wrong"), kit.loaded("right")

    def infer(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        slot._current = right  # a newer release comes
        return [np.array([[1, 2, 3, 4, 0.9, 99_999]], np.float32) for _ in batch]

    wrong.model.infer = infer
    good = kit.source(10, before=lambda number: done.set() if number == 9 else None, live=True)
    monkeypatch.setattr(watching, "open_source", sources(kit.source(10, live=True), good, Silent()))
    with ModelSlot(wrong) as slot:
        await watched(tmp_path, settings, slot, done)

    assert frames_in(tmp_path)[:9] == list(range(9))


async def test_a_file_that_is_broken_is_an_error_of_the_service(
    kit: Kit, settings: InferencerSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with an end is not opened again; what was found before stays."""

    def fail(number: int) -> None:
        if number == 5:
            raise PermanentError("video_unreadable", "broken")

    monkeypatch.setattr(watching, "open_source", sources(kit.source(10, before=fail)))
    with ModelSlot(kit.loaded()) as slot, pytest.raises(PermanentError, match="broken"):
        await watching.watch(tmp_path, settings, "film.mp4", slot)

    assert frames_in(tmp_path) == list(range(5))


def test_the_bounds_of_the_results_are_settings() -> None:
    """In MiB and hours, as operators count."""
    limits = InferencerSettings(results_file_mib=1, results_file_hours=2, results_max_mib=3).results_limits

    assert (limits.file_bytes, limits.file_age_s, limits.series_bytes) == (1 << 20, 7200, 3 << 20)
