"""Signatures of requests to S3, checked by a server of our own: the one that the other tests use takes any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from s3test.rig import PART_BYTES, open_rig
from testservers.s3 import PrivateS3
from testservers.s3_faults import Request
from testservers.sigv4 import Signed, complaint, signature

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.s3 import Limits, S3BlobStore, S3Location

EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        (
            "GET",
            "/test.txt",
            {"range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_checker_knows_the_published_examples(
    method: str, target: str, headers: dict[str, str], expected: str
) -> None:
    """The server's side computes what the description of the protocol gives as examples."""
    common = {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": EMPTY_SHA256,
    }
    request = Signed(method, target, common | headers)

    assert signature(request, sorted(request.headers), EXAMPLE_SECRET, "us-east-1") == expected


async def test_every_request_is_signed_rightly(small_parts: PrivateS3, tmp_path: Path) -> None:
    """All that the store asks for is accepted by a server that checks; keys need quoting, bodies are of all kinds."""
    source = tmp_path / "big"
    source.write_bytes(b"big" * PART_BYTES)
    async with open_rig(small_parts) as rig:
        for data in (b"", b"small"):
            blob = await rig.store.put(data, "text/plain; charset=utf-8")
            assert await rig.store.get(blob.sha256) == data
        big = await rig.store.put_file(source, "application/octet-stream")
        await rig.store.fetch(big.sha256, tmp_path / "copy")
        assert await rig.store.size(big.sha256) == 3 * PART_BYTES
        assert len([found async for found in rig.store.list()]) == 3
        await rig.store.delete(big.sha256)
        assert await rig.store.size(big.sha256) is None

    assert {request.method for request in rig.server.requests} == {"GET", "HEAD", "PUT", "POST", "DELETE"}
    assert all("authorization" in request.headers for request in rig.server.requests)


def _wrong_secret(location: S3Location) -> S3Location:
    return replace(location, secret_key="x" * 32)


def _wrong_key(location: S3Location) -> S3Location:
    return replace(location, access_key="nobody")


@pytest.mark.parametrize("mistake", [_wrong_secret, _wrong_key])
@pytest.mark.parametrize("call", ["put", "put_file", "get", "fetch", "size", "read", "delete", "list"])
async def test_wrong_credentials_are_refused_at_once(
    small_parts: PrivateS3, tmp_path: Path, mistake: Callable[[S3Location], S3Location], call: str
) -> None:
    """Every call says ``store_denied`` after a single request, and names no secret."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3 * PART_BYTES)
    async with open_rig(small_parts) as rig:
        location = mistake(rig.location)
        async with S3BlobStore.open(location, limits=Limits(part_bytes=PART_BYTES)) as store:
            with pytest.raises(PermanentError) as caught:
                await _call(store, call, source)

    assert caught.value.code == "store_denied"
    assert str(location.secret_key) not in str(caught.value)
    assert len(rig.server.requests) == 1


async def _call(store: S3BlobStore, call: str, path: Path) -> None:
    match call:
        case "put":
            await store.put(b"x", "text/plain")
        case "put_file":
            await store.put_file(path, "text/plain")
        case "fetch":
            await store.fetch(EMPTY_SHA256, path)
        case "read":
            await anext(aiter(store.read(EMPTY_SHA256)))
        case "list":
            await anext(aiter(store.list()))
        case _:
            await getattr(store, call)(EMPTY_SHA256)


def _changed(**headers: str) -> Callable[[Request], Request]:
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: replace(request, headers={**request.headers, **changed})


def _without(name: str) -> Callable[[Request], Request]:
    return lambda request: replace(
        request, headers={key: value for key, value in request.headers.items() if key != name}
    )


TAMPERED: dict[str, tuple[Callable[[Request], Request], str]] = {
    "another method": (lambda request: replace(request, method="POST"), "SignatureDoesNotMatch"),
    "another key": (lambda request: replace(request, target=request.target + "0"), "SignatureDoesNotMatch"),
    "another query": (
        lambda request: replace(request, target=request.target + "?acl"),
        "SignatureDoesNotMatch",
    ),
    "another host": (_changed(host="elsewhere"), "SignatureDoesNotMatch"),
    "another body": (lambda request: replace(request, body=b"other"), "XAmzContentSHA256Mismatch"),
    "another type": (_changed(content_type="text/html"), "SignatureDoesNotMatch"),
    "a new header": (_changed(x_amz_acl="public-read"), "AccessDenied"),
    "no condition": (_without("if-none-match"), "SignatureDoesNotMatch"),
    "no signature": (_without("authorization"), "AccessDenied"),
}


@pytest.mark.parametrize("kind", TAMPERED)
async def test_a_signature_covers_the_whole_request(small_parts: PrivateS3, kind: str) -> None:
    """Whoever changes a request on its way is found out: by a server that does what the protocol demands."""
    change, expected = TAMPERED[kind]
    async with open_rig(small_parts) as rig:
        await rig.store.put(b"data", "text/plain")
        put = next(request for request in rig.server.requests if request.method == "PUT")
    credentials = (small_parts.access_key, small_parts.secret_key)

    refusal = complaint(change(put), *credentials)

    assert complaint(put, *credentials) is None
    assert refusal is not None
    assert refusal[1] == expected


async def test_an_old_request_cannot_be_sent_again(small_parts: PrivateS3) -> None:
    """A signature is good for a quarter of an hour."""
    async with open_rig(small_parts) as rig:
        await rig.store.put(b"data", "text/plain")
    later = datetime.now(UTC) + timedelta(minutes=16)
    credentials = (small_parts.access_key, small_parts.secret_key)

    assert complaint(rig.server.requests[0], *credentials, now=later) == (403, "RequestTimeTooSkewed")
