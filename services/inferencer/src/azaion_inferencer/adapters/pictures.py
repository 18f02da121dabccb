"""One picture, or all pictures of a folder, as a source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from azaion_common.errors import PermanentError
from azaion_inferencer.ports import Frame, Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


class Pictures:
    """Pictures in the order of their names, one a second; folders inside the folder are left out.

    One that cannot be read is there too, and its ``decode`` raises ``picture_unreadable``.

    Raises:
        PermanentError: ``no_pictures`` when there is none.
    """

    live = False
    rate = 1.0

    def __init__(self, path: Path) -> None:
        self._paths = [path] if path.is_file() else sorted(_pictures(path))
        self._stopped = False
        if not self._paths:
            raise PermanentError("no_pictures", f"there is no picture in {path}")

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


def _pictures(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise PermanentError("no_pictures", f"cannot read the folder {folder}: {error.strerror}") from error


def _read(path: Path) -> Image:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except (OSError, cv2.error) as error:
        raise PermanentError("picture_unreadable", f"cannot read {path}: {error}") from error
    if image is None:
        raise PermanentError("picture_unreadable", f"{path} is not a whole picture")
    return cast("Image", image)
