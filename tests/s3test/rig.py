"""A store, the server that it talks to, and the objects as they really are."""

from __future__ import annotations

import hashlib
import random
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from testservers.s3 import PrivateS3
from testservers.s3_faults import FaultyS3, Request

from azaion_common.core.errors import AzaionError
from azaion_common.platform.storage.s3 import Limits, S3BlobStore, S3Location

PART_BYTES = 64 << 10
BIG = random.Random(1).randbytes(5 * PART_BYTES + 1234)
BIG_SHA256 = hashlib.sha256(BIG).hexdigest()
QUICK = Limits(part_bytes=PART_BYTES, pause_s=0.01, longest_pause_s=0.05)


@contextmanager
def small_part_server() -> Iterator[PrivateS3]:
    """An S3 server that takes parts of any size, so that an upload in parts is quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S3_UPLOAD_PART_MIN_SIZE", "1")
        patch.setenv("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(1 << 20))
        with PrivateS3() as server:
            yield server


@dataclass(frozen=True)
class Rig:
    """``store`` talks to ``server``, which stands before ``behind``."""

    store: S3BlobStore
    server: FaultyS3
    behind: PrivateS3
    location: S3Location

    def stored(self, sha256: str) -> bytes | None:
        """The object as it is; None when there is none."""
        try:
            return self._ask(f"/{quote(self.location.key(sha256))}")[0]
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return None

    def headers(self, sha256: str) -> dict[str, str]:
        return self._ask(f"/{quote(self.location.key(sha256))}")[1]

    def store_behind(self, key: str, data: bytes) -> None:
        """As somebody else would do it."""
        self._ask(f"/{quote(key)}", data)

    def keys(self) -> list[str]:
        return re.findall(r"<Key>([^<]+)</Key>", self._ask("?list-type=2")[0].decode())

    def uploads(self) -> list[str]:
        """Uploads in parts that were begun and neither completed nor aborted."""
        return re.findall(r"<UploadId>([^<]+)</UploadId>", self._ask("?uploads")[0].decode())

    def requests(self, sha256: str) -> list[Request]:
        """Those about one blob."""
        return [request for request in self.server.requests if request.path.endswith(sha256)]

    def _ask(self, address: str, data: bytes | None = None) -> tuple[bytes, dict[str, str]]:
        url = f"{self.behind.endpoint_url}/{self.location.bucket}{address}"
        request = urllib.request.Request(url, data, method="GET" if data is None else "PUT")  # noqa: S310 - our own
        authorization = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"
        request.add_header("Authorization", authorization)
        request.add_header("Content-Type", "application/octet-stream")  # moto drops what looks like a form
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return response.read(), {name.lower(): value for name, value in response.headers.items()}


@asynccontextmanager
async def open_rig(
    behind: PrivateS3,
    limits: Limits | None = None,
    *,
    verify_writes: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Rig]:
    """A store in an empty bucket; its server checks every signature."""
    async with FaultyS3(behind.endpoint_url, (behind.access_key, behind.secret_key), tls) as server:
        location = S3Location(
            bucket=behind.new_bucket(),
            prefix="azaion/blobs of a tëst",
            endpoint_url=server.endpoint_url,
            access_key=behind.access_key,
            secret_key=behind.secret_key,
        )
        async with S3BlobStore.open(location, limits=limits or QUICK, verify_writes=verify_writes) as store:
            yield Rig(store, server, behind, location)


def is_about(sha256: str) -> Callable[[Request], bool]:
    return lambda request: request.path.endswith(sha256)


async def problem(call: Awaitable[object]) -> str:
    """The code of the error that ``call`` ends with."""
    with pytest.raises(AzaionError) as caught:
        await call
    return caught.value.code
