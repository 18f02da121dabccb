"""What every ``BlobStore`` promises, whatever it is made of."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage import BlobStore

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


async def test_big_files_go_in_and_out(blobs: BlobStore, tmp_path: Path) -> None:
    """What is sent in parts is one blob, whole in every way of reading it."""
    data = random.Random(1).randbytes(19_000_000)
    (tmp_path / "file").write_bytes(data)

    reference = await blobs.put_file(tmp_path / "file", "application/onnx")
    await blobs.fetch(reference.sha256, tmp_path / "copy")

    assert reference.sha256 == hashlib.sha256(data).hexdigest()
    assert await blobs.size(reference.sha256) == len(data)
    assert (tmp_path / "copy").read_bytes() == data
    assert await blobs.get(reference.sha256) == data
    chunks = [chunk async for chunk in blobs.read(reference.sha256, offset=7_999_999)]
    assert b"".join(chunks) == data[7_999_999:]


async def test_equal_big_files_at_once_are_one_blob(blobs: BlobStore, tmp_path: Path) -> None:
    """Writers that do not know of each other all succeed."""
    (tmp_path / "file").write_bytes(b"x" * 9_000_000)

    references = await asyncio.gather(*(blobs.put_file(tmp_path / "file", "a/b") for _ in range(3)))

    assert len(set(references)) == 1
    assert await blobs.get(references[0].sha256) == b"x" * 9_000_000
    assert len([blob async for blob in blobs.list()]) == 1


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


async def test_reading_can_start_at_the_end(blobs: BlobStore) -> None:
    """A download that was complete has nothing more to come, and neither has an empty blob."""
    for data in (b"whole", b""):
        reference = await blobs.put(data, "text/plain")
        for offset in (len(data), len(data) + 1):
            assert [chunk async for chunk in blobs.read(reference.sha256, offset=offset)] == []


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
    with pytest.raises(PermanentError):
        await blobs.get(reference.sha256)


async def test_a_deleted_blob_can_be_stored_again(blobs: BlobStore) -> None:
    """Nothing remembers that it was there once."""
    for _ in range(2):
        reference = await blobs.put(b"again", "text/plain")
        assert await blobs.get(reference.sha256) == b"again"
        await blobs.delete(reference.sha256)


async def test_a_cancelled_writer_leaves_nothing_half(blobs: BlobStore, tmp_path: Path) -> None:
    """Whenever it is stopped, the blob is there whole or not at all, and storing it again works."""
    data = bytes(range(256)) * 50_000
    (tmp_path / "file").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    for delay_s in (0.0, 0.005, 0.02, 0.05, 0.1):
        writing = asyncio.create_task(blobs.put_file(tmp_path / "file", "a/b"))
        await asyncio.sleep(delay_s)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert await blobs.size(sha256) in (None, len(data))

    await blobs.put_file(tmp_path / "file", "a/b")
    assert await blobs.get(sha256) == data
