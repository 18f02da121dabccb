"""Cleaning up after uploads in parts that failed: what was sent would be kept, and paid for, until somebody does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from botocore.exceptions import ClientError

from azaion_common.core.errors import AzaionError
from azaion_common.platform.storage.s3.calls import Calls
from azaion_common.platform.storage.s3.deadline import deadline_for
from azaion_common.platform.storage.s3.errors import code_of
from azaion_common.platform.storage.s3.limits import Limits

_log = structlog.get_logger(__name__)


class Aborts:
    """Done in the background, so that whoever is cancelled or out of time does not wait for it."""

    def __init__(self, client: Any, bucket: str, calls: Calls, limits: Limits) -> None:
        self._client = client
        self._bucket = bucket
        self._calls = calls
        self._limits = replace(limits, deadline_s=limits.abort_s)
        self._running: set[asyncio.Task[None]] = set()

    def start(self, key: str, upload_id: str) -> None:
        task = asyncio.create_task(self._abort(key, upload_id), name=f"abort {key}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self) -> None:
        """Wait for all of them: ``abort_s`` at most."""
        await asyncio.gather(*self._running)

    async def _abort(self, key: str, upload_id: str) -> None:
        try:
            async with deadline_for(f"clean up after {key}", self._limits) as deadline:
                await self._calls.run(partial(self._ask, key, upload_id), deadline)
        except AzaionError as error:
            _log.warning(
                "blobs.parts_left_behind", key=key, code=error.code, hint="a lifecycle rule should end them"
            )

    async def _ask(self, key: str, upload_id: str) -> None:
        try:
            await self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise
