"""Tiny labelled folders for tests: quick to draw, equal for equal seeds, no two pictures alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

CLASSES = ("car", "truck")
_COLOURS = ((40, 40, 220), (220, 60, 40))
_SIZE = (96, 128)

Pixels = npt.NDArray[np.uint8]


def draw_folder(folder: Path, count: int, *, seed: int, prefix: str = "scene") -> Path:
    """``count`` pictures with one or two boxes each, in the YOLO layout; returns ``folder``."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    for number in range(count):
        pixels, lines = draw(np.random.default_rng((seed, number)))
        name = f"{prefix}{seed}x{number:03d}y"  # no running number at the end: these are no frames of a recording
        write_picture(folder / "images" / f"{name}.jpg", pixels)
        (folder / "labels" / f"{name}.txt").write_text("".join(lines))
    return folder


def draw(rng: np.random.Generator) -> tuple[Pixels, list[str]]:
    """A picture (96 x 128 pixels, BGR) on coarse noise, which keeps difference hashes apart, and its YOLO lines."""
    coarse = rng.integers(60, 200, (6, 8, 3), dtype=np.uint8)
    pixels = np.asarray(cv2.resize(coarse, (_SIZE[1], _SIZE[0]), interpolation=cv2.INTER_CUBIC), np.uint8)
    lines = []
    for class_id in range(int(rng.integers(1, 3))):
        width, height = (int(side) for side in rng.integers(20, 32, 2))
        left = int(rng.integers(class_id * 64, class_id * 64 + 64 - width))
        top = int(rng.integers(0, _SIZE[0] - height))
        cv2.rectangle(pixels, (left, top), (left + width, top + height), _COLOURS[class_id], -1)
        centre = ((left + width / 2) / _SIZE[1], (top + height / 2) / _SIZE[0])
        lines.append(
            f"{class_id} {centre[0]:.6f} {centre[1]:.6f} {width / _SIZE[1]:.6f} {height / _SIZE[0]:.6f}\n"
        )
    return pixels, lines


def write_picture(path: Path, pixels: Pixels) -> None:
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    path.write_bytes(data.tobytes())


def draw_video(path: Path, frames: int, *, seed: int = 0) -> Path:
    """A moving box, 10 frames a second."""
    import av  # noqa: PLC0415 - only tests with a video need it

    background, _ = draw(np.random.default_rng(seed))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = _SIZE[1], _SIZE[0], "yuv420p"
        for number in range(frames):
            pixels = background.copy()
            cv2.rectangle(pixels, (number % 90, 40), (number % 90 + 28, 64), _COLOURS[0], -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        container.mux(stream.encode())
    return path
