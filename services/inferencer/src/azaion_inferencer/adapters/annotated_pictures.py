"""Annotated pictures: a folder of JPEGs, one per inferred picture, under the name it came with."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import cv2

from azaion_common.core.durable import fsync_folder, make_folder, storage_errors
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_inferencer.adapters.film import fsync_file
from azaion_inferencer.adapters.losses import Losses
from azaion_inferencer.adapters.syncing import SyncedSoon
from azaion_inferencer.ports import Image, Shown, Tell, untold

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92]


class AnnotatedPictures:
    """A folder in which each picture appears whole, and is safe from a power cut within a second.

    With ``keep_bytes``, for a source without an end, the folder may hold pictures already, and the oldest go.

    Raises:
        PermanentError: ``output_exists`` when there is a folder with something in it.
    """

    every_frame = True

    def __init__(self, folder: Path, *, keep_bytes: int | None = None, tell: Tell = untold) -> None:
        if keep_bytes is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PermanentError("output_exists", f"{folder} is not empty", hint="name a new folder")
        self._folder = folder
        self._keep_bytes = keep_bytes
        self._tell = tell
        self._unsynced: list[Path] = []
        self._lock = Lock()
        self._losses = Losses("pictures", tell)
        self.written = 0
        self.deleted = 0
        with storage_errors(folder):
            make_folder(folder)
            self._sizes = deque((path, path.stat().st_size) for path in sorted(folder.glob("*.jpg")))
        self._total_bytes = sum(size for _, size in self._sizes)
        self._soon = SyncedSoon(self._sync)

    def __enter__(self) -> Self:
        return self

    def write(self, shown: Shown) -> None:
        """Add the picture of an inferred frame.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``, of a source with an end.
        """
        if not shown.inferred or shown.picture is None:
            return
        try:
            self._write(shown, shown.picture)
        except TransientError as error:
            if self._keep_bytes is None:
                raise
            self._losses.lose(error)
        else:
            self._losses.resume()

    def _write(self, shown: Shown, picture: Image) -> None:
        _, content = cv2.imencode(".jpg", picture, _QUALITY)
        with storage_errors(self._folder):
            path = self._free(_name(shown), shown.frame.number)
            temporary = path.with_name(f".{path.name}.tmp")
            try:
                temporary.write_bytes(content.tobytes())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            self._make_room(path, len(content))
        self.written += 1
        with self._lock:
            self._unsynced.append(path)
        self._soon.written()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._soon.close()
        self._sync()
        if kind is not None and not self.written and self._keep_bytes is None:
            self._folder.rmdir()

    def _free(self, name: str, number: int) -> Path:
        """``a.png`` and ``a.bmp`` are two pictures."""
        path = self._folder / name
        return path.with_stem(f"{path.stem}-{number}") if path.exists() else path

    def _make_room(self, path: Path, size: int) -> None:
        if self._keep_bytes is None:
            return
        self._sizes.append((path, size))
        self._total_bytes += size
        while self._total_bytes > self._keep_bytes and len(self._sizes) > 1:
            oldest, freed = self._sizes.popleft()
            oldest.unlink(missing_ok=True)
            self._total_bytes -= freed
            self.deleted += 1
            if self.deleted == 1:
                self._tell(
                    "pictures.oldest_deleted", f"{self._folder} is full: from now on the oldest pictures go"
                )

    def _sync(self) -> None:
        with self._lock:
            paths, self._unsynced = self._unsynced, []
        try:
            with storage_errors(self._folder):
                for path in paths:
                    if path.exists():
                        fsync_file(path)
                fsync_folder(self._folder)
        except AzaionError as error:
            self._tell("pictures.not_synced", f"a power cut now would cost pictures: {error}")


def _name(shown: Shown) -> str:
    frame = shown.frame
    if frame.name:
        return Path(frame.name).with_suffix(".jpg").name
    if frame.arrived_at is None:
        return f"frame-{frame.number:06d}.jpg"
    return datetime.fromtimestamp(frame.arrived_at, UTC).strftime("%Y%m%dT%H%M%S.%fZ.jpg")
