"""One picture, or all pictures of a folder, as a source."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import av
import av.error
import cv2
import numpy as np

from azaion_common.core.errors import PermanentError
from azaion_inferencer.adapters.decoding import pixels
from azaion_inferencer.adapters.orientation import Holding
from azaion_inferencer.ports import Frame, Image

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".avif", ".jp2",
        ".pbm", ".pgm", ".ppm",
    }
)  # fmt: skip
_OTHER_PICTURES = frozenset(
    {".heic", ".heif", ".jxl", ".gif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".svg"}
)
_NUMBERED = re.compile(r"(?<!%)%(?:0(\d+))?d")
"""As FFmpeg and OpenCV write the names of a sequence: ``f%d.jpg``, ``f%03d.jpg``."""


class Pictures:
    """Pictures in the order of their names, one a second; folders inside the folder are left out.

    One that cannot be read is there too, and its ``decode`` raises ``picture_unreadable``.

    Attributes:
        left_out: files of the folder that are pictures by their name, of a kind that is not read.

    Raises:
        PermanentError: ``no_pictures`` when there is none.
    """

    live = False
    rate = 1.0

    def __init__(self, path: Path) -> None:
        self.left_out: list[Path] = []
        if path.is_dir():
            files = _files(path)
            self.left_out = [file for file in files if file.suffix.lower() in _OTHER_PICTURES]
            self._paths = [file for file in files if file.suffix.lower() in SUFFIXES]
        elif is_sequence(path):
            self._paths = _sequence(path)
        else:
            self._paths = [path]
        self._stopped = False
        if not self._paths:
            kinds = sorted({file.suffix.lower() for file in self.left_out})
            others = (
                f", but {len(self.left_out)} of a kind that is not read: {', '.join(kinds)}" if kinds else ""
            )
            raise PermanentError("no_pictures", f"there is no picture in {path}{others}")

    @property
    def total(self) -> int | None:
        return len(self._paths)

    def frames(self) -> Iterator[Frame]:
        for number, path in enumerate(self._paths):
            if self._stopped:
                return
            yield Frame(number, number / self.rate, partial(_read, path), path.name)

    def stop(self) -> None:
        self._stopped = True


def is_sequence(path: Path) -> bool:
    """Whether ``path`` stands for many numbered pictures: ``folder/f%03d.jpg``."""
    return bool(_NUMBERED.search(path.name)) and not path.exists()


def _sequence(pattern: Path) -> list[Path]:
    """The files that ``pattern`` means, in the order of their numbers."""
    match = _NUMBERED.search(pattern.name)
    if match is None:
        return []
    before, after = (
        re.escape(part.replace("%%", "%")) for part in _NUMBERED.split(pattern.name, maxsplit=1)[::2]
    )
    digits = f"\\d{{{int(match[1])},}}" if match[1] else "\\d+"
    name = re.compile(f"{before}({digits}){after}")
    numbered = [
        (int(found[1]), file) for file in _files(pattern.parent) if (found := name.fullmatch(file.name))
    ]
    return [file for _, file in sorted(numbered)]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise PermanentError("no_pictures", f"cannot read the folder {folder}: {error.strerror}") from error


def _read(path: Path) -> Image:
    """The picture, upright.

    Raises:
        PermanentError: ``picture_unreadable``.
    """
    try:
        content = path.read_bytes()
        # OpenCV leaves an AVIF as it was stored, whatever its container says about how to hold it.
        image = _first_frame(content) if path.suffix.lower() == ".avif" else _decoded(content)
    except (OSError, cv2.error, av.error.FFmpegError) as error:
        raise PermanentError("picture_unreadable", f"cannot read {path}: {error}") from error
    if image is None:
        raise PermanentError("picture_unreadable", f"{path} is not a whole picture")
    return image


def _decoded(content: bytes) -> Image | None:
    coded = np.frombuffer(content, np.uint8)
    return cast("Image | None", cv2.imdecode(coded, cv2.IMREAD_COLOR)) if len(coded) else None


def _first_frame(content: bytes) -> Image | None:
    with av.open(io.BytesIO(content), "r") as container:
        picture = next(container.decode(video=0), None)
        return None if picture is None else pixels(picture, Holding())()
