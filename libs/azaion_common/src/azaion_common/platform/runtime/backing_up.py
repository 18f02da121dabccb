"""A copy of an embedded home as it was at one moment, taken while its services work.

What makes it of one moment: every write to the log and to the queues takes their lock files. While this holds both, it
begins a read transaction on the log, on the queues and then on every ledger, which takes milliseconds; from then on
services work on, and each database is copied as its transaction sees it. So whatever a ledger has read or sent is in
the copied log, and whatever it had not sent yet is in its outbox: after a restore, services go on as after a power cut.
A log that is older than a ledger would have lost messages of others for good; one that is newer would have events of
a ledger's that it does not know of, which begins a new epoch and announces things twice.

Blobs are copied last. They are stored before any row names them and nothing is thrown away meanwhile, so all that
the databases name are there. Folders that services make anew are left out.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from azaion_common.core.durable import (
    fsync_folder,
    make_folder,
    make_private_file,
    make_private_folder,
    storage_errors,
    temporary_beside,
    write_file,
)
from azaion_common.core.errors import PermanentError
from azaion_common.platform.database.shared_database import writers_locked_out
from azaion_common.platform.runtime.home import PRIVATE, make_home
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.throwing_away import nothing_is_thrown_away
from azaion_common.platform.runtime.transports import check_exists, log_path, queue_path
from azaion_common.platform.storage.files import copy_sound

RECORD = "backup.json"
"""Written last: a folder without it is not a whole backup."""
STORES = ("blobs", "releases", "api/resources")
DATABASES = ("streams", "jobs", "ledgers")
SECRETS = "secrets"
MADE_ANEW = (
    "data",
    "data-seed",
    "data_deleted",
    "data-corrupted",
    "data-processed",
    "datasets",
    "run",
    "replay",
    "training",
    "exporter",
    "publisher",
    "inferencer",
)
"""Views of blobs, and what services and devices keep until they are done. A training under way begins again."""
Progress = Callable[[str, int], None]
"""Told what is copied, and how many of it so far."""


@dataclass
class Backup:
    """What a backup holds, and what came to it."""

    at: datetime
    home: str
    secrets: bool
    databases: list[str] = field(default_factory=list)
    blobs: int = 0
    copied: int = 0
    """Blobs that an earlier backup in the same folder did not have yet."""
    copied_bytes: int = 0
    rotten: list[str] = field(default_factory=list)
    """Blobs that are not what their names say, and are not in it."""


def back_up(
    home: Path,
    destination: Path,
    *,
    secrets: bool = True,
    link: bool = False,
    progress: Progress = lambda _what, _count: None,
) -> Backup:
    """Copy ``home`` to ``destination``, a new folder or that of an earlier backup of it: then only new blobs are copied.

    ``link``: hard links in place of copies of blobs, where the file system is the same: quick, and no help against a
    disk that fails.

    Raises:
        PermanentError: ``home_missing``, ``backup_of_servers``, ``folder_in_use``, and as ``make_home``.
        TransientError: ``disk_full``, ``store_unavailable``.
    """
    settings = PlatformSettings.load(home, "platform")
    _check(home, settings, destination)
    make_home(destination)
    backup = Backup(at=datetime.now(UTC), home=str(home), secrets=secrets)
    staged = destination / ".databases"
    with storage_errors(destination), nothing_is_thrown_away(home):
        shutil.rmtree(staged, ignore_errors=True)
        backup.databases = _copy_databases(home, staged, progress)
        for store in STORES:
            _copy_store(home / store, destination / store, backup, link=link, progress=progress)
        _copy_others(home, destination, secrets=secrets)
        _swap(staged, destination)
        write_file(destination / RECORD, json.dumps(asdict(backup), default=str, indent=2).encode() + b"\n")
    return backup


def _check(home: Path, settings: PlatformSettings, destination: Path) -> None:
    servers = {
        name: getattr(settings, name)
        for name in ("streams_url", "jobs_url", "ledger_url", "blobs_url", "releases_url")
    }
    if named := [name for name, url in servers.items() if url is not None]:
        raise PermanentError(
            "backup_of_servers",
            f"not everything lies in the home: {', '.join(named)}",
            hint="docs/operations.md says how servers are backed up",
        )
    check_exists(home, settings)
    places = Path(os.path.realpath(destination)), Path(os.path.realpath(home))
    if any(one.is_relative_to(other) for one, other in (places, places[::-1])):
        raise PermanentError("folder_in_use", f"{destination} and {home} lie in each other")
    if destination.is_dir() and any(destination.iterdir()) and not _is_backup(destination):
        raise PermanentError(
            "folder_in_use", f"{destination} holds something else than a backup", hint="name a new folder"
        )


def _is_backup(folder: Path) -> bool:
    return (folder / RECORD).exists() or (folder / ".databases").exists()


def _copy_databases(home: Path, staged: Path, progress: Progress) -> list[str]:
    with _at_one_moment(home) as opened:
        for count, (name, source) in enumerate(opened.items()):
            progress("databases", count)
            target = staged / name
            make_private_folder(target.parent)
            make_private_file(target)
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        return sorted(opened)


@contextmanager
def _at_one_moment(home: Path) -> Iterator[Mapping[str, sqlite3.Connection]]:
    """Every database of ``home``, by its path in there, in a read transaction: all see the same moment."""
    with ExitStack() as stack:
        opened: dict[str, sqlite3.Connection] = {}
        with ExitStack() as locks:
            for path in (log_path(home), queue_path(home)):
                if path.exists():
                    locks.enter_context(writers_locked_out(path))
            for folder in DATABASES:
                for path in sorted((home / folder).glob("*.sqlite")):
                    connection = stack.enter_context(
                        closing(sqlite3.connect(path, timeout=10, isolation_level=None))
                    )
                    connection.execute("BEGIN")
                    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                    opened[f"{folder}/{path.name}"] = connection
        yield opened


def _copy_store(source: Path, target: Path, backup: Backup, *, link: bool, progress: Progress) -> None:
    folders: set[Path] = set()
    for path in sorted(source.glob("??/??/*")):
        copy = target / path.relative_to(source)
        backup.blobs += 1
        progress("blobs", backup.blobs)
        if copy.exists():
            continue
        make_folder(copy.parent)
        if not copy_sound(path, copy, link=link):
            backup.rotten.append(path.name)
            continue
        backup.copied += 1
        backup.copied_bytes += copy.stat().st_size
        folders.add(copy.parent)
    for folder in folders:
        fsync_folder(folder)


def _copy_others(home: Path, destination: Path, *, secrets: bool) -> None:
    """Settings and catalogues, secrets, models, results, and whatever else somebody has put into the home."""
    left = {
        *MADE_ANEW,
        *DATABASES,
        *(store.partition("/")[0] for store in STORES),
        *(() if secrets else (SECRETS,)),
    }
    if not secrets:
        shutil.rmtree(destination / SECRETS, ignore_errors=True)
    for path in sorted(home.iterdir()):
        if path.name in left:
            continue
        if path.is_dir():
            _copy_folder(path, destination / path.name)
        elif path.is_file():
            _copy_file(path, destination / path.name)


def _copy_folder(source: Path, target: Path) -> None:
    (make_private_folder if source.name in PRIVATE else make_folder)(target)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            make_folder(copy)
        elif path.is_file() and not path.name.endswith(".tmp"):
            _copy_file(path, copy)


def _copy_file(source: Path, target: Path) -> None:
    found = source.stat()
    if target.exists() and (target.stat().st_size, target.stat().st_mtime_ns) == (
        found.st_size,
        found.st_mtime_ns,
    ):
        return
    with temporary_beside(target) as (temporary, file):
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
        os.fsync(file.fileno())
        temporary.replace(target)


def _swap(staged: Path, destination: Path) -> None:
    """The new databases in place of those of an earlier backup, once everything that they name is there."""
    (destination / RECORD).unlink(missing_ok=True)
    for folder in DATABASES:
        shutil.rmtree(destination / folder, ignore_errors=True)
        if (staged / folder).exists():
            (staged / folder).rename(destination / folder)
    fsync_folder(destination)
    staged.rmdir()
