"""What a SQLite file says when nothing can be written, and who sweeps a blob store."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from azaion_common.core.errors import TransientError
from azaion_common.platform.database.engine import sqlite_url
from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.streams.sqlite import SqliteEventLog

Opening = Callable[[Path], AbstractAsyncContextManager[object]]


def open_log(folder: Path) -> AbstractAsyncContextManager[object]:
    return SqliteEventLog.open(folder / "log.sqlite")


def open_ledger(folder: Path) -> AbstractAsyncContextManager[object]:
    return Ledger.open(sqlite_url(folder / "bakery.sqlite"), "bakery", MetaData())


@pytest.mark.parametrize("opening", [open_log, open_ledger])
@pytest.mark.parametrize("said", ["unable to open database file", "disk I/O error"])
async def test_a_disk_that_is_full_at_the_start_is_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: Opening, said: str
) -> None:
    """SQLite's words for a full disk at the opening of a database become ``disk_full``, which passes."""

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError(said)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(sqlite3, "connect", fail)
    monkeypatch.setattr("sqlite3.dbapi2.connect", fail)
    monkeypatch.setattr(os, "posix_fallocate", no_room)

    with pytest.raises(TransientError) as caught:
        async with opening(tmp_path):
            pass

    assert caught.value.code == "disk_full"
    assert list(tmp_path.glob("*.tmp")) == []


def test_who_opens_a_store_alone_sweeps_what_killed_writers_left(tmp_path: Path) -> None:
    """Leftovers of a killed writer go at the next start, however young; those of a writer at work stay."""
    left = tmp_path / "tmp" / "half"
    store = FileBlobStore.open(tmp_path)
    left.write_bytes(b"at work")

    second = FileBlobStore.open(tmp_path)
    assert left.exists()

    store.close()
    second.close()
    FileBlobStore.open(tmp_path)
    assert not left.exists()
