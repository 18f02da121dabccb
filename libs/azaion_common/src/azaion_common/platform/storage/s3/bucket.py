"""The bucket itself, made once when a platform is set up."""

from __future__ import annotations

from botocore.exceptions import ClientError

from azaion_common.platform.storage.s3.calls import Calls
from azaion_common.platform.storage.s3.deadline import deadline_for
from azaion_common.platform.storage.s3.errors import code_of
from azaion_common.platform.storage.s3.limits import Limits
from azaion_common.platform.storage.s3.location import S3Location
from azaion_common.platform.storage.s3.session import client_for


async def make_bucket(location: S3Location, limits: Limits | None = None) -> None:
    """Make the bucket of ``location``; one of ours that is there stays as it is.

    Raises:
        TransientError: ``store_unavailable``.
        PermanentError: ``store_denied``, ``store_untrusted``, ``store_refused``.
    """
    chosen = limits or Limits()
    async with client_for(location, chosen) as client:

        async def make() -> None:
            try:
                await client.create_bucket(Bucket=location.bucket)
            except ClientError as error:
                if code_of(error) != "BucketAlreadyOwnedByYou":
                    raise

        async with deadline_for(f"make bucket {location.bucket}", chosen) as deadline:
            await Calls(chosen).run(make, deadline)
