"""Reading objects, range by range; a range that breaks off goes on from where it was."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from azaion_common.platform.storage.s3.ahead import in_order
from azaion_common.platform.storage.s3.calls import Calls
from azaion_common.platform.storage.s3.deadline import Deadline
from azaion_common.platform.storage.s3.errors import Unfit, code_of, status_of
from azaion_common.platform.storage.s3.limits import Limits

_CHUNK_BYTES = 64 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_OUT_OF_RANGE, _NOT_FOUND = 416, 404


@dataclass(slots=True)
class Piece:
    """Bytes of an object from ``start`` on, and what is known of the whole."""

    start: int
    data: bytearray
    etag: str | None = None
    """Names this version of the object; other ranges have to be of the same."""
    total_bytes: int | None = None
    """Size of the whole object, or no more than ``start`` where it ends before that."""

    @property
    def next(self) -> int:
        return self.start + len(self.data)

    @property
    def is_last(self) -> bool:
        return self.total_bytes is not None and self.next >= self.total_bytes


class Downloads:
    """Reads from one bucket."""

    def __init__(self, client: Any, bucket: str, calls: Calls, limits: Limits) -> None:
        self._client = client
        self._bucket = bucket
        self._calls = calls
        self._limits = limits

    async def piece(
        self, key: str, start: int, deadline: Deadline, *, etag: str | None = None, just_written: bool = False
    ) -> Piece:
        """One range of ``part_bytes``, shorter only at the end of the object.

        Raises as ``Calls.run``: ``blob_changed`` when the object is no longer the one with that ``etag``. What was
        ``just_written`` and is absent is asked for again, because stores may need a moment to show it.
        """
        piece = Piece(start, bytearray(), etag)
        await self._calls.run(lambda: self._go_on(key, piece, just_written=just_written), deadline)
        return piece

    async def pieces(
        self, key: str, deadline: Deadline, *, just_written: bool = False
    ) -> AsyncGenerator[bytearray, None]:
        """The whole object, in order, several ranges at once."""
        first = await self.piece(key, 0, deadline, just_written=just_written)
        deadline.allow((first.total_bytes or 0) - first.next)
        yield first.data
        async with aclosing(
            in_order(self._others(key, first, deadline), at_once=self._limits.parts_in_flight)
        ) as others:
            async for piece in others:
                yield piece.data

    async def _others(
        self, key: str, first: Piece, deadline: Deadline
    ) -> AsyncGenerator[Coroutine[Any, Any, Piece], None]:
        for start in range(first.next, first.total_bytes or 0, self._limits.part_bytes):
            yield self.piece(key, start, deadline, etag=first.etag)

    async def copy(
        self, key: str, deadline: Deadline, file: BinaryIO | None = None, *, just_written: bool = False
    ) -> str:
        """Replace what is in ``file``, if any, by the whole object; the SHA-256 of what came."""
        digest = hashlib.sha256()
        if file is not None:
            file.seek(0)
            file.truncate()
        async with aclosing(self.pieces(key, deadline, just_written=just_written)) as pieces:
            async for data in pieces:
                await asyncio.to_thread(digest.update, data)
                if file is not None:
                    await asyncio.to_thread(file.write, data)
        return digest.hexdigest()

    async def _go_on(self, key: str, piece: Piece, *, just_written: bool) -> None:
        """One try: ask for what is missing and add what comes."""
        condition = {"IfMatch": piece.etag} if piece.etag else {}
        asked = f"bytes={piece.next}-{piece.start + self._limits.part_bytes - 1}"
        try:
            answer = await self._client.get_object(Bucket=self._bucket, Key=key, Range=asked, **condition)
        except ClientError as error:
            if status_of(error) == _OUT_OF_RANGE and not piece.data:
                piece.total_bytes = piece.start
                return
            if just_written and status_of(error) == _NOT_FOUND and code_of(error) != "NoSuchBucket":
                raise Unfit("what was just stored is not there yet") from error
            raise
        with closing(answer["Body"]) as body:
            _pin(piece, answer)
            await self._fill(piece, body)

    async def _fill(self, piece: Piece, body: Any) -> None:
        end = min(piece.start + self._limits.part_bytes, piece.total_bytes or 0)
        while (missing := end - piece.next) > 0:
            chunk = await body.read(min(missing, _CHUNK_BYTES))
            if not chunk:
                raise Unfit(f"the body ended {missing} bytes early")
            piece.data += chunk


def _pin(piece: Piece, answer: dict[str, Any]) -> None:
    """Check that ``answer`` holds what ``piece`` needs next, of the same version of the object."""
    etag = answer.get("ETag")
    if not etag or (piece.etag and etag != piece.etag):
        raise Unfit(f"an answer with the ETag {etag}")
    start, total_bytes = _extent(answer)
    if start != piece.next or piece.total_bytes not in (None, total_bytes):
        raise Unfit(f"an answer from byte {start} of {total_bytes}")
    piece.etag, piece.total_bytes = etag, total_bytes


def _extent(answer: dict[str, Any]) -> tuple[int, int]:
    """First byte and size of the whole object; some servers answer with all of a small object."""
    found = _CONTENT_RANGE.fullmatch(answer.get("ContentRange") or "")
    if found:
        return int(found[1]), int(found[3])
    return 0, int(answer.get("ContentLength") or 0)
