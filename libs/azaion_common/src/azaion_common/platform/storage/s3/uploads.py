"""Writing objects: small ones in one request, big ones in parts."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from azaion_common.contracts.events.references import BlobRef
from azaion_common.core.errors import TransientError
from azaion_common.platform.storage.s3.aborts import Aborts
from azaion_common.platform.storage.s3.ahead import in_order
from azaion_common.platform.storage.s3.calls import Calls
from azaion_common.platform.storage.s3.create_only import CreateOnly
from azaion_common.platform.storage.s3.deadline import Deadline
from azaion_common.platform.storage.s3.errors import Unfit, code_of
from azaion_common.platform.storage.s3.limits import Limits

MOST_PARTS = 10_000
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Upload:
    """One upload in parts, as the server knows it."""

    where: Mapping[str, str]
    """Bucket, key and upload id, as every request about it names them."""
    deadline: Deadline


class Uploads:
    """Writes to one bucket. Use ``close`` at the end."""

    def __init__(self, client: Any, bucket: str, calls: Calls, limits: Limits) -> None:
        self._client = client
        self._bucket = bucket
        self._calls = calls
        self._limits = limits
        self._create_only = CreateOnly()
        self._aborts = Aborts(client, bucket, calls, limits)

    async def send(
        self, key: str, blob: BlobRef, file: BinaryIO, deadline: Deadline, *, replace: bool = False
    ) -> None:
        """Write all of ``file``, which holds ``blob``; what is there already stays unless ``replace``.

        Raises as ``Calls.run``, and:
            TransientError: ``file_changed``.
        """
        await asyncio.to_thread(file.seek, 0)
        if blob.size_bytes <= self._limits.part_bytes:
            data = await asyncio.to_thread(file.read)
            put = partial(self._put, key, data, blob.media_type, replace=replace)
            await self._calls.run(put, deadline)
        else:
            await self._send_in_parts(key, blob, file, deadline, replace=replace)

    async def close(self) -> None:
        """Wait until what failed is cleaned up."""
        await self._aborts.finish()

    async def _put(self, key: str, data: bytes, media_type: str, *, replace: bool) -> None:
        async def send(condition: Mapping[str, str]) -> dict[str, Any]:
            # Not the bytes themselves: aiohttp warns of big ones, which it would send in one piece.
            body = io.BytesIO(data)
            answer: dict[str, Any] = await self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType=media_type, **condition
            )
            return answer

        _check(await self._create_only.write(send, replace=replace), "ETag")

    async def _send_in_parts(
        self, key: str, blob: BlobRef, file: BinaryIO, deadline: Deadline, *, replace: bool
    ) -> None:
        upload_id = await self._calls.run(partial(self._begin, key, blob.media_type), deadline)
        upload = _Upload({"Bucket": self._bucket, "Key": key, "UploadId": upload_id}, deadline)
        try:
            sending = in_order(self._parts(upload, blob, file), at_once=self._limits.parts_in_flight)
            async with aclosing(sending):
                parts = [part async for part in sending]
            done = await self._calls.run(partial(self._complete, upload, parts, replace=replace), deadline)
        except BaseException:
            self._aborts.start(key, upload_id)
            raise
        if not done:
            self._aborts.start(key, upload_id)

    async def _begin(self, key: str, media_type: str) -> str:
        answer = await self._client.create_multipart_upload(
            Bucket=self._bucket, Key=key, ContentType=media_type
        )
        _check(answer, "UploadId")
        return str(answer["UploadId"])

    async def _parts(
        self, upload: _Upload, blob: BlobRef, file: BinaryIO
    ) -> AsyncGenerator[Coroutine[Any, Any, Part], None]:
        """Reads one part after the other, and checks in the end that it was the blob."""
        size_bytes = max(self._limits.part_bytes, -(-blob.size_bytes // MOST_PARTS))
        digest, number = hashlib.sha256(), 0
        while data := await asyncio.to_thread(file.read, size_bytes):
            await asyncio.to_thread(digest.update, data)
            number += 1
            send = partial(self._send_part, upload.where, number, data)
            yield self._calls.run(send, upload.deadline)
            del data, send  # they would live on while the next part is read
        if digest.hexdigest() != blob.sha256:
            raise TransientError("file_changed", "the file was written to while it was stored")

    async def _send_part(self, where: Mapping[str, str], number: int, data: bytes) -> Part:
        answer = await self._client.upload_part(**where, PartNumber=number, Body=io.BytesIO(data))
        _check(answer, "ETag")
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _complete(self, upload: _Upload, parts: list[Part], *, replace: bool) -> bool:
        """False when the blob is there already and these parts are superfluous."""

        async def send(condition: Mapping[str, str]) -> dict[str, Any]:
            answer: dict[str, Any] = await self._client.complete_multipart_upload(
                **upload.where, MultipartUpload={"Parts": parts}, **condition
            )
            return answer

        try:
            answer = await self._create_only.write(send, replace=replace)
        except ClientError as error:
            if (
                code_of(error) == "NoSuchUpload"
            ):  # completed by a try whose answer was lost; if not, reading tells
                return True
            raise
        _check(answer, "ETag")
        return answer is not None


def _check(answer: dict[str, Any] | None, name: str) -> None:
    """An answer without what S3 always sends comes from something else that happens to say 200."""
    if answer is not None and not answer.get(name):
        raise Unfit(f"an answer without {name}")
