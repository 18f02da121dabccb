"""Who reads or links a rotten blob gets the sound one, where its bytes can be had again."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from azaion_common.contracts.annotations.profiles import Action
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, encode_annotation
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.transports import blobs_path
from azaion_common.platform.storage.files import FileBlobStore
from azaion_common.platform.storage.healing import HealingBlobs
from azaion_common.platform.streams import Message

ORIGINAL, VARIANT = b"an original", b"a variant of it"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def spoil(store: FileBlobStore, data: bytes) -> None:
    path = store.path(digest(data))
    path.chmod(0o644)
    path.write_bytes(b"?" * len(data))


class Maker:
    """Makes the variant of the original, and has the original from elsewhere, if it has it at all."""

    def __init__(self, store: FileBlobStore, *, has_original: bool) -> None:
        self.asked: list[bytes] = []
        self.blobs = HealingBlobs(store, self.heal)
        self._has_original = has_original

    async def heal(self, sha256: str) -> bool:
        data = next(each for each in (ORIGINAL, VARIANT) if digest(each) == sha256)
        self.asked.append(data)
        if data == VARIANT:
            try:
                assert await self.blobs.get(digest(ORIGINAL)) == ORIGINAL
            except PermanentError:
                return False
        elif not self._has_original:
            return False
        await self.blobs.put(data, "text/plain")
        return True


@pytest.fixture
async def store(tmp_path: Path) -> FileBlobStore:
    opened = FileBlobStore.open(tmp_path / "blobs")
    for data in (ORIGINAL, VARIANT):
        await opened.put(data, "text/plain")
        spoil(opened, data)
    return opened


async def test_a_rotten_blob_is_healed_where_it_is_read(store: FileBlobStore, tmp_path: Path) -> None:
    """Read or linked, a variant is made again, and the original that it takes is healed on the way; once for all."""
    maker = Maker(store, has_original=True)

    async with asyncio.timeout(10):
        found = await asyncio.gather(*(maker.blobs.get(digest(VARIANT)) for _ in range(3)))
        await maker.blobs.fetch(digest(VARIANT), tmp_path / "linked")

    assert found == [VARIANT] * 3
    assert maker.asked[:2] == [VARIANT, ORIGINAL]
    assert (tmp_path / "linked").read_bytes() == VARIANT
    assert await store.get(digest(ORIGINAL)) == ORIGINAL


async def test_what_cannot_be_healed_is_refused_and_not_tried_again(store: FileBlobStore) -> None:
    """Healing may cost minutes, so a blob that nothing has any more is looked for once in a process."""
    maker = Maker(store, has_original=False)

    for _ in range(2):
        with pytest.raises(PermanentError, match="blob_corrupt"):
            await maker.blobs.get(digest(VARIANT))

    assert maker.asked == [VARIANT, ORIGINAL]


async def test_a_home_heals_pictures_from_its_messages(tmp_path: Path) -> None:
    """On the embedded platform the messages that brought pictures in are the second copy of each."""
    message = AnnotationMessage(
        action=Action.CREATED,
        name="road",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        detections="[]",
        image=ORIGINAL,
    )
    async with open_platform(tmp_path) as platform:
        await platform.log.append(STREAM, [Message(encode_annotation(message))])
        await platform.blobs.put(ORIGINAL, "text/plain")
        spoil(FileBlobStore(blobs_path(tmp_path)), ORIGINAL)

        assert await platform.blobs.get(digest(ORIGINAL)) == ORIGINAL
