"""What of an embedded home nothing needs any more, and its removal while services work.

A blob is needed while anything names it: any row of any ledger, a job that is not over, an event that a service has not
read yet, and of what was read, every event of the log but those that the ledgers have taken in whole (``_History``).
Names are SHA-256 digests in hex, so it is enough to look for such texts, whatever table or event they stand in: a
table that is new tomorrow is understood today, and what is named by mistake is only kept.

What is being stored at this moment is named by nothing yet. So nothing younger than some hours goes, a blob that is
stored again is young again, and ledgers are read before the log: what moves from one into the other is seen in one of
them. Files that people browse are hard links: a blob with a second name is kept, and would free nothing.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from azaion_common.contracts.annotations import wire
from azaion_common.contracts.events import (
    DatasetFormed,
    ImageSaved,
    ModelPublished,
    ModelRejected,
    dead_letters,
)
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.core.durable import make_folder, open_lock, storage_errors
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.platform.database.read_only import connect_reading, database_error, may_only_be_read
from azaion_common.platform.ledger import tables
from azaion_common.platform.ledger.letters import APPLIED
from azaion_common.platform.runtime.home import VIEWS
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import (
    blobs_path,
    check_exists,
    log_path,
    queue_path,
    releases_path,
)
from azaion_common.platform.storage.files import FileBlobStore

_log = structlog.get_logger(__name__)
BLOBS, LEFT_OVER, REPLAYS = "blobs that nothing names", "left over by killed writers", "replayed ledgers"
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_REFUSED = "refused"
"""The ingestor's table of what there is to see of a refused message: its body goes with the quarantine's row."""
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """From when on something is too old to be kept for its own sake."""

    min_age: timedelta = timedelta(hours=24)
    """Nothing younger is removed, whatever it is."""
    refused: timedelta = timedelta(days=90)
    """How long the bodies of refused messages are kept; the log of a home has them all the same."""
    rejected: timedelta = timedelta(days=30)
    """How long checkpoints of models are kept that did not beat their champion."""


@dataclass
class Waste:
    """What was found, by kind: how many files, and how many bytes they free."""

    files: dict[str, int] = field(default_factory=dict)
    size_bytes: dict[str, int] = field(default_factory=dict)
    kept_blobs: int = 0

    def add(self, kind: str, size_bytes: int) -> None:
        self.files[kind] = self.files.get(kind, 0) + 1
        self.size_bytes[kind] = self.size_bytes.get(kind, 0) + size_bytes

    @property
    def freed_bytes(self) -> int:
        return sum(self.size_bytes.values())


def throw_away(home: Path, rules: Rules, *, dry_run: bool = False, now: datetime | None = None) -> Waste:
    """Remove what nothing needs, or with ``dry_run`` only count it. Services may be at work meanwhile.

    Raises:
        PermanentError: ``home_missing``, ``waste_on_servers``: what is needed cannot be told from the home alone.
        TransientError: ``home_busy``: a backup, or another of these, is under way.
    """
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    _check_embedded(settings)
    at, waste = now or datetime.now(UTC), Waste()
    with nullcontext() if dry_run and may_only_be_read(log_path(home)) else _lock(home, fcntl.LOCK_EX):
        needed = named(home, rules, at)
        before_s = (at - rules.min_age).timestamp()
        _blobs(home, needed, before_s, waste, dry_run=dry_run)
        _files(LEFT_OVER, _left_over(home), before_s, waste, dry_run=dry_run)
        _files(REPLAYS, (home / "replay").glob("*"), before_s, waste, dry_run=dry_run)
    return waste


@contextmanager
def nothing_is_thrown_away(home: Path) -> Iterator[None]:
    """Keep ``throw_away`` out while the block runs. Raises TransientError ``home_busy``."""
    with _lock(home, fcntl.LOCK_SH):
        yield


@contextmanager
def _lock(home: Path, kind: int) -> Iterator[None]:
    with storage_errors(home / "run"):
        make_folder(home / "run")
    with open_lock(home / "run" / "gc.lock") as lock:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(
                "home_busy", f"a backup or a gc of {home} is under way", hint="try again when it has ended"
            ) from None
        yield


def unneeded(home: Path, settings: PlatformSettings, blobs: Collection[str]) -> set[str]:
    """Which of ``blobs`` (SHA-256) no record and no view refers to; empty when a ledger cannot be read."""
    if not blobs or _servers(settings):
        return set()
    try:
        needed = named(home, Rules(), datetime.now(UTC))
    except AzaionError as error:
        _log.warning("blobs.needed_unknown", code=error.code, error=error.message)
        return set()
    store = FileBlobStore(blobs_path(home))
    return {each for each in blobs if each.encode() not in needed and not _is_browsed(store.path(each))}


def _is_browsed(blob: Path) -> bool:
    """Whether a file that people browse is a link to ``blob``."""
    with suppress(FileNotFoundError):  # taken away meanwhile
        return blob.stat().st_nlink > 1
    return False


def _servers(settings: PlatformSettings) -> list[str]:
    names = ("streams_url", "jobs_url", "ledger_url", "blobs_url")
    return [name for name in names if getattr(settings, name) is not None]


def _check_embedded(settings: PlatformSettings) -> None:
    if named_servers := _servers(settings):
        raise PermanentError(
            "waste_on_servers",
            f"what is needed cannot be told: not everything lies in the home ({', '.join(named_servers)})",
            hint="on servers nothing is removed; services clean their own folders",
        )


def named(home: Path, rules: Rules, at: datetime) -> set[bytes]:
    """The digest of every blob that something names, and of more."""
    found: set[bytes] = set()
    ends: dict[str, int] = {}
    for path in sorted((home / "ledgers").glob("*.sqlite")):
        with _snapshot(path) as ledger:
            found |= _in_ledger(ledger, at - rules.refused)
            for stream, offset in _cursors(ledger).items():
                ends[stream] = min(offset, ends.get(stream, offset))
    if queue_path(home).exists():
        with _snapshot(queue_path(home)) as jobs:
            for (body,) in jobs.execute("SELECT body FROM jobs WHERE over = 0"):
                found |= _digests(body)
    with _snapshot(log_path(home)) as log:
        return found | _in_log(home, log, ends, at - rules.rejected)


def _in_ledger(ledger: sqlite3.Connection, refused_since: datetime) -> set[bytes]:
    found: set[bytes] = set()
    for (table,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table in (tables.QUARANTINE.name, _REFUSED):
            continue
        for row in ledger.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name from the database itself
            found |= _in_row(row)
    return found | _refused(ledger, refused_since)


def _refused(ledger: sqlite3.Connection, since: datetime) -> set[bytes]:
    """Bodies of messages that may be tried again: of old ones the log tells."""
    query = f"SELECT raw_sha256 FROM {tables.QUARANTINE.name} WHERE state != ? AND at >= ?"  # noqa: S608
    with suppress(sqlite3.OperationalError):  # a ledger that has no tables yet
        rows = ledger.execute(query, (APPLIED, since.replace(tzinfo=None).isoformat(sep=" ")))
        return {row[0].encode() for row in rows}
    return set()


def _cursors(ledger: sqlite3.Connection) -> dict[str, int]:
    with suppress(sqlite3.OperationalError):  # a ledger that has no tables yet
        return dict(ledger.execute(f"SELECT stream, next_offset FROM {tables.CURSORS.name}"))  # noqa: S608
    return {}


def _in_log(
    home: Path, log: sqlite3.Connection, ends: Mapping[str, int], rejected_since: datetime
) -> set[bytes]:
    found: set[bytes] = set()
    history = _History(rejected_since, FileBlobStore(releases_path(home)))
    streams = [stream for (stream,) in log.execute("SELECT DISTINCT stream FROM messages")]
    for stream in streams:
        if stream.startswith((wire.STREAM, dead_letters.STREAM)):
            continue  # pictures themselves, and letters that the ledgers have
        unread_from = ends.get(stream, 0)
        query = "SELECT offset, appended_at, body FROM messages WHERE stream = ? ORDER BY offset"
        for offset, appended_at, body in log.execute(query, (stream,)):
            if offset >= unread_from or history.has(body, datetime.fromisoformat(appended_at)):
                found |= _digests(body)
    for dataset in (home / "datasets").glob("*/manifest.json"):
        found |= _digests(dataset.read_bytes())
    return found


@dataclass(frozen=True, slots=True)
class _History:
    """Events whose blobs are needed after every service has read them: for a replay, or to be released again.

    A picture's variants are named by the ledgers as long as they are those of its newest revision.
    """

    rejected_since: datetime
    releases: FileBlobStore

    def has(self, body: bytes, appended_at: datetime) -> bool:
        """Whether the event in ``body`` is one; what cannot be read is."""
        try:
            event = decode(body).event
        except (UnknownEventType, PermanentError):
            return True
        match event:
            case ImageSaved() | DatasetFormed():
                return True
            case ModelRejected():
                return appended_at >= self.rejected_since
            case ModelPublished():  # its half lay among the blobs before releases had a store of their own
                return not self.releases.path(event.big.sha256).exists()
            case _:
                return event.type.partition(".")[0] not in ("image", "batch")


def _digests(value: str | bytes) -> set[bytes]:
    return set(_DIGEST.findall(value.encode() if isinstance(value, str) else value))


def _in_row(row: Sequence[Any]) -> set[bytes]:
    return {digest for value in row if isinstance(value, str | bytes) for digest in _digests(value)}


def _connect(path: Path) -> sqlite3.Connection:
    if may_only_be_read(path):
        return connect_reading(path)
    return sqlite3.connect(path, timeout=10, isolation_level=None)


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """One moment of a database that others may be writing to.

    Raises:
        SetupError: ``database_corrupt``, ``database_unreadable``. TransientError: ``database_unavailable``.
    """
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN")
            yield connection
    except sqlite3.DatabaseError as error:
        raise database_error(error, path) from error


def _blobs(home: Path, needed: set[bytes], before_s: float, waste: Waste, *, dry_run: bool) -> None:
    store = FileBlobStore(blobs_path(home))
    for path in sorted(blobs_path(home).glob("??/??/*")):
        facts = path.stat()
        is_waste = path.name.encode() not in needed and facts.st_nlink == 1 and facts.st_mtime < before_s
        if is_waste and (dry_run or store.remove_older(path.name, before_s)):
            waste.add(BLOBS, facts.st_size)
        else:
            waste.kept_blobs += 1


def _left_over(home: Path) -> Iterator[Path]:
    for folder in VIEWS:
        yield from (home / folder).rglob(".*.tmp")
    yield from (home / "blobs" / "tmp").glob("*")
    yield from (home / "datasets").glob(".*.building")


def _files(kind: str, paths: Iterable[Path], before_s: float, waste: Waste, *, dry_run: bool) -> None:
    for path in paths:
        with suppress(FileNotFoundError):  # somebody else was quicker
            if path.stat().st_mtime >= before_s:
                continue
            size_bytes = _size(path)
            if not dry_run:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            waste.add(kind, size_bytes)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(each.stat().st_size for each in files if each.is_file() and each.stat().st_nlink == 1)
