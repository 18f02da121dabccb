"""The annotated video of a file: h264 in MP4, as browsers play it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from azaion_common.core.durable import fsync_folder, storage_errors
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_inferencer.adapters.film import Film, fsync_file, index_in_front
from azaion_inferencer.ports import Shown, Tell, untold


class AnnotatedVideo:
    """A film of all frames, which takes the place of ``path`` with its first one. Its size is that of the first frame.

    However the run ends, it can be played; after an orderly end its index is in front.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
        PermanentError: ``not_writable``, ``not_a_file``; at once, not after an hour of inference.
    """

    every_frame = True

    def __init__(self, path: Path, rate: Callable[[], float], tell: Tell = untold) -> None:
        self._path = path
        self._rate = rate
        self._tell = tell
        self._film: Film | None = None
        self.written = 0
        if path.exists() and not path.is_file():
            raise PermanentError("not_a_file", f"{path} is no file that a film could take the place of")
        self._temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.touch(exist_ok=False)

    def __enter__(self) -> Self:
        return self

    def write(self, shown: Shown) -> None:
        """Add a frame. Raises TransientError ``disk_full``, ``store_unavailable``."""
        if shown.picture is None:
            return
        if self._film is None:
            self._film = Film(self._temporary, shown.picture, self._rate())
        self._film.write(shown.picture, shown.frame.time_s)
        if not self.written:
            self._film.move(self._path)
        self.written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._finish(whole=kind is None)
        finally:
            self._temporary.unlink(missing_ok=True)

    def _finish(self, *, whole: bool) -> None:
        if self._film is None:
            if whole:
                raise PermanentError("video_empty", f"not one frame to write into {self._path}")
            return
        self._film.close()
        if self.written:
            self._bring_index_forward()

    def _bring_index_forward(self) -> None:
        """A film whose index is behind can be played too: without room for a copy it stays as it is."""
        try:
            index_in_front(self._path, self._temporary)
            with storage_errors(self._path):
                fsync_file(self._temporary)
                self._temporary.replace(self._path)
                fsync_folder(self._path.parent)
        except AzaionError as error:
            self._tell("film.index_behind", f"{self._path} is whole, with its index at the end: {error}")
