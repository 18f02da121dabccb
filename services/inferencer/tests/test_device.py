"""A device put together."""

from __future__ import annotations

import json
from pathlib import Path

from azaion_common.packages import load_or_create_fleet_key
from azaion_common.testing import platform as embedded
from azaion_inferencer.device import open_device
from azaion_inferencer.settings import InferencerSettings


async def test_a_device_fetches_from_the_store_of_releases(tmp_path: Path) -> None:
    """It finds what lies there, and nothing of what lies among pictures and models."""
    async with embedded(tmp_path) as platform:
        load_or_create_fleet_key(tmp_path / "secrets" / "fleet.key")
        account = {"email": "device@example.org", "password": "a device's"}
        (tmp_path / "secrets" / "device.json").write_text(json.dumps(account))
        plain = await platform.blobs.put(b"plain model", "application/onnx")
        async with platform.open_releases() as releases:
            half = await releases.put(b"sealed half", "application/octet-stream")

        async with (
            open_device(platform, InferencerSettings()) as device,
            device.download.open_store() as store,
        ):
            assert [each async for each in store.read(half.sha256)] == [b"sealed half"]
            assert await store.size(plain.sha256) is None
