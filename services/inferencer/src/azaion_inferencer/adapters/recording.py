"""The annotated video of a live source: films of an hour each, of which the oldest go when there is no more room for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from azaion_common.core.durable import storage_errors
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_inferencer.adapters.film import Film
from azaion_inferencer.adapters.losses import Losses
from azaion_inferencer.adapters.syncing import SyncedSoon
from azaion_inferencer.ports import Shown, Tell, untold
from azaion_inferencer.rotation import MIB, Limits, Member, Names, surplus

_SYNC_WITHIN_S = 2.0
_RETRY_S = 10.0


class Recording:
    """``out.mp4``, then ``out-<time>.mp4``; what there is from an earlier run is never written over.

    A film that cannot be written does not stop the run: its frames are counted as dropped until there is room again.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
        PermanentError: ``not_writable``, ``not_a_file``.
    """

    every_frame = True

    def __init__(
        self,
        path: Path,
        rate: Callable[[], float],
        limits: Limits,
        tell: Tell = untold,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = path
        self._rate = rate
        self._limits = limits
        self._tell = tell
        self._clock = clock
        self._names = Names(path.stem, path.suffix)
        self._film: Film | None = None
        self._current = path
        self._size: tuple[int, int] | None = None
        self._begun_at = 0.0
        self._error: TransientError | None = None
        self._retry_at = 0.0
        self._losses = Losses("frames of the film", tell, clock)
        self.written = 0
        self._soon = SyncedSoon(self._sync, _SYNC_WITHIN_S)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():
                raise PermanentError("not_a_file", f"{path} is no file")

    def __enter__(self) -> Self:
        return self

    @property
    def dropped(self) -> int:
        """How many frames are missing from the films."""
        return self._losses.count

    def write(self, shown: Shown) -> None:
        """Add a frame to the film of now. Raises PermanentError when there can never be one."""
        if shown.picture is None:
            return
        if self._error is not None and self._clock() < self._retry_at:
            self._losses.lose(self._error)
            return
        try:
            self._write(shown)
        except TransientError as error:
            self._lose(error)
        else:
            self._error = None
            self._losses.resume()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._soon.close()
        self._end()

    def _write(self, shown: Shown) -> None:
        picture = shown.picture
        if picture is None:
            return
        if self._film is not None and self._is_over(picture.shape[:2]):
            self._end()
        if self._film is None:
            self._make_room()
            self._current = self._next_path()
            self._film = Film(self._current, picture, self._rate())
            self._begun_at, self._size = self._clock(), picture.shape[:2]
        self._film.write(picture, shown.frame.time_s)
        self.written += 1
        self._soon.written()

    def _is_over(self, size: tuple[int, ...]) -> bool:
        """Full, old enough, or the camera came back with pictures of another size."""
        bytes_now = self._current.stat().st_size if self._current.exists() else 0
        return size != self._size or self._limits.is_full(bytes_now, self._clock() - self._begun_at)

    def _end(self) -> None:
        film, self._film = self._film, None
        if film is None:
            return
        try:
            film.close()
        except AzaionError as error:
            self._tell("film.cut_off", f"the end of {self._current} could not be written: {error}")

    def _lose(self, error: TransientError) -> None:
        self._film = None  # its end cannot be written either; the fragments that are there can be played
        self._error, self._retry_at = error, self._clock() + _RETRY_S
        self._losses.lose(error)

    def _sync(self) -> None:
        film = self._film
        try:
            if film is not None:
                film.sync()
        except AzaionError as error:
            self._tell("film.not_synced", f"a power cut now would cost a part of the film: {error}")

    def _next_path(self) -> Path:
        """The plain name is the first film's, and never that of a later one: it counts as the oldest."""
        members = self._members()
        return self._path.with_name(self._names.new(datetime.now(UTC), members)) if members else self._path

    def _members(self) -> list[Member]:
        """The films of this series, the oldest first: the one without a time is before all others."""
        named = self._names.members(list(self._path.parent.iterdir()))
        first = [Member(datetime.min.replace(tzinfo=UTC), self._path)] if self._path.exists() else []
        return first + named

    def _make_room(self) -> None:
        allowed = self._limits.series_bytes - self._limits.full_bytes
        with storage_errors(self._path):
            sizes = [(member, member.path.stat().st_size) for member in self._members()]
            for member in surplus(sizes, allowed):
                member.path.unlink(missing_ok=True)
                self._tell(
                    "film.oldest_deleted",
                    f"{member.path} had to go: films may take {self._limits.series_bytes / MIB:.0f} MiB together",
                )
