"""Outputs: what is in them, and that what was found stays, however a run ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from azaion_common.core.errors import PermanentError, TransientError
from azaion_inferencer.adapters.annotated_pictures import AnnotatedPictures
from azaion_inferencer.adapters.annotated_video import AnnotatedVideo
from azaion_inferencer.adapters.film import _ENCODERS
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.line_file import LineFile
from azaion_inferencer.adapters.video_file import VideoFile
from azaion_inferencer.adapters.window import Window
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import Frame, Shown, Sink
from azaion_vision.detections import Detections

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
    write(JsonLines(LineFile.fresh(tmp_path / "out.jsonl")), shown(5), shown(6, name="a.jpg"))

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
def test_what_was_written_stays_however_the_run_ends(
    kind: str, error: BaseException | None, tmp_path: Path
) -> None:
    """From the first frame on there is a file under the final name; an error leaves it whole, and nothing beside it."""
    path = tmp_path / "new" / kind
    sinks: dict[str, Any] = {
        "out.jsonl": lambda: JsonLines(LineFile.fresh(path)),
        "out.mp4": lambda: AnnotatedVideo(path, lambda: 25),
        "out": lambda: AnnotatedPictures(path),
    }

    with suppress(RuntimeError, KeyboardInterrupt):
        write(sinks[kind](), shown(0), shown(1), error=error)

    assert [entry.name for entry in path.parent.iterdir()] == [kind]
    counts = {
        "out.jsonl": lambda: len(path.read_text().splitlines()),
        "out.mp4": lambda: sum(1 for _ in av.open(str(path)).decode(video=0)),
        "out": lambda: len(list(path.iterdir())),
    }
    assert counts[kind]() == 2


def test_a_line_can_be_read_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Who reads along sees each line at once, under the file's own name, and nothing hidden beside it."""
    path = tmp_path / "out.jsonl"
    with JsonLines(LineFile.fresh(path)) as sink:
        for number in range(3):
            sink.write(shown(number))

            assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == list(
                range(number + 1)
            )
            assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["out.jsonl", "out.mp4"])
def test_a_former_result_stays_until_the_new_one_begins(kind: str, tmp_path: Path) -> None:
    """A run that fails before its first frame leaves the file of the run before it; the first frame replaces it."""
    path = tmp_path / kind
    path.write_text("former")
    make: dict[str, Any] = {
        "out.jsonl": lambda: JsonLines(LineFile.fresh(path)),
        "out.mp4": lambda: AnnotatedVideo(path, lambda: 25),
    }

    with pytest.raises(RuntimeError):
        write(make[kind](), error=RuntimeError())
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]
    write(make[kind](), shown())

    assert not path.read_bytes().startswith(b"former")


def test_a_place_that_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A pipe is written into, as a reader at its other end expects; a folder is refused."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    write(JsonLines(LineFile.fresh(pipe)), shown(7))

    assert json.loads(os.read(reader, 10_000))["frame"] == 7
    assert pipe.is_fifo()
    with pytest.raises(PermanentError):
        LineFile.fresh(tmp_path)
    with pytest.raises(PermanentError):
        AnnotatedVideo(pipe, lambda: 25)


def test_the_film_has_every_frame_and_browsers_play_it(kit: Kit, tmp_path: Path) -> None:
    """h264, yuv420p, index in front, the source's times, and as many frames as the source."""
    path = tmp_path / "out.mp4"

    with ModelSlot(kit.loaded()) as slot, AnnotatedVideo(path, lambda: 25) as sink:
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

    write(AnnotatedVideo(path, lambda: 1), shown(0, size), shown(1, (10, 100)), shown(2, (100, 10)))

    frames = list(av.open(str(path)).decode(video=0))
    assert [(frame.height, frame.width) for frame in frames] == [(size[0] // 2 * 2, 40)] * 3


def test_a_film_starts_at_nought(tmp_path: Path) -> None:
    """A recording whose clock stood at ten hours, or a camera that came late, makes a film that starts at once."""
    write(AnnotatedVideo(tmp_path / "out.mp4", lambda: 25), *[shown(900_000 + n) for n in range(5)])

    times = [frame.time for frame in av.open(str(tmp_path / "out.mp4")).decode(video=0)]
    assert times == pytest.approx([n / 25 for n in range(5)], abs=1e-4)


KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from azaion_inferencer.adapters.film import Film
image = np.full((24, 40, 3), 90, np.uint8)
film = Film(Path(sys.argv[1]), image, 25)
for number in range(100):
    film.write(image, 36_000 + number / 25)
os.kill(os.getpid(), 9)
"""


def test_a_killed_film_can_be_played_up_to_its_last_second(tmp_path: Path) -> None:
    """Nobody ends the film, and all but what was in the last fragment is there, as a source for another run too."""
    path = tmp_path / "out.mp4"

    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)

    assert sum(1 for _ in VideoFile(path).frames()) >= 75
    with av.open(str(path)) as film:
        assert next(film.decode(video=0)).time == 0


def test_a_film_on_a_full_disk_can_be_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room in the middle is a typed error, and no room for the copy with its index in front is none at all."""
    path, told = tmp_path / "out.mp4", list[str]()

    def no_room(*_: object) -> None:
        raise TransientError("disk_full", "full on purpose")

    monkeypatch.setattr("azaion_inferencer.adapters.annotated_video.index_in_front", no_room)
    write(AnnotatedVideo(path, lambda: 25, lambda code, _: told.append(code)), *map(shown, range(5)))

    assert sum(1 for _ in av.open(str(path)).decode(video=0)) == 5
    assert told == ["film.index_behind"]


def test_without_a_gpl_encoder_there_is_still_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An FFmpeg without x264 encodes with what it has."""
    monkeypatch.setattr(
        "azaion_inferencer.adapters.film._ENCODERS",
        {
            "libx264-that-is-missing": {},
            **{name: options for name, options in _ENCODERS.items() if name != "libx264"},
        },
    )

    write(AnnotatedVideo(tmp_path / "out.mp4", lambda: 25), *map(shown, range(5)))

    with av.open(str(tmp_path / "out.mp4")) as film:
        assert film.streams.video[0].codec_context.name != "h264"
        assert sum(1 for _ in film.decode(video=0)) == 5


def test_frames_of_the_same_instant_still_make_a_film(tmp_path: Path) -> None:
    """Times of a live source may stand still; the film's do not."""
    write(AnnotatedVideo(tmp_path / "out.mp4", lambda: 25), *[shown(0) for _ in range(5)])

    assert sum(1 for _ in av.open(str(tmp_path / "out.mp4")).decode(video=0)) == 5


def test_a_film_without_frames_is_an_error(tmp_path: Path) -> None:
    """There is no empty video file."""
    with pytest.raises(PermanentError) as refused:
        write(AnnotatedVideo(tmp_path / "out.mp4", lambda: 25))

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
        LineFile.fresh(tmp_path / "file" / "out.jsonl")


def test_a_window_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pygame-ce the error names the package of that name, and none that anybody could register."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(PermanentError) as refused:
        Window("title", stop=None)  # type: ignore[arg-type]

    assert refused.value.code == "window_unavailable"
    assert "pip install pygame-ce" in (refused.value.hint or "")
