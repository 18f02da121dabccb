"""Series of files that replace each other: how they are called, when the next one begins, which of them have to go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_STAMP = "%Y%m%dT%H%M%SZ"
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a file is full, and how much all files of a series may take together."""

    file_bytes: int = 64 * MIB
    file_age_s: float = 86_400.0
    series_bytes: int = 2048 * MIB

    @property
    def full_bytes(self) -> int:
        """When a file is full: there is always room for two."""
        return min(self.file_bytes, self.series_bytes // 2)

    def is_full(self, size_bytes: int, age_s: float) -> bool:
        return size_bytes >= self.full_bytes or age_s >= self.file_age_s


@dataclass(frozen=True, order=True)
class Member:
    """A file of a series; they sort by age, the oldest first."""

    started: datetime
    path: Path


@dataclass(frozen=True)
class Names:
    """``<stem>-<UTC time at which it began><suffix>``; closed files may be called ``….gz``."""

    stem: str
    suffix: str

    def new(self, now: datetime, members: Sequence[Member]) -> str:
        """The name of the next file. It sorts after all others, also when the clock was set back meanwhile."""
        after = max((member.started for member in members), default=None)
        if after is not None and now < after + timedelta(seconds=1):
            now = after + timedelta(seconds=1)
        return f"{self.stem}-{now.astimezone(UTC).strftime(_STAMP)}{self.suffix}"

    def members(self, paths: Sequence[Path]) -> list[Member]:
        """Those of ``paths`` that belong to the series, the oldest first."""
        pattern = re.compile(
            rf"{re.escape(self.stem)}-(\d{{8}}T\d{{6}}Z){re.escape(self.suffix)}(\.gz)?", re.ASCII
        )
        found = ((path, pattern.fullmatch(path.name)) for path in paths)
        return sorted(Member(_time(match[1]), path) for path, match in found if match and _is_time(match[1]))


def surplus(sizes: Sequence[tuple[Member, int]], allowed_bytes: int) -> list[Member]:
    """Which closed files have to go, the oldest first, so that the others take no more than ``allowed_bytes``."""
    total = sum(size for _, size in sizes)
    gone = []
    for member, size in sizes:
        if total <= allowed_bytes:
            break
        gone.append(member)
        total -= size
    return gone


def _is_time(text: str) -> bool:
    try:
        _time(text)
    except ValueError:
        return False
    return True


def _time(text: str) -> datetime:
    return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
