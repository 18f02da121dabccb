"""How numbers and lists read on the page. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

THIN = "\N{NARROW NO-BREAK SPACE}"
_MINUTE_S, _HOUR_S = 60, 3600
_KILO = 1000
_UNITS = ("kB", "MB", "GB")
_LISTED = 4


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``4 min 12 s``, ``1 h 03 min``."""
    if seconds < 10:  # noqa: PLR2004 (below ten, tenths matter)
        return f"{seconds:.1f}{THIN}s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole}{THIN}s"
    if whole < _HOUR_S:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    return f"{whole // 3600}{THIN}h {whole % 3600 // 60:02d}{THIN}min"


def size(size_bytes: int) -> str:
    """Decimal units: ``512 bytes``, ``3.1 kB``, ``10.6 MB``."""
    if size_bytes < _KILO:
        return f"{size_bytes}{THIN}bytes"
    power = min(int(math.log(size_bytes, _KILO) + 1e-9), len(_UNITS))
    return f"{size_bytes / _KILO**power:.1f}{THIN}{_UNITS[power - 1]}"


def count(number: int, noun: str, nouns: str = "") -> str:
    """``1 picture``, ``1 056 pictures``."""
    return f"{grouped(number)} {noun if number == 1 else nouns or noun + 's'}"


def grouped(number: int) -> str:
    """Thousands set apart by a thin space."""
    return f"{number:,}".replace(",", THIN)


def listing(names: Sequence[str]) -> str:
    """``car``, ``car and bus``, ``car, truck and bus``; from five on only how many."""
    if len(names) > _LISTED:
        return f"{len(names)} classes"
    if len(names) <= 1:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def short(digest: str) -> str:
    """The beginning of a digest; the page has the whole of it as a title."""
    return digest if len(digest) <= 16 else digest[:12]  # noqa: PLR2004 (a model id is already short)
