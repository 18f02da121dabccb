"""What a home holds, read from its files alone: SQLite, msgpack and folders. Nothing here imports the system."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

ANNOTATIONS, IMAGES, DATASETS, MODELS = (
    "azaion-annotations",
    "azaion.images",
    "azaion.datasets",
    "azaion.models",
)
STREAMS = (IMAGES, DATASETS, MODELS)
PICTURES = "SELECT name, state, revision, image_sha256, boxes, media_name, media_time_s FROM pictures"
VARIANTS = "SELECT name, picture, image_sha256, image_media_type, labels_sha256 FROM augmented_variants"
VIEWS = ("data", "data-seed", "data_deleted", "data-corrupted", "data-processed")


def rows(database: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a query on a database that others may be writing; empty while it or its tables do not exist yet."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or not database.exists():
            return []
        raise


@dataclass(frozen=True)
class Event:
    """One event of a stream as it lies in the log."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Reads one home."""

    home: Path

    @property
    def log(self) -> Path:
        return self.home / "streams" / "log.sqlite"

    def ledger(self, service: str) -> Path:
        return self.home / "ledgers" / f"{service}.sqlite"

    def ledgers(self) -> list[Path]:
        return sorted((self.home / "ledgers").glob("*.sqlite"))

    def count(self, stream: str, before: int | None = None) -> int:
        """Messages in a stream (with an offset lower than ``before``)."""
        query = "SELECT count(*) FROM messages WHERE stream = ? AND (? IS NULL OR offset < ?)"
        found = rows(self.log, query, stream, before, before)
        return int(found[0][0]) if found else 0

    def events(self, stream: str, kind: str | None = None) -> list[Event]:
        """Events of a stream in order; ``kind`` without its version, for example ``image.saved``."""
        found = []
        for (body,) in rows(self.log, "SELECT body FROM messages WHERE stream = ? ORDER BY offset", stream):
            fields = msgpack.unpackb(body)
            if kind is None or fields["type"].rpartition(".v")[0] == kind:
                found.append(Event(fields["type"].rpartition(".v")[0], fields["data"]))
        return found

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Data of every event of a type, in whichever stream."""
        return [event.data for stream in STREAMS for event in self.events(stream, kind)]

    def open_jobs(self, queue: str) -> list[tuple[str, int]]:
        """Job ids with the number of times that they were taken."""
        query = "SELECT job_id, attempt FROM jobs WHERE queue = ? AND over = 0 ORDER BY id"
        return rows(self.home / "jobs" / "queue.sqlite", query, queue)

    def pictures(self) -> list[tuple[str, str]]:
        """Name and state of every picture in the ingestor's ledger."""
        return rows(self.ledger("ingestor"), "SELECT name, state FROM pictures ORDER BY name")

    def picture_rows(self) -> list[tuple[Any, ...]]:
        return rows(self.ledger("ingestor"), PICTURES)

    def variant_rows(self) -> list[tuple[Any, ...]]:
        return rows(self.ledger("augmentor"), VARIANTS)

    def quarantined(self) -> list[str]:
        """Reasons in the ingestor's quarantine, in the order of the messages."""
        query = "SELECT reason FROM inbox_quarantine ORDER BY stream, offset"
        return [reason for (reason,) in rows(self.ledger("ingestor"), query)]

    def unread(self, service: str, stream: str) -> int:
        """Messages of ``stream`` that ``service`` has not come to an end with."""
        found = rows(self.ledger(service), "SELECT next_offset FROM inbox_cursor WHERE stream = ?", stream)
        return self.count(stream) - (self.count(stream, before=found[0][0]) if found else 0)

    def blob(self, sha256: str) -> Path:
        return self.home / "blobs" / sha256[:2] / sha256[2:4] / sha256

    def blobs(self) -> Iterator[Path]:
        yield from self.home.glob("blobs/??/??/*")
        yield from self.home.glob("releases/??/??/*")
        yield from self.home.glob("api/resources/??/??/*")

    def view_files(self, view: str) -> list[Path]:
        """Every file under a view but its note, hidden ones and leftovers too."""
        folder = self.home / view
        return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / "README.txt")

    def settled(self) -> bool:
        """Nothing is unread, owed, queued or late any more, and no service is still making its tables."""
        return not (
            self._starting() or self._unread() or self._owed() or self._queued() or self._late_views()
        )

    def _starting(self) -> bool:
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'outbox'"
        return any(rows(path, query) != [(1,)] for path in self.ledgers())

    def _unread(self) -> int:
        query = "SELECT stream, next_offset FROM inbox_cursor"
        found = [(stream, at) for path in self.ledgers() for stream, at in rows(path, query)]
        return sum(self.count(stream) - self.count(stream, before=at) for stream, at in found)

    def _owed(self) -> int:
        query = "SELECT count(*) FROM outbox WHERE NOT sent"
        return sum(count for path in self.ledgers() for (count,) in rows(path, query))

    def _queued(self) -> int:
        return sum(
            n
            for (n,) in rows(self.home / "jobs" / "queue.sqlite", "SELECT count(*) FROM jobs WHERE NOT over")
        )

    def _late_views(self) -> int:
        tables = (("ingestor", "views_due"), ("augmentor", "augmented_views_due"))
        queries = ((self.ledger(name), f"SELECT count(*) FROM {table}") for name, table in tables)  # noqa: S608
        return sum(count for path, query in queries for (count,) in rows(path, query))


def torn_blobs(evidence: Evidence) -> list[str]:
    """Blobs whose bytes are not what their name says."""
    return [
        path.name for path in evidence.blobs() if hashlib.sha256(path.read_bytes()).hexdigest() != path.name
    ]


def unbalanced(evidence: Evidence) -> list[str]:
    """Ledgers where messages in are not applied + passed over + quarantined + unread, stream by stream."""
    query = "SELECT stream, next_offset, applied, passed_over, quarantined FROM inbox_cursor"
    wrong = []
    for path in evidence.ledgers():
        for stream, at, *outcomes in rows(path, query):
            read = evidence.count(stream, before=at)
            if read != sum(outcomes):
                wrong.append(f"{path.stem} of {stream}: read {read}, accounted {sum(outcomes)}")
    return wrong


def unsound_databases(evidence: Evidence) -> list[str]:
    """Databases that fail SQLite's own check."""
    found = [*evidence.ledgers(), evidence.log, evidence.home / "jobs" / "queue.sqlite"]
    return [path.name for path in found if rows(path, "PRAGMA integrity_check") != [("ok",)]]


def repeated(names: list[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
