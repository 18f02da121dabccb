"""Upright: a video with a display matrix is inferred, filmed and shown as a person holds it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from azaion_inferencer.adapters.annotated_video import AnnotatedVideo
from azaion_inferencer.adapters.network_stream import open_stream
from azaion_inferencer.adapters.orientation import UPRIGHT, Holding, Orientation
from azaion_inferencer.adapters.video_file import VideoFile
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import Image

pytestmark = pytest.mark.slow

Kit = Any
TURNS = {
    "upright": ((1, 0, 0, 1), lambda stored: stored),
    "turned right": ((0, 1, -1, 0), lambda stored: np.rot90(stored, -1)),
    "upside down": ((-1, 0, 0, -1), lambda stored: np.rot90(stored, 2)),
    "turned left": ((0, -1, 1, 0), lambda stored: np.rot90(stored, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda stored: stored[:, ::-1]),
    "flipped": ((1, 0, 0, -1), lambda stored: stored[::-1]),
    "transposed": ((0, 1, 1, 0), lambda stored: stored.transpose(1, 0, 2)),
    "transverse": ((0, -1, -1, 0), lambda stored: np.rot90(stored, 2).transpose(1, 0, 2)),
}
turns = pytest.mark.parametrize(("matrix", "held"), TURNS.values(), ids=TURNS.keys())


def corners() -> Image:
    """A picture of 64 x 48 pixels whose four quarters differ, so that all eight ways to hold it do."""
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32], stored[:24, 32:], stored[24:, :32], stored[24:, 32:] = 40, 110, 180, 250
    return stored


def alike(one: Image, other: Image) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) < 6


@turns
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_every_frame_is_upright_for_the_model_and_in_the_film(
    suffix: str, matrix: tuple[int, ...], held: Any, kit: Kit, tmp_path: Path
) -> None:
    """All eight turns and mirrors: the frames that are inferred, and those of the film, are as a player shows them."""
    path = kit.film(tmp_path / f"a{suffix}", count=12, images=lambda _: corners(), matrix=matrix)
    upright = held(corners())

    frames = [frame.decode() for frame in VideoFile(path).frames()]
    film = AnnotatedVideo(tmp_path / "out.mp4", lambda: 25)
    with ModelSlot(kit.loaded()) as slot, film:
        run(VideoFile(path), slot, [film], every=4)

    assert all(alike(frame, upright) for frame in frames)
    recorded = [frame.decode() for frame in VideoFile(tmp_path / "out.mp4").frames()]
    assert {frame.shape for frame in recorded} == {upright.shape}


@turns
def test_frames_of_a_live_source_are_upright_too(
    matrix: tuple[int, ...], held: Any, kit: Kit, tmp_path: Path
) -> None:
    """What comes over the network has the same words about how to hold it."""
    path = kit.film(tmp_path / "a.mp4", count=3, images=lambda _: corners(), matrix=matrix)
    with open_stream(str(path), 5) as stream:
        picture = next(stream.pictures())()

    assert alike(picture, held(corners()))


@pytest.mark.parametrize("matrix", [b"", b"\0" * 36, np.eye(3, dtype=np.int32).tobytes()])
def test_a_matrix_that_says_nothing_leaves_the_picture_alone(matrix: bytes) -> None:
    """No matrix, an empty one and one without meaning are no turn."""
    assert Orientation.of_matrix(matrix) == UPRIGHT


def test_pictures_are_released_as_they_are_used(kit: Kit, tmp_path: Path) -> None:
    """Asking how a picture is to be held does not keep it: memory stays flat without a garbage collection."""
    path = kit.film(tmp_path / "a.mp4", count=60, size=(720, 1280), codec="mpeg4", matrix=(0, 1, -1, 0))
    memory = psutil.Process().memory_info
    gc.collect()
    gc.disable()
    try:
        grown = [memory().rss for frame in VideoFile(path).frames() if frame.decode().shape == (1280, 720, 3)]
    finally:
        gc.enable()

    assert len(grown) == 60
    assert grown[-1] - grown[10] < 30_000_000


def test_a_turn_in_the_middle_is_followed(kit: Kit, tmp_path: Path) -> None:
    """What a stream says later counts from then on; a mirror that is no turn is seen at a key frame."""
    pictures = [
        next(av.open(str(kit.film(tmp_path / f"{name}.mp4", 1, matrix=matrix))).decode(video=0))
        for name, matrix in (
            ("a", (1, 0, 0, 1)),
            ("b", (0, 1, -1, 0)),
            ("c", (1, 0, 0, 1)),
            ("d", (1, 0, 0, -1)),
        )
    ]
    holding = Holding()

    held = [holding.of(picture) for picture in pictures[:3]]
    later = [holding.of(pictures[3]) for _ in range(30)]

    assert held == [UPRIGHT, Orientation(transposed=True, mirrored_x=True), UPRIGHT]
    assert later[-1] == Orientation(mirrored_y=True)
