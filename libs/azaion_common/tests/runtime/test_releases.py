"""Where sealed releases lie: apart from everything else, so that devices may be let in there alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime import transports
from azaion_common.platform.runtime.settings import PlatformSettings

BLOBS = {
    "blobs_url": "s3://pictures",
    "s3_endpoint_url": "http://127.0.0.1:1",
    "s3_access_key": "service",
    "s3_secret_key": SecretStr("hush"),
}


async def test_in_a_home_they_have_a_folder_of_their_own(tmp_path: Path) -> None:
    """The embedded form has the same two stores as the one on servers."""
    settings = PlatformSettings()
    async with (
        transports.open_blobs(tmp_path, settings) as blobs,
        transports.open_releases(tmp_path, settings) as releases,
    ):
        half = await releases.put(b"sealed", "application/octet-stream")

        assert await blobs.size(half.sha256) is None
    assert transports.releases_path(tmp_path).is_dir()


async def test_with_blobs_on_a_server_their_place_has_to_be_named(tmp_path: Path) -> None:
    """Neither a home that no device sees nor the store of all pictures is taken in silence; the hint says what to set."""
    with pytest.raises(PermanentError) as caught:
        async with transports.open_releases(tmp_path, PlatformSettings.model_validate(BLOBS)):
            pass

    assert caught.value.code == "releases_url_missing"
    assert "platform.releases_url: s3://" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("keys", "access_key"),
    [
        ({"releases_access_key": "device", "releases_secret_key": SecretStr("own")}, "device"),
        ({}, "service"),
    ],
)
def test_they_have_credentials_of_their_own(keys: dict[str, object], access_key: str) -> None:
    """A device has none but these; without them the store's own serve for both."""
    settings = PlatformSettings.model_validate({**BLOBS, **keys, "releases_url": "s3://releases/sealed"})

    location = transports._releases_location("s3://releases/sealed", settings)

    assert (location.bucket, location.prefix, location.access_key) == ("releases", "sealed", access_key)
    assert location.endpoint_url == "http://127.0.0.1:1"


async def test_a_device_knows_of_no_other_store(tmp_path: Path) -> None:
    """Its settings name releases and no blobs: that is enough, and a wrong address is told by its own name."""
    settings = PlatformSettings(
        releases_url="http://releases", releases_access_key="device", releases_secret_key=SecretStr("own")
    )
    with pytest.raises(PermanentError) as caught:
        async with transports.open_releases(tmp_path, settings):
            pass

    assert caught.value.code == "releases_url_invalid"
    assert "releases_access_key" in str(caught.value.hint)
