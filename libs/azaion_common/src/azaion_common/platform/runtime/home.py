"""The home: the one folder that holds everything. It holds pictures, keys and addresses of people, so it is its owner's.

Whoever opens it to others (``chmod``) opens what people browse, never what only services read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

import structlog

from azaion_common.core.durable import (
    OF_OTHERS,
    PRIVATE_FOLDER,
    make_private_folder,
    storage_errors,
)
from azaion_common.core.errors import PermanentError, SetupError

PRIVATE = ("ledgers", "streams", "jobs", "secrets", "replay", "api", "publisher", "exporter")
"""Folders that hold addresses, password hashes, keys, or models in the clear on their way."""
VIEWS = ("data", "data-seed", "data_deleted", "data-corrupted", "data-processed", "datasets", "models")
"""What people browse."""
_KEPT = {
    *PRIVATE, *VIEWS, "blobs", "releases", "cache", "run", "training", "inferencer", "azaion.yaml", "catalogue.yaml",
}  # fmt: skip
_log = structlog.get_logger(__name__)


def make_home(home: Path) -> bool:
    """Have the home, for its owner alone if it is new; one that is there keeps its mode. Whether it is new.

    Raises:
        SetupError: ``home_unusable``, ``not_writable``.
        TransientError: ``disk_full``.
    """
    with storage_errors(home):
        existing = next((each for each in (home, *home.parents) if each.exists()), home)
        if not existing.is_dir():
            raise SetupError(
                "home_unusable",
                f"{existing} is a file, so no home can be at {home}",
                hint="name another folder",
            )
        is_new = not home.is_dir()
        make_private_folder(home)
    return is_new


def check_target(home: Path, target: Path, *, outside: bool = False) -> None:
    """Refuse an output path inside the folders that the services own; with ``outside``, anywhere inside the home.

    Raises:
        PermanentError: ``target_in_home``.
    """
    place = Path(os.path.realpath(target))
    try:
        inside = place.relative_to(os.path.realpath(home)).parts
    except ValueError:
        return
    if outside or not inside or inside[0] in _KEPT:
        raise PermanentError(
            "target_in_home",
            f"{target} lies in the home {home}{'' if outside else ', where services keep what is theirs'}",
            hint="name one outside the home",
        )


def close_private(home: Path, services: Collection[str] = ()) -> None:
    """Close to others what an earlier version left open, and make those folders of ``services`` that are to be closed.

    A folder that is not ours to close is told of.
    """
    for name in PRIVATE:
        if name in services:
            make_private_folder(home / name)
    for folder in (home / name for name in PRIVATE):
        if not folder.is_dir() or not folder.stat().st_mode & OF_OTHERS:
            continue
        try:
            folder.chmod(PRIVATE_FOLDER)
            for path in folder.rglob("*"):
                _close(path)
        except PermissionError as error:
            _log.warning("home.stays_open", folder=str(folder), error=str(error))
        else:
            _log.info("home.closed", folder=str(folder))


def _close(path: Path) -> None:
    if not path.is_symlink():
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OF_OTHERS)
