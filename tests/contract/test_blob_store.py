"""What every ``BlobStore`` promises, whatever it is made of."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from azaion_common.errors import PermanentError
from azaion_common.storage import BlobStore

ABSENT = "0" * 64


async def test_bytes_come_back_under_their_hash(blobs: BlobStore) -> None:
    """The reference names exactly the bytes that were put."""
    reference = await blobs.put(b"hello", "text/plain")

    assert reference.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (reference.size_bytes, reference.media_type) == (5, "text/plain")
    assert await blobs.get(reference.sha256) == b"hello"
    assert await blobs.size(reference.sha256) == 5


async def test_empty_bytes_are_a_blob(blobs: BlobStore) -> None:
    """Nothing at all can be stored and read."""
    reference = await blobs.put(b"", "text/plain")

    assert await blobs.get(reference.sha256) == b""


async def test_storing_again_changes_nothing(blobs: BlobStore) -> None:
    """The same bytes twice, even at once, are one blob."""
    references = await asyncio.gather(*(blobs.put(b"same", "text/plain") for _ in range(8)))

    assert len(set(references)) == 1
    assert [blob.sha256 async for blob in blobs.list()] == [references[0].sha256]


async def test_files_and_bytes_are_the_same_blob(blobs: BlobStore, tmp_path: Path) -> None:
    """A file put by path has the reference of its bytes, and stays where it was."""
    source = tmp_path / "file"
    source.write_bytes(b"x" * 3_000_000)

    reference = await blobs.put_file(source, "image/jpeg")

    assert reference == await blobs.put(source.read_bytes(), "image/jpeg")
    assert source.exists()


async def test_a_blob_can_appear_as_a_file(blobs: BlobStore, tmp_path: Path) -> None:
    """``fetch`` makes a file with the bytes, replacing what was there."""
    reference = await blobs.put(b"new", "text/plain")
    destination = tmp_path / "out.txt"
    destination.write_bytes(b"old")

    await blobs.fetch(reference.sha256, destination)

    assert destination.read_bytes() == b"new"
    assert list(tmp_path.glob(".*")) == []


async def test_reading_can_start_in_the_middle(blobs: BlobStore) -> None:
    """A download that broke goes on where it was."""
    reference = await blobs.put(bytes(range(256)) * 100, "text/plain")

    chunks = [chunk async for chunk in blobs.read(reference.sha256, offset=25_000, chunk_bytes=400)]

    assert b"".join(chunks) == (bytes(range(256)) * 100)[25_000:]


async def test_what_is_absent_says_so(blobs: BlobStore, tmp_path: Path) -> None:
    """Every way of reading a missing blob raises ``blob_missing``; asking for its size does not."""
    for attempt in (blobs.get(ABSENT), blobs.fetch(ABSENT, tmp_path / "x"), anext(aiter(blobs.read(ABSENT)))):
        with pytest.raises(PermanentError) as caught:
            await attempt
        assert caught.value.code == "blob_missing"
    assert await blobs.size(ABSENT) is None
    assert not (tmp_path / "x").exists()


async def test_a_deleted_blob_is_gone(blobs: BlobStore) -> None:
    """Deleting removes it; deleting again is fine."""
    reference = await blobs.put(b"bye", "text/plain")

    await blobs.delete(reference.sha256)
    await blobs.delete(reference.sha256)

    assert await blobs.size(reference.sha256) is None
