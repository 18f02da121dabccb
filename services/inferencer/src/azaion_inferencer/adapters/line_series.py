"""Detections of a service that runs for ever: a series of files, rotated by size and age, with a bound on disk.

A file has its final name from its first line on; a service that starts again goes on with the newest one. Closed files
are compressed and the oldest deleted by a thread of their own, so that nobody waits for it.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import monotonic

import structlog

from azaion_common.core.durable import make_folder, replacing, storage_errors
from azaion_common.core.errors import AzaionError
from azaion_inferencer.adapters.line_file import LineFile
from azaion_inferencer.rotation import MIB, Limits, Member, Names, surplus

_SUFFIX = ".jsonl"
_LEVEL = 1
"""A tenth of the size for a third of the time that the default takes."""
_log = structlog.get_logger(__name__)


class LineSeries:
    """``<folder>/<stem>-<time>.jsonl``, and closed ones as ``.jsonl.gz``. ``append`` and ``sync`` may meet.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
        PermanentError: ``not_writable``, ``output_in_use`` while another process writes this series.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        limits: Limits,
        *,
        compress: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._folder = folder
        self._names = Names(stem, _SUFFIX)
        self._limits = limits
        self._compress = compress
        self._now = now
        self._clock = clock
        self._turning = Lock()
        self._before = 0
        self.deleted_files = 0
        with storage_errors(folder):
            make_folder(folder)
        self._file = self._newest()
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="results")
        self._keeper.submit(self._keep)

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self._file.path

    @property
    def written(self) -> int:
        with self._turning:
            return self._before + self._file.written

    @property
    def synced(self) -> int:
        """How many lines written here are safe from a power cut."""
        with self._turning:
            return self._before + self._file.synced

    def append(self, line: bytes) -> None:
        """Write a line whole or not at all. Raises TransientError ``disk_full``, ``store_unavailable``."""
        if self._file.size_bytes and self._limits.is_full(self._file.size_bytes, self._age_s()):
            self._rotate()
        self._file.append(line)

    def sync(self) -> None:
        """Make everything that was written safe from a power cut. Raises as ``append``."""
        self._file.sync()

    def close(self, *, whole: bool = True) -> None:
        self._file.close()
        self._keeper.shutdown()

    def _newest(self) -> LineFile:
        """Go on with the newest file unless it is closed; one that is full is repaired all the same, and rotated next."""
        members = self._members()
        now = self._now()
        if members and members[-1].path.suffix == _SUFFIX:
            newest = members[-1]
            self._age_at_opening_s = max((now - newest.started).total_seconds(), 0.0)
            return self._opened(newest.path)
        return self._opened(self._folder / self._names.new(now, members))

    def _opened(self, path: Path) -> LineFile:
        if not path.exists():
            self._age_at_opening_s = 0.0
        self._opened_at = self._clock()
        file = LineFile.continued(path)
        if file.repaired_bytes:
            _log.warning("results.repaired", file=str(path), torn_bytes=file.repaired_bytes)
        return file

    def _age_s(self) -> float:
        """By the clock that nobody sets."""
        return self._age_at_opening_s + self._clock() - self._opened_at

    def _rotate(self) -> None:
        # Only the newest file is repaired after a power cut, so this one is synced before it is that no longer.
        self._file.sync()
        with self._turning:
            following = self._opened(self._folder / self._names.new(self._now(), self._members()))
            closed, self._file = self._file, following
            self._before += closed.written
        closed.close()
        self._keeper.submit(self._keep)

    def _members(self) -> list[Member]:
        return self._names.members(list(self._folder.iterdir()))

    def _keep(self) -> None:
        """Delete what is beyond the bound, compress what is closed."""
        try:
            with storage_errors(self._folder):
                self._delete_surplus()
                if self._compress:
                    for member in self._closed():
                        _compress(member.path)
        except AzaionError as error:
            _log.warning("results.not_tidied", code=error.code, error=error.message)

    def _closed(self) -> list[Member]:
        with (
            self._turning
        ):  # a file that is being opened is there already, and not yet the one that is written
            return [member for member in self._members() if member.path != self._file.path]

    def _delete_surplus(self) -> None:
        allowed = self._limits.series_bytes - self._limits.full_bytes
        sizes = [(member, member.path.stat().st_size) for member in self._closed()]
        for member in surplus(sizes, allowed):
            member.path.unlink(missing_ok=True)
            self.deleted_files += 1
            _log.warning(
                "results.oldest_deleted",
                file=member.path.name,
                bound_bytes=self._limits.series_bytes,
                deleted_since_start=self.deleted_files,
            )


def _compress(path: Path) -> None:
    """Replace a closed file by its ``.gz``; after a kill at any moment one of the two is there, or both, never none."""
    if path.suffix != _SUFFIX:
        return
    packed = path.with_name(path.name + ".gz")
    if not packed.exists():  # if it does, it is whole: only its original was left
        with (
            path.open("rb") as plain,
            replacing(packed, mode=0o644) as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=0) as pressed,
        ):
            shutil.copyfileobj(plain, pressed, MIB)
    path.unlink()
