"""Addresses of blob stores on S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.s3.location import S3Location

SHA256 = "ab" * 32


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("s3://pictures", f"ab/ab/{SHA256}"),
        ("s3://pictures/", f"ab/ab/{SHA256}"),
        ("s3://pictures/azaion/blobs/", f"azaion/blobs/ab/ab/{SHA256}"),
        ("s3://pictures/a%20b", f"a b/ab/ab/{SHA256}"),
    ],
)
def test_blobs_lie_under_the_prefix(url: str, key: str) -> None:
    """The URL names the bucket and what all keys begin with."""
    location = S3Location.parse(url)

    assert (location.bucket, location.key(SHA256)) == ("pictures", key)


def test_everything_beside_the_url_is_kept() -> None:
    """Server, region, keys and certificates are as given; the region has a default."""
    location = S3Location.parse(
        "s3://b?ca=/etc/ca.pem", endpoint_url="https://s3:9000", access_key="me", secret_key="hush"
    )

    assert location == S3Location("b", "", "https://s3:9000", "us-east-1", "me", "hush", Path("/etc/ca.pem"))
    assert S3Location.parse("s3://b", region="eu-central-1").region == "eu-central-1"


def test_the_secret_is_not_shown() -> None:
    """Neither in logs nor in errors that show a location."""
    location = S3Location.parse("s3://b", access_key="me", secret_key="hush")

    assert "hush" not in repr(location) + str(location)


@pytest.mark.parametrize(
    ("url", "beside"),
    [
        ("http://pictures", {}),
        ("s3:///prefix", {}),
        ("s3://key:hush@pictures", {}),
        ("s3://pictures?sa=1", {}),
        ("s3://pictures", {"endpoint_url": "minio:9000"}),
        ("s3://pictures", {"access_key": "me"}),
        ("s3://pictures", {"secret_key": "hush"}),
        ("s3://[", {}),
    ],
)
def test_a_wrong_address_is_refused(url: str, beside: dict[str, str]) -> None:
    """What cannot work is refused before anything connects."""
    with pytest.raises(PermanentError) as caught:
        S3Location.parse(url, **beside)

    assert caught.value.code == "blobs_url_invalid"
    assert "hush" not in str(caught.value)
