"""What is in the bucket: sizes, pages of keys, and removing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from azaion_common.core.errors import SetupError
from azaion_common.platform.storage.s3.calls import Calls
from azaion_common.platform.storage.s3.deadline import Deadline
from azaion_common.platform.storage.s3.errors import Unfit, status_of
from azaion_common.platform.storage.s3.limits import Limits

_NO_CONTENT, _NOT_FOUND = 204, 404


class Inventory:
    """Looks into one bucket. All methods raise as ``Calls.run``."""

    def __init__(self, client: Any, bucket: str, calls: Calls, limits: Limits) -> None:
        self._client = client
        self._bucket = bucket
        self._calls = calls
        self._limits = limits
        self._bucket_seen = False

    async def size(self, key: str, deadline: Deadline, *, just_written: bool = False) -> int | None:
        """Size in bytes, None when absent; what was ``just_written`` and is absent is asked for again."""
        size_bytes = await self._calls.run(partial(self._size, key, just_written=just_written), deadline)
        if size_bytes is None:
            await self._check_bucket(deadline)
        return size_bytes

    async def remove(self, key: str, deadline: Deadline) -> None:
        """A missing one is fine."""
        await self._calls.run(partial(self._remove, key), deadline)

    async def entries(
        self, prefix: str, deadline: Callable[[], AbstractAsyncContextManager[Deadline]]
    ) -> AsyncGenerator[tuple[str, int], None]:
        """Keys and sizes in the order of the keys; every page has a ``deadline`` of its own."""
        options: dict[str, Any] = {"Prefix": prefix, "MaxKeys": self._limits.keys_per_page}
        while True:
            async with deadline() as until:
                page = await self._calls.run(partial(self._page, options), until)
            for entry in page.get("Contents", ()):
                yield str(entry["Key"]), int(entry["Size"])
            if not page["IsTruncated"]:
                return
            options["ContinuationToken"] = page["NextContinuationToken"]

    async def _size(self, key: str, *, just_written: bool) -> int | None:
        try:
            answer = await self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if status_of(error) != _NOT_FOUND:
                raise
            if just_written:
                raise Unfit("what was just stored is not there yet") from error
            return None
        if not answer.get("ETag"):
            raise Unfit("an answer without ETag")
        return int(answer["ContentLength"])

    async def _remove(self, key: str) -> None:
        answer = await self._client.delete_object(Bucket=self._bucket, Key=key)
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        if status != _NO_CONTENT:  # whatever says 200 to everything has deleted nothing
            raise Unfit(f"{status} to a DELETE")

    async def _page(self, options: dict[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = await self._client.list_objects_v2(Bucket=self._bucket, **options)
        more = page.get("IsTruncated")
        if more is None or (
            more and page.get("NextContinuationToken") in (None, options.get("ContinuationToken"))
        ):
            raise Unfit("a page that does not say how it goes on")  # an empty answer is no empty bucket
        return page

    async def _check_bucket(self, deadline: Deadline) -> None:
        """S3 does not say whether the key or all of the bucket is absent; asked once."""
        if self._bucket_seen:
            return
        if not await self._calls.run(self._has_bucket, deadline):
            raise SetupError(
                "bucket_missing",
                f"cannot {deadline.doing}: there is no bucket {self._bucket}",
                hint="create the bucket, or correct blobs_url",
            )
        self._bucket_seen = True

    async def _has_bucket(self) -> bool:
        try:
            await self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if status_of(error) == _NOT_FOUND:
                return False
            raise
        return True
