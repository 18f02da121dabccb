"""Which answers of an S3 server are tried again, how often, and what the others mean."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from s3test.rig import BIG_SHA256, QUICK, Rig, open_rig, problem
from testservers.s3 import PrivateS3
from testservers.s3_faults import Answer, Exchange
from testservers.s3_modes import (
    saying,
    writes,
)

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.s3 import S3BlobStore


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again(rig: Rig, status: int) -> None:
    """These statuses are gone at the next try, as likely as not."""
    rig.server.break_with(saying(status), times=2)

    blob = await rig.store.put(b"x", "text/plain")

    assert rig.stored(blob.sha256) == b"x"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "InvalidRequestParameter", "store_refused"),
        (400, "ExpiredToken", "store_denied"),
        (401, "Unauthorized", "store_denied"),
        (403, "RequestTimeTooSkewed", "store_denied"),
        (404, "NoSuchBucket", "bucket_missing"),
        (405, "MethodNotAllowed", "store_refused"),
        (409, "BucketAlreadyExists", "store_refused"),
        (422, "Unprocessable", "store_refused"),
        (505, "Unsupported", "store_refused"),
        (507, "InsufficientStorage", "disk_full"),
        (403, "QuotaExceeded", "disk_full"),
    ],
)
async def test_what_stays_wrong_is_final(rig: Rig, status: int, code: str, expected: str) -> None:
    """One request, and the error that says what to do."""
    rig.server.break_with(saying(status, code))

    assert await problem(rig.store.put(b"x", "text/plain")) == expected
    assert len(rig.server.requests) == 1


async def test_a_404_of_somebody_else_is_no_missing_blob(rig: Rig) -> None:
    """Only S3's own word makes a blob missing; a proxy that has lost its server says 404 too."""

    async def page(exchange: Exchange) -> None:
        await exchange.answer(Answer(404, {"content-type": "text/html"}, b"<html>404 page not found</html>"))

    rig.server.break_with(page)

    assert await problem(rig.store.get(BIG_SHA256)) == "store_unavailable"


async def test_writers_who_meet_try_again(rig: Rig) -> None:
    """S3 says 409 to one of two who create the same object at the same instant; that passes."""
    rig.server.break_with(saying(409, "ConditionalRequestConflict"), times=1)

    await rig.store.put(b"x", "text/plain")

    assert [request.method for request in rig.server.requests if request.method == "PUT"] == ["PUT", "PUT"]


@pytest.mark.parametrize(("asked", "wait_s"), [("1", 1), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("soon", 0)])
async def test_a_server_that_asks_for_patience_gets_it(rig: Rig, asked: str, wait_s: float) -> None:
    """``Retry-After`` is kept, as seconds or as a date, and nonsense is ignored."""
    rig.server.break_with(saying(503, "SlowDown", retry_after=asked), when=writes, times=1)
    started = asyncio.get_running_loop().time()

    await rig.store.put(b"x", "text/plain")

    assert wait_s <= asyncio.get_running_loop().time() - started < wait_s + 1


async def test_patience_ends_with_the_deadline(small_parts: PrivateS3) -> None:
    """Who would have to wait until after the deadline is told at once."""
    async with open_rig(small_parts, replace(QUICK, deadline_s=5)) as rig:
        rig.server.break_with(saying(503, "SlowDown", retry_after="30"))
        async with asyncio.timeout(1):
            assert await problem(rig.store.get(BIG_SHA256)) == "store_unavailable"


async def test_when_all_fails_requests_are_hardly_more_than_calls(rig: Rig) -> None:
    """Retries are a reserve that all calls share: a server in trouble sees 1.1 requests for each call."""
    rig.server.break_with(saying(500))
    for _ in range(15):
        await problem(rig.store.size(BIG_SHA256))
    before = len(rig.server.requests)

    for _ in range(100):
        assert await problem(rig.store.size(BIG_SHA256)) == "store_unavailable"

    assert len(rig.server.requests) - before <= 110


async def test_a_store_waits_for_no_server(rig: Rig) -> None:
    """Opening connects nowhere: a process starts while its store is away."""
    await rig.server.stop()

    async with S3BlobStore.open(rig.location, limits=replace(QUICK, tries=2)) as store:
        assert await problem(store.get(BIG_SHA256)) == "store_unavailable"
        await rig.server.start()
        await store.put(b"x", "text/plain")


async def test_a_client_that_cannot_be_made(rig: Rig) -> None:
    """An address that botocore refuses is named when the store is opened."""
    location = replace(rig.location, endpoint_url="http://bad host:1")
    with pytest.raises(PermanentError) as caught:
        async with S3BlobStore.open(location):
            pass
    assert caught.value.code == "blobs_url_invalid"
