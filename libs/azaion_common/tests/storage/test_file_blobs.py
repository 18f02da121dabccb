"""Blobs as files: what is told to the disk, and in which order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from azaion_common.core import durable
from azaion_common.core.errors import TransientError
from azaion_common.platform.storage.files import FileBlobStore

MANY = 16


class Disk:
    """Watches what is made durable, between the real calls."""

    def __init__(self, store_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, int, int]] = []
        """Kind of sync, and how many files had a temporary and how many their final name then."""
        self.failing = 0
        self._root = store_root
        fsync, syncfs = os.fsync, durable._sync_file_system
        monkeypatch.setattr(os, "fsync", self._watched("fsync", fsync))
        monkeypatch.setattr(durable, "_sync_file_system", self._watched("syncfs", syncfs))

    def _watched(self, kind: str, sync: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            self.calls.append((kind, self.temporaries(), self.finals()))
            if self.failing:
                self.failing -= 1
                raise OSError(5, "input/output error")
            sync(descriptor)

        return call

    def temporaries(self) -> int:
        return len(list((self._root / "tmp").iterdir()))

    def finals(self) -> int:
        return len(list(self._root.glob("??/??/*")))


@pytest.fixture
def store(tmp_path: Path) -> FileBlobStore:
    return FileBlobStore.open(tmp_path / "blobs")


@pytest.fixture
def disk(store: FileBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path / "blobs", monkeypatch)


async def put_many(store: FileBlobStore) -> None:
    await asyncio.gather(*(store.put(bytes([number]), "text/plain") for number in range(MANY)))


async def test_many_at_once_share_their_syncs(store: FileBlobStore, disk: Disk) -> None:
    """Blobs that are put together cost two syncs: of all their bytes before any has its name, and of all names."""
    await put_many(store)

    assert disk.calls == [("syncfs", MANY, 0), ("syncfs", 0, MANY)]


async def test_a_lone_blob_waits_for_no_other_file(store: FileBlobStore, disk: Disk) -> None:
    """A single blob is synced by itself, bytes first, then its folder and those that were made for it."""
    await store.put(b"lone", "text/plain")

    assert disk.calls == [("fsync", 1, 0)] + [("fsync", 0, 1)] * 3


@pytest.mark.parametrize(("system", "release"), [("Linux", "5.4.0-42-generic"), ("Darwin", "23.1.0")])
async def test_without_a_sync_that_tells_of_errors_each_file_is_synced(
    store: FileBlobStore, disk: Disk, monkeypatch: pytest.MonkeyPatch, system: str, release: str
) -> None:
    """Where a sync of the file system may hide a failed write, it is not used."""
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.release", lambda: release)

    await put_many(store)

    assert {kind for kind, _, _ in disk.calls} == {"fsync"}
    assert disk.calls[:MANY] == [("fsync", MANY, 0)] * MANY


async def test_a_failed_sync_stores_nothing_and_leaves_nothing(store: FileBlobStore, disk: Disk) -> None:
    """When the disk refuses, everyone in the group hears of it, no blob is there, and the next try stores all."""
    disk.failing = 1

    outcomes = await asyncio.gather(
        *(store.put(bytes([number]), "text/plain") for number in range(MANY)), return_exceptions=True
    )

    assert [getattr(outcome, "code", None) for outcome in outcomes] == ["store_unavailable"] * MANY
    assert all(isinstance(outcome, TransientError) for outcome in outcomes)
    assert (disk.temporaries(), disk.finals()) == (0, 0)
    await put_many(store)
    assert disk.finals() == MANY


async def test_one_who_gives_up_takes_nobody_along(store: FileBlobStore) -> None:
    """A cancelled put neither fails nor hangs the others of its group."""
    puts = [asyncio.create_task(store.put(bytes([number]), "text/plain")) for number in range(MANY)]
    await asyncio.sleep(0)
    puts[3].cancel()

    outcomes = await asyncio.gather(*puts, return_exceptions=True)

    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes].index(True) == 3
    assert sum(isinstance(outcome, BaseException) for outcome in outcomes) == 1


async def test_what_comes_while_a_group_is_written_is_written_next(store: FileBlobStore, disk: Disk) -> None:
    """Nothing waits for ever: a put that comes during another's sync has its turn after it."""
    first = asyncio.create_task(store.put(b"first", "text/plain"))
    while not disk.calls:
        await asyncio.sleep(0)
    await put_many(store)
    await first

    assert disk.finals() == MANY + 1
