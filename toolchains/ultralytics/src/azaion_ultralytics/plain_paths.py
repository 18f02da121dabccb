"""Has ultralytics take the path of a checkpoint for a path.

It takes one for an address (8.4.190): what follows a ``?`` is cut off before the suffix is looked at, ``%20`` becomes a
blank, and quotes are dropped to look for a download.
"""

from __future__ import annotations

from pathlib import Path


def take_paths_as_they_are() -> None:
    """To be called before ultralytics loads a checkpoint; who hands one over has looked at its suffix."""
    from ultralytics.nn import tasks
    from ultralytics.utils import downloads

    tasks.check_suffix = _accept
    downloads.attempt_download_asset = _as_it_is


def _accept(*, file: str | Path, suffix: str) -> None:
    """In place of a look at the suffix of an address."""


def _as_it_is(file: str | Path) -> str:
    return str(file)
