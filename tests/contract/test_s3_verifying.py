"""``azaion blobs verify --heal`` where the blobs are on S3 and the messages in the home."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from s3test.rig import Rig

from azaion_common.contracts.annotations.profiles import Action
from azaion_common.contracts.annotations.wire import STREAM, AnnotationMessage, encode_annotation
from azaion_common.platform.runtime.platform import open_platform
from azaion_common.platform.runtime.verifying import verify
from azaion_common.platform.streams import Message

PICTURE, OTHER = b"a picture", b"a model that no message brought"


async def test_rotten_objects_are_found_and_healed(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object whose bytes changed is found by reading it, and put again where a message still has them."""
    for name, value in {
        "BLOBS_URL": f"s3://{rig.location.bucket}/{rig.location.prefix}",
        "S3_ENDPOINT_URL": str(rig.location.endpoint_url),
        "S3_ACCESS_KEY": str(rig.location.access_key),
        "S3_SECRET_KEY": str(rig.location.secret_key),
    }.items():
        monkeypatch.setenv(f"AZAION_PLATFORM__{name}", value)
    message = AnnotationMessage(
        action=Action.CREATED,
        name="road",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        detections="[]",
        image=PICTURE,
    )
    async with open_platform(tmp_path) as platform:
        await platform.log.append(STREAM, [Message(encode_annotation(message))])
        blobs = [await platform.blobs.put(data, "text/plain") for data in (PICTURE, OTHER, b"sound")]
    for blob in blobs[:2]:
        rig.store_behind(rig.location.key(blob.sha256), b"rotten bits")

    found = await verify(tmp_path, lambda _done: None)
    healed = await verify(tmp_path, lambda _done: None, with_heal=True)

    assert found.blobs == 3
    assert set(found.unhealed) == {blob.sha256 for blob in blobs[:2]}
    assert healed.healed == (blobs[0].sha256,)
    assert healed.unhealed == (hashlib.sha256(OTHER).hexdigest(),)
    assert rig.stored(blobs[0].sha256) == PICTURE
