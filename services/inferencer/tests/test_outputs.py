"""Outputs: what is in them, and that they are there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from azaion_common.detection.detections import Detections
from azaion_common.errors import PermanentError, TransientError
from azaion_inferencer.adapters.annotated_pictures import AnnotatedPictures
from azaion_inferencer.adapters.annotated_video import AnnotatedVideo
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.window import Window
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import Frame, Shown, Sink

Kit = Any


def shown(number: int = 0, size: tuple[int, int] = (24, 40), name: str | None = None) -> Shown:
    image = np.full((*size, 3), number % 256, np.uint8)
    found = Detections.from_rows(np.array([[1.234, 2, 3, 4.5, 0.75, 1]], np.float32))
    frame = Frame(number, number / 25, lambda: image, name)
    return Shown(frame, found, "a" * 16, {1: "car"}, inferred=True, picture=image)


def write(sink: Sink, *items: Shown, error: BaseException | None = None) -> None:
    with sink:
        for item in items:
            sink.write(item)
        if error is not None:
            raise error


def test_a_line_says_frame_time_model_and_boxes(tmp_path: Path) -> None:
    """One JSON object a line, with class name and id, confidence and box in pixels."""
    write(JsonLines(tmp_path / "out.jsonl"), shown(5), shown(6, name="a.jpg"))

    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first == {
        "frame": 5,
        "time_s": 0.2,
        "model_id": "a" * 16,
        "detections": [{"class": "car", "class_id": 1, "confidence": 0.75, "box": [1.23, 2.0, 3.0, 4.5]}],
    }
    assert second["image"] == "a.jpg"


@pytest.mark.parametrize("error", [None, RuntimeError("torn"), KeyboardInterrupt()])
@pytest.mark.parametrize("kind", ["out.jsonl", "out.mp4", "out"])
def test_an_output_appears_whole_or_not_at_all(
    kind: str, error: BaseException | None, tmp_path: Path
) -> None:
    """While a run lasts nothing has the final name; after an error nothing is left, not even a temporary file."""
    path = tmp_path / "new" / kind
    sinks: dict[str, Any] = {
        "out.jsonl": lambda: JsonLines(path),
        "out.mp4": lambda: AnnotatedVideo(path, 25),
        "out": lambda: AnnotatedPictures(path),
    }
    sink = sinks[kind]()
    assert not path.exists()

    try:
        write(sink, shown(0), shown(1), error=error)
    except (RuntimeError, KeyboardInterrupt) as raised:
        assert raised is error  # noqa: PT017 - both kinds in one test

    assert [entry.name for entry in path.parent.iterdir()] == ([kind] if error is None else [])


def test_a_former_result_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """A run that fails leaves the file of the run before it."""
    path = tmp_path / "out.jsonl"
    path.write_text("former")

    with pytest.raises(RuntimeError):
        write(JsonLines(path), shown(), error=RuntimeError())

    assert path.read_text() == "former"


def test_the_film_has_every_frame_and_browsers_play_it(kit: Kit, tmp_path: Path) -> None:
    """h264, yuv420p, index in front, the source's times, and as many frames as the source."""
    path = tmp_path / "out.mp4"

    with ModelSlot(kit.loaded()) as slot, AnnotatedVideo(path, 25) as sink:
        run(kit.source(30), slot, [sink], every=4)

    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
        codec = film.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 40, 24)
        assert film.streams.video[0].average_rate == 25
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(30)], abs=1e-4)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("size", [(25, 41), (24, 41), (50, 41)])
def test_odd_and_changing_sizes_fit_the_film(size: tuple[int, int], tmp_path: Path) -> None:
    """h264 needs even sizes, and pictures of a folder differ: the film has the first one's size, made even."""
    path = tmp_path / "out.mp4"

    write(AnnotatedVideo(path, 1), shown(0, size), shown(1, (10, 100)), shown(2, (100, 10)))

    frames = list(av.open(str(path)).decode(video=0))
    assert [(frame.height, frame.width) for frame in frames] == [(size[0] // 2 * 2, 40)] * 3


def test_frames_of_the_same_instant_still_make_a_film(tmp_path: Path) -> None:
    """Times of a live source may stand still; the film's do not."""
    write(AnnotatedVideo(tmp_path / "out.mp4", 25), *[shown(0) for _ in range(5)])

    assert sum(1 for _ in av.open(str(tmp_path / "out.mp4")).decode(video=0)) == 5


def test_a_film_without_frames_is_an_error(tmp_path: Path) -> None:
    """There is no empty video file."""
    with pytest.raises(PermanentError) as refused:
        write(AnnotatedVideo(tmp_path / "out.mp4", 25))

    assert refused.value.code == "video_empty"
    assert not list(tmp_path.iterdir())


def test_pictures_keep_their_names(tmp_path: Path) -> None:
    """One JPEG per inferred picture, under its name; two pictures with one stem are two files."""
    write(AnnotatedPictures(tmp_path / "out"), shown(0, name="a.png"), shown(1, name="a.bmp"), shown(2))

    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a-1.jpg", "a.jpg", "frame-000002.jpg"]
    image = cv2.imread(str(tmp_path / "out" / "a.jpg"))
    assert image is not None
    assert image.shape == (24, 40, 3)


def test_a_folder_with_something_in_it_is_not_replaced(tmp_path: Path) -> None:
    """Annotated pictures never overwrite a folder of the user's."""
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(PermanentError) as refused:
        AnnotatedPictures(tmp_path)

    assert refused.value.code == "output_exists"


def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    """An output below a file cannot be made: that is said at once."""
    (tmp_path / "file").write_text("")

    with pytest.raises((PermanentError, TransientError)):
        JsonLines(tmp_path / "file" / "out.jsonl")


def test_a_window_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pygame-ce the error names the extra that brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(PermanentError) as refused:
        Window("title", stop=None)  # type: ignore[arg-type]

    assert refused.value.code == "window_unavailable"
    assert "azaion-inferencer[window]" in (refused.value.hint or "")
