"""Annotated pictures: a folder of JPEGs, one per inferred picture, under the name it came with."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import cv2

from azaion_common.errors import PermanentError
from azaion_common.storage.durable import fsync_folder, make_folder, storage_errors
from azaion_inferencer.ports import Shown

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92]


class AnnotatedPictures:
    """A folder that gets its name when the run has ended well.

    Raises:
        PermanentError: ``output_exists`` when there is a folder with something in it.
    """

    every_frame = True

    def __init__(self, folder: Path) -> None:
        if folder.exists() and any(folder.iterdir()):
            raise PermanentError("output_exists", f"{folder} is not empty", hint="name a new folder")
        self._folder = folder
        self._temporary = folder.with_name(f".{folder.name}.{uuid4().hex}.tmp")
        with storage_errors(folder):
            make_folder(self._temporary)

    def __enter__(self) -> Self:
        return self

    def write(self, shown: Shown) -> None:
        if not shown.inferred or shown.picture is None:
            return
        name = Path(shown.frame.name or f"frame-{shown.frame.number:06d}").with_suffix(".jpg").name
        _, content = cv2.imencode(".jpg", shown.picture, _QUALITY)
        with storage_errors(self._folder):
            self._free(name, shown.frame.number).write_bytes(content.tobytes())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _free(self, name: str, number: int) -> Path:
        """``a.png`` and ``a.bmp`` are two pictures."""
        path = self._temporary / name
        return path.with_stem(f"{path.stem}-{number}") if path.exists() else path

    def _publish(self) -> None:
        with storage_errors(self._folder):
            fsync_folder(self._temporary)
            self._temporary.replace(self._folder)
            fsync_folder(self._folder.parent)
