"""Big blobs on S3: sent in parts, which are an object in the end or are gone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from s3test.rig import BIG, BIG_SHA256, QUICK, Rig, open_rig, problem
from structlog.testing import capture_logs
from testservers.s3 import PrivateS3
from testservers.s3_faults import Exchange, Request
from testservers.s3_modes import (
    never_answers,
    reset_when_done,
    saying,
)

from azaion_common.core.errors import TransientError
from azaion_common.platform.storage.s3 import S3BlobStore


async def test_two_writers_of_a_big_blob_make_one(rig: Rig, big: Path) -> None:
    """Both succeed, one object is there, and no parts are left over."""
    async with S3BlobStore.open(rig.location, limits=QUICK) as other:
        references = await asyncio.gather(
            rig.store.put_file(big, "text/plain"),
            other.put_file(big, "text/plain"),
            rig.store.put(BIG, "text/plain"),
        )
    await rig.store._uploads.close()

    assert len(set(references)) == 1
    assert rig.stored(BIG_SHA256) == BIG
    assert len(rig.keys()) == 1
    assert rig.uploads() == []


async def test_few_parts_are_under_way_at_once(rig: Rig, big: Path) -> None:
    """Whatever the size of the file: memory and connections stay bounded."""
    running, most = 0, 0

    async def counting(exchange: Exchange) -> None:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.05)
        answer = await exchange.forward()
        running -= 1
        await exchange.answer(answer)

    rig.server.break_with(
        counting, when=lambda request: "partNumber" in request.query or "range" in request.headers
    )
    await rig.store.put_file(big, "text/plain")

    assert most == QUICK.parts_in_flight


async def test_an_upload_that_fails_leaves_nothing(rig: Rig, big: Path) -> None:
    """When a part is refused for good, neither an object nor parts of it stay on the server."""
    rig.server.break_with(saying(403, "AccessDenied"), when=lambda request: "partNumber=3" in request.query)

    assert await problem(rig.store.put_file(big, "text/plain")) == "store_denied"
    await rig.store._uploads.close()

    assert rig.uploads() == []
    assert rig.stored(BIG_SHA256) is None


async def test_an_upload_that_is_cancelled_leaves_nothing(rig: Rig, big: Path) -> None:
    """Whoever gives up does not wait, and the store cleans up behind him, at the latest when it is closed."""
    rig.server.break_with(never_answers, when=lambda request: "partNumber=3" in request.query)
    async with S3BlobStore.open(rig.location, limits=QUICK) as store:
        putting = asyncio.create_task(store.put_file(big, "text/plain"))
        while not any("partNumber=3" in request.query for request in rig.server.requests):
            await asyncio.sleep(0.01)
        putting.cancel()
        async with asyncio.timeout(0.2):
            await asyncio.wait([putting])
        assert putting.cancelled()

    assert rig.uploads() == []
    assert rig.stored(BIG_SHA256) is None


async def test_parts_that_cannot_be_cleaned_up_are_told(small_parts: PrivateS3, big: Path) -> None:
    """A server that is gone for good keeps neither the caller nor the closing of the store waiting for long."""
    limits = replace(QUICK, deadline_s=1, attempt_s=0.2, abort_s=0.5)
    with capture_logs() as logs:
        async with open_rig(small_parts, limits) as rig:
            rig.server.break_with(never_answers, when=lambda request: "uploadId" in request.query)
            assert await problem(rig.store.put_file(big, "text/plain")) == "store_unavailable"

    assert "blobs.parts_left_behind" in [line["event"] for line in logs]


def _is_last_step(request: Request) -> bool:
    return request.method == "POST" and "uploadId" in request.query


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_lost_answer_to_the_last_step_is_no_failure(rig: Rig, big: Path, *, forgets: bool) -> None:
    """The server has put the parts together, and may no longer know the upload: the blob is there, that is found out."""
    if forgets:
        rig.server.break_with(saying(404, "NoSuchUpload"), when=_is_last_step)
    rig.server.break_with(reset_when_done, when=_is_last_step, times=1)

    await rig.store.put_file(big, "text/plain")

    assert rig.stored(BIG_SHA256) == BIG


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [("partNumber=3", 404, "NoSuchUpload"), ("uploadId", 404, "NoSuchUpload"), ("POST", 400, "InvalidPart")],
)
async def test_a_server_that_loses_parts_may_be_tried_again(
    rig: Rig, big: Path, step: str, status: int, code: str
) -> None:
    """An upload that the server no longer knows, or not all of, is no fault of the blob's: the next call sends it anew."""
    rig.server.break_with(
        saying(status, code),
        when=lambda request: step in request.query or (step == request.method and _is_last_step(request)),
    )
    with pytest.raises(TransientError) as caught:
        await rig.store.put_file(big, "text/plain")
    assert caught.value.code == "store_unavailable"

    rig.server.mend()
    await rig.store.put_file(big, "text/plain")
    assert rig.stored(BIG_SHA256) == BIG


async def test_a_file_that_changes_while_it_is_stored_is_refused(rig: Rig, big: Path) -> None:
    """No object appears under the name of bytes that are no longer those."""

    async def writing(exchange: Exchange) -> None:
        with big.open("r+b") as file:
            file.seek(len(BIG) - 1)
            file.write(b"??")
        await exchange.answer(await exchange.forward())

    rig.server.break_with(writing, when=lambda request: "partNumber=1" in request.query)

    assert await problem(rig.store.put_file(big, "text/plain")) == "file_changed"
    assert rig.stored(BIG_SHA256) is None
