"""What the blob store on S3 promises beyond ``BlobStore``: where things lie, and how they are written and read."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from s3test.rig import BIG, BIG_SHA256, PART_BYTES, QUICK, Rig, is_about, open_rig, problem
from structlog.testing import capture_logs
from testservers.given import GivenS3
from testservers.locations import s3_location
from testservers.s3 import PrivateS3
from testservers.s3_faults import Exchange
from testservers.s3_modes import (
    dies_in_the_body,
    without_conditions,
)

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.storage.s3 import S3BlobStore, make_bucket


async def test_blobs_lie_under_their_hash_with_their_type(rig: Rig, big: Path) -> None:
    """The key is ``prefix/ab/cd/<sha256>``; whoever asks the server is told the media type, of big ones too."""
    small = await rig.store.put(b"picture", "image/png")
    await rig.store.put_file(big, "application/onnx")

    assert rig.location.key(small.sha256).endswith(f"/{small.sha256[:2]}/{small.sha256[2:4]}/{small.sha256}")
    assert rig.stored(small.sha256) == b"picture"
    assert rig.stored(BIG_SHA256) == BIG
    assert rig.headers(small.sha256)["content-type"] == "image/png"
    assert rig.headers(BIG_SHA256)["content-type"] == "application/onnx"


async def test_many_blobs_are_listed_page_by_page(small_parts: PrivateS3) -> None:
    """All of them, in the order of their hashes, and nothing that others keep beside them."""
    async with open_rig(small_parts, replace(QUICK, keys_per_page=2)) as rig:
        put = [await rig.store.put(bytes([number]), "text/plain") for number in range(7)]
        rig.store_behind(f"{rig.location.prefix}/ab/cd/readme.txt", b"not ours")
        rig.store_behind("elsewhere", b"not ours")

        listed = [blob async for blob in rig.store.list()]

    assert [blob.sha256 for blob in listed] == sorted(blob.sha256 for blob in put)
    assert {blob.size_bytes for blob in listed} == {1}
    assert len([request for request in rig.server.requests if "list-type" in request.query]) == 4


@pytest.mark.parametrize("call", ["put", "put_file", "get", "fetch", "size", "read", "list", "delete"])
async def test_a_missing_bucket_is_no_missing_blob(rig: Rig, big: Path, call: str) -> None:
    """Every call tells a wrong address from an absent blob, and does not try it again."""
    location = replace(rig.location, bucket="nosuchbucket")
    async with S3BlobStore.open(location, limits=QUICK) as store:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "put": lambda: store.put(b"x", "text/plain"),
            "put_file": lambda: store.put_file(big, "text/plain"),
            "get": lambda: store.get(BIG_SHA256),
            "fetch": lambda: store.fetch(BIG_SHA256, big),
            "size": lambda: store.size(BIG_SHA256),
            "read": lambda: anext(aiter(store.read(BIG_SHA256))),
            "list": lambda: anext(aiter(store.list())),
            "delete": lambda: store.delete(BIG_SHA256),
        }
        assert await problem(calls[call]()) == "bucket_missing"
    assert len(rig.server.requests) <= 2


async def test_what_is_there_is_not_written_again(rig: Rig, big: Path) -> None:
    """Writes are create-only: an object that is there stays the same one, and big ones are not even sent."""
    await rig.store.put(b"same", "text/plain")
    small = hashlib.sha256(b"same").hexdigest()
    await rig.store.put_file(big, "text/plain")
    sent = len(rig.server.requests)

    await rig.store.put(b"same", "image/png")
    await rig.store.put_file(big, "image/png")

    assert rig.headers(small)["content-type"] == "text/plain"
    assert rig.headers(BIG_SHA256)["content-type"] == "text/plain"
    assert not [request for request in rig.server.requests[sent:] if request.method == "POST"]
    assert all(
        request.headers["if-none-match"] == "*" for request in rig.requests(small) if request.method == "PUT"
    )


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument")])
async def test_servers_without_conditions_work_too(rig: Rig, big: Path, status: int, code: str) -> None:
    """The first write finds out, says so once, and no later one asks for it."""
    rig.server.break_with(without_conditions(status, code))
    with capture_logs() as logs:
        for data in (b"one", b"two", b"one"):
            await rig.store.put(data, "text/plain")
        await rig.store.put_file(big, "text/plain")

    assert rig.stored(BIG_SHA256) == BIG
    assert [line["event"] for line in logs] == ["blobs.create_only_unsupported"]
    assert len([request for request in rig.server.requests if "if-none-match" in request.headers]) == 1


async def test_a_wrong_object_under_the_name_is_replaced(rig: Rig, big: Path) -> None:
    """Where somebody left other bytes under a blob's name, storing the blob mends it, whatever its size."""
    for data in (b"right", BIG):
        sha256 = hashlib.sha256(data).hexdigest()
        rig.store_behind(rig.location.key(sha256), data[:-1] + b"?")
        assert await problem(rig.store.get(sha256)) == "blob_corrupt"

    await rig.store.put(b"right", "text/plain")
    await rig.store.put_file(big, "text/plain")

    assert await rig.store.get(hashlib.sha256(b"right").hexdigest()) == b"right"
    assert await rig.store.get(BIG_SHA256) == BIG


async def test_without_reading_back_sizes_are_compared(small_parts: PrivateS3) -> None:
    """The cheap way finds what is cut short, with one HEAD, and reads nothing."""
    async with open_rig(small_parts, verify_writes=False) as rig:
        blob = await rig.store.put(b"right", "text/plain")
        assert [request.method for request in rig.requests(blob.sha256)] == ["PUT", "HEAD"]

        rig.store_behind(rig.location.key(blob.sha256), b"cut")
        await rig.store.put(b"right", "text/plain")

        assert rig.stored(blob.sha256) == b"right"


async def test_a_read_that_breaks_off_goes_on_where_it_was(rig: Rig) -> None:
    """Only what is missing is asked for again, of the same version of the object."""
    blob = await rig.store.put(BIG[:PART_BYTES], "text/plain")
    asked = len(rig.server.requests)
    rig.server.break_with(dies_in_the_body, when=is_about(blob.sha256))
    rig.server.break_with(dies_in_the_body, when=is_about(blob.sha256), times=4)

    reading = asyncio.create_task(rig.store.get(blob.sha256))
    while len(rig.server.requests) < asked + 3:
        await asyncio.sleep(0.005)
    rig.server.mend()

    assert await reading == BIG[:PART_BYTES]
    ranges = [request.headers["range"] for request in rig.server.requests[asked:]]
    starts = [int(re.findall(r"\d+", asked_for)[0]) for asked_for in ranges]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert "if-match" not in rig.server.requests[asked].headers
    assert all(request.headers["if-match"] for request in rig.server.requests[asked + 1 :])


async def test_a_reader_can_stop_and_resume(rig: Rig) -> None:
    """``read`` asks for no more than the range that its reader has come to."""
    blob = await rig.store.put(BIG, "text/plain")
    asked = len(rig.server.requests)
    chunks = rig.store.read(blob.sha256, offset=PART_BYTES, chunk_bytes=1000)

    assert await anext(aiter(chunks)) == BIG[PART_BYTES : PART_BYTES + 1000]
    assert len(rig.server.requests) == asked + 1
    rest = b"".join([chunk async for chunk in rig.store.read(blob.sha256, offset=PART_BYTES + 1000)])
    assert rest == BIG[PART_BYTES + 1000 :]
    assert [chunk async for chunk in rig.store.read(blob.sha256, offset=len(BIG) + 5)] == []


async def test_an_object_that_is_replaced_while_it_is_read(rig: Rig, big: Path) -> None:
    """Two versions are never mixed: whole reads begin again, and whoever reads piece by piece is told."""
    await rig.store.put_file(big, "text/plain")
    chunks = aiter(rig.store.read(BIG_SHA256))
    await anext(chunks)
    replaced = 0

    async def replacing(exchange: Exchange) -> None:
        nonlocal replaced
        if not replaced and not exchange.request.headers["range"].startswith("bytes=0-"):
            replaced += 1
            await asyncio.to_thread(rig.store_behind, rig.location.key(BIG_SHA256), BIG)
        await exchange.answer(await exchange.forward())

    rig.server.break_with(replacing, when=lambda request: request.method == "GET")

    assert await rig.store.get(BIG_SHA256) == BIG
    assert replaced == 1
    with pytest.raises(TransientError) as caught:
        await anext(chunks)
    assert caught.value.code == "blob_changed"


async def test_other_bytes_are_never_handed_out(rig: Rig, tmp_path: Path) -> None:
    """A blob whose bytes are not those of its name is an error, and no file appears."""
    blob = await rig.store.put(b"right", "text/plain")
    rig.store_behind(rig.location.key(blob.sha256), b"wrong")

    for attempt in (rig.store.get(blob.sha256), rig.store.fetch(blob.sha256, tmp_path / "out")):
        with pytest.raises(PermanentError) as caught:
            await attempt
        assert caught.value.code == "blob_corrupt"
    assert list(tmp_path.iterdir()) == []


async def test_a_bucket_is_made_once(s3: PrivateS3 | GivenS3) -> None:
    """Setting a platform up twice is harmless, and what was made can be used."""
    location = replace(s3_location(s3), bucket=f"made-{secrets.token_hex(4)}")

    await make_bucket(location)
    async with S3BlobStore.open(location) as store:
        first = await store.put(b"first", "text/plain")
        await make_bucket(location)
        assert await store.get(first.sha256) == b"first"
