"""Names of pictures. Names are data: they never choose a path."""

from __future__ import annotations

import hashlib
import re

from azaion_common.core.errors import PermanentError

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_SAFE = 128
_DIGEST_CHARS = 8


def is_safe_name(name: str) -> bool:
    """True when ``name`` can be a file name anywhere and lead nowhere else."""
    return _SAFE.fullmatch(name) is not None and ".." not in name


def check_name(name: str) -> str:
    """``name`` itself; raises ``unsafe_name`` when it is not safe."""
    if not is_safe_name(name):
        raise PermanentError("unsafe_name", f"{name[:80]!r} is no safe picture name")
    return name


def name_for_stem(stem: str) -> str:
    """A safe name for a file's stem: the stem itself where possible, else cleaned with a piece of its hash."""
    if is_safe_name(stem):
        return stem
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[: _MAX_SAFE - 10] or "picture"
    return f"{cleaned}-{hashlib.sha256(stem.encode('utf-8', 'surrogateescape')).hexdigest()[:_DIGEST_CHARS]}"


def name_with_digest(name: str, sha256: str) -> str:
    """The name of a picture whose own ``name`` another picture has: the same for the same bytes, whenever it comes."""
    return f"{name[: _MAX_SAFE - _DIGEST_CHARS - 1]}-{sha256[:_DIGEST_CHARS]}"


def is_name_of(name: str, stem_name: str) -> bool:
    """Can a picture called ``name`` have come from a file whose stem gives ``stem_name``?

    Besides the name itself, with a piece of its digest behind or (as version 0.1 did) its folders before.
    """
    return (
        name == stem_name
        or name.endswith(f"-{stem_name}")
        or name.startswith(f"{stem_name[: _MAX_SAFE - _DIGEST_CHARS - 1]}-")
    )
