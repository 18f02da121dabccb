"""Names of pictures and of the recordings that they come from. Names are data: they never choose a path."""

from __future__ import annotations

import hashlib
import re

from azaion_common.errors import PermanentError

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EXPORT_SUFFIX = re.compile(r"_(?:jpe?g|png)\.rf\.[0-9A-Za-z]+$")
_MAX_SAFE = 128


def is_safe_name(name: str) -> bool:
    """True when ``name`` can be a file name anywhere and lead nowhere else."""
    return _SAFE.fullmatch(name) is not None and ".." not in name


def check_name(name: str) -> str:
    """``name`` itself; raises ``unsafe_name`` when it is not safe."""
    if not is_safe_name(name):
        raise PermanentError("unsafe_name", f"{name[:80]!r} is no safe picture name")
    return name


def safe_name(stem: str) -> str:
    """A safe name for a file's stem: the stem itself where possible, else cleaned with a piece of its hash."""
    if is_safe_name(stem):
        return stem
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[: _MAX_SAFE - 10] or "picture"
    return f"{cleaned}-{hashlib.sha256(stem.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def recording_of(stem: str) -> tuple[str, int | None]:
    """The recording and the frame index that a file's stem tells of.

    The last run of at most nine digits at the end is the index, what stands before it (without separators) is
    the recording: ``MOS74`` is frame 74 of ``MOS``, ``DJI_0005-0018`` frame 18 of ``DJI_0005``. A stem without
    such digits, or of digits only, tells nothing: ``("", None)``.
    """
    stem = _EXPORT_SUFFIX.sub("", stem)
    match = re.fullmatch(r"(.*?)[_\-. ]*(?<![0-9])([0-9]{1,9})", stem)
    if match is None or not match[1]:
        return "", None
    return match[1], int(match[2])
