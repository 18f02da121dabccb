"""Films and pictures of a source without an end: a bound on disk, and nothing written over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from azaion_common.core.errors import TransientError
from azaion_inferencer.adapters.annotated_pictures import AnnotatedPictures
from azaion_inferencer.adapters.film import Film
from azaion_inferencer.adapters.recording import Recording
from azaion_inferencer.ports import Frame, Shown
from azaion_inferencer.rotation import Limits
from azaion_vision.detections import Detections

HOUR = Limits(file_bytes=1 << 30, file_age_s=3600, series_bytes=1 << 34)


def shown(number: int, size: tuple[int, int] = (24, 40)) -> Shown:
    image = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    frame = Frame(number, 100 + number / 25, lambda: image, arrived_at=1_767_254_400.0 + number)
    return Shown(frame, Detections.empty(), "a" * 16, {}, inferred=True, picture=image)


def times(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        return [frame.time or 0.0 for frame in film.decode(video=0)]


def test_a_film_never_takes_the_place_of_one_that_cannot_be_had_again(tmp_path: Path) -> None:
    """A camera's command that starts again leaves the film of the run before it; each film starts at nought."""
    for _ in range(3):
        with Recording(tmp_path / "out.mp4", lambda: 25, HOUR) as sink:
            for number in range(5):
                sink.write(shown(number))

    films = sorted(tmp_path.iterdir())
    assert len(films) == 3
    assert {path.name for path in films} > {"out.mp4"}
    assert all(times(path) == pytest.approx([n / 25 for n in range(5)], abs=1e-4) for path in films)


def test_a_film_is_ended_every_hour_and_when_the_pictures_change_their_size(tmp_path: Path) -> None:
    """The next frame begins the next film; together they have every frame."""
    now = [0.0]
    with Recording(tmp_path / "out.mp4", lambda: 25, HOUR, clock=lambda: now[0]) as sink:
        for number in range(9):
            now[0] += 1300
            sink.write(shown(number, (24, 40) if number < 7 else (32, 40)))

    assert sum(len(times(path)) for path in tmp_path.iterdir()) == 9
    assert len(list(tmp_path.iterdir())) == 4


def test_films_stay_within_their_bound_and_the_oldest_go(tmp_path: Path) -> None:
    """What goes is told."""
    told: list[str] = []
    limits = Limits(file_bytes=10_000, file_age_s=3600, series_bytes=60_000)
    with Recording(tmp_path / "out.mp4", lambda: 25, limits, lambda code, _: told.append(code)) as sink:
        for number in range(300):
            sink.write(shown(number, (48, 64)))

    kept = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert 20_000 < kept <= 60_000 * 1.5  # a film is seen to be full once its second is written
    assert not (tmp_path / "out.mp4").exists()
    assert "film.oldest_deleted" in told


def test_a_full_disk_makes_a_gap_in_the_film_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told, counted, and tried again every ten seconds."""
    now, told, full = [0.0], list[str](), [False]

    def film(*arguments: Any) -> Any:
        if full[0]:
            raise TransientError("disk_full", "full on purpose")
        return Film(*arguments)

    monkeypatch.setattr("azaion_inferencer.adapters.recording.Film", film)
    with Recording(
        tmp_path / "out.mp4", lambda: 25, HOUR, lambda code, _: told.append(code), lambda: now[0]
    ) as sink:
        for number in range(90):
            full[0] = 10 <= number < 40
            now[0] += 3700 if number == 10 else 1
            sink.write(shown(number))

    assert told == ["output.stopped", "output.resumed"]
    assert sink.dropped == 30
    assert sink.written == 60
    assert sum(len(times(path)) for path in tmp_path.iterdir()) == 60


def test_pictures_of_a_camera_stay_within_their_bound(tmp_path: Path) -> None:
    """The folder may hold those of an earlier run; the oldest go, and names tell the time of day."""
    for start in (0, 20):
        with AnnotatedPictures(tmp_path, keep_bytes=20_000) as sink:
            for number in range(start, start + 20):
                sink.write(shown(number))

    names = sorted(path.name for path in tmp_path.iterdir())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    assert names[-1] == "20260101T080039.000000Z.jpg"
    assert 2 < len(names) < 40


def test_a_full_disk_stops_pictures_of_a_folder_and_not_those_of_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder it is an error; of a camera a picture that is dropped and told."""

    def no_room(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    told: list[str] = []
    live = AnnotatedPictures(tmp_path / "live", keep_bytes=1 << 20, tell=lambda code, _: told.append(code))
    folder = AnnotatedPictures(tmp_path / "folder")
    monkeypatch.setattr(Path, "write_bytes", no_room)

    with live:
        live.write(shown(0))
    with pytest.raises(TransientError), folder:
        folder.write(shown(0))

    assert told == ["output.stopped"]
    assert not (tmp_path / "folder").exists()
