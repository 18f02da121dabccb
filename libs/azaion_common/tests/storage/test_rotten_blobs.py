"""A blob that has rotted on the disk is noticed wherever it is used, and mended when its bytes come again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.files import FileBlobStore

SOUND = b"a picture, byte by byte"


@pytest.fixture
def store(tmp_path: Path) -> FileBlobStore:
    return FileBlobStore.open(tmp_path / "blobs")


def spoil(path: Path, *, shorter: bool = False) -> None:
    """Flip one byte, or lose one, as a disk does."""
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-1] if shorter else bytes([data[0] ^ 1]) + data[1:])
    path.chmod(0o444)


@pytest.mark.parametrize("shorter", [False, True])
@pytest.mark.parametrize("way", ["put", "put_file"])
async def test_the_sound_bytes_replace_rotten_ones(
    store: FileBlobStore, tmp_path: Path, *, shorter: bool, way: str
) -> None:
    """Whoever stores the sound bytes again mends the blob, even one of the right size; nothing is left beside it."""
    blob = await store.put(SOUND, "text/plain")
    spoil(store.path(blob.sha256), shorter=shorter)
    (tmp_path / "file").write_bytes(SOUND)

    again = await (
        store.put(SOUND, "text/plain") if way == "put" else store.put_file(tmp_path / "file", "text/plain")
    )

    assert again == blob
    assert await store.get(blob.sha256) == SOUND
    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []


async def test_a_rotten_blob_becomes_no_file(store: FileBlobStore, tmp_path: Path) -> None:
    """What is linked into a folder is hashed first: a rotten blob is an error, and what was there stays."""
    blob = await store.put(SOUND, "text/plain")
    spoil(store.path(blob.sha256))
    (tmp_path / "shown").write_bytes(b"before")

    with pytest.raises(PermanentError) as caught:
        await store.fetch(blob.sha256, tmp_path / "shown")

    assert caught.value.code == "blob_corrupt"
    assert (tmp_path / "shown").read_bytes() == b"before"
    assert list(tmp_path.glob(".*")) == []


async def test_what_is_put_again_is_young_again(store: FileBlobStore) -> None:
    """A blob that somebody puts while others clean up is not old, so it is not taken from under them."""
    blob = await store.put(SOUND, "text/plain")
    long_ago, now = time.time() - 1e6, time.time()
    os.utime(store.path(blob.sha256), (long_ago, long_ago))

    await store.put(SOUND, "text/plain")

    assert not store.remove_older(blob.sha256, now - 60)
    os.utime(store.path(blob.sha256), (long_ago, long_ago))
    assert store.remove_older(blob.sha256, now - 60)
    assert not store.remove_older(blob.sha256, now)
    assert await store.size(blob.sha256) is None


async def test_rot_that_leaves_no_trace_is_found_once_the_bytes_are_no_longer_fresh(
    store: FileBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk changes bytes and no times: only a blob that was written a moment ago is linked without being read."""
    blob = await store.put(SOUND, "text/plain")
    times = store.path(blob.sha256).stat()
    spoil(store.path(blob.sha256))
    os.utime(store.path(blob.sha256), ns=(times.st_atime_ns, times.st_mtime_ns))

    await store.fetch(blob.sha256, tmp_path / "fresh")
    monkeypatch.setattr("azaion_common.platform.storage.files.WRITTEN_FOR_S", 0.0)
    with pytest.raises(PermanentError) as caught:
        await store.fetch(blob.sha256, tmp_path / "later")

    assert caught.value.code == "blob_corrupt"
