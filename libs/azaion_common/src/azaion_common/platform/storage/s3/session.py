"""The one long-lived client of a store."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import BotoCoreError

from azaion_common.core.errors import PermanentError
from azaion_common.platform.storage.s3.errors import Redirected
from azaion_common.platform.storage.s3.limits import Limits
from azaion_common.platform.storage.s3.location import S3Location

_MODELS = ("service-2", "endpoint-rule-set-1")
_DATA = ("endpoints", "partitions", "sdk-default-configuration")


@asynccontextmanager
async def client_for(location: S3Location, limits: Limits) -> AsyncIterator[Any]:
    """A client (botocore makes its methods when it runs, so it has no type). It connects at the first request.

    Raises:
        PermanentError: ``blobs_url_invalid``.
    """
    try:
        session = await asyncio.to_thread(_session)
        await asyncio.to_thread(_check_certificates, location)
        context = session.client(
            "s3",
            endpoint_url=location.endpoint_url,
            region_name=location.region,
            aws_access_key_id=location.access_key,
            aws_secret_access_key=location.secret_key,
            verify=str(location.ca_file) if location.ca_file else None,
            config=_config(location, limits),
        )
        client = await context.__aenter__()
    except (BotoCoreError, OSError, ValueError) as error:
        raise PermanentError("blobs_url_invalid", f"no client for {location}: {error}") from error
    try:
        yield client
    finally:
        await context.__aexit__(None, None, None)


@lru_cache(maxsize=1)
def _session() -> aioboto3.Session:
    """Reads botocore's descriptions of S3, a quarter of a second of disk and parsing, before the event loop has to."""
    session = aioboto3.Session()
    loader = session._session.get_component("data_loader")  # noqa: SLF001 - there is no other way to it
    for name in _MODELS:
        loader.load_service_model("s3", name)
    for name in _DATA:
        loader.load_data(name)
    return session


def _check_certificates(location: S3Location) -> None:
    """Otherwise every request would fail on them, as if the network did."""
    if location.ca_file is not None:
        ssl.create_default_context(cafile=location.ca_file)


def _config(location: S3Location, limits: Limits) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        connect_timeout=limits.connect_s,
        read_timeout=limits.idle_s,
        max_pool_connections=limits.connections,
        retries={"total_max_attempts": 1, "mode": "standard"},
        # Checksums that botocore adds by itself break servers other than AWS, or end up inside the object. Ours is
        # the SHA-256 in the signature, which every server checks, and the read-back.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if location.endpoint_url else "auto",
            "payload_signing_enabled": True,
        },
        http_session_cls=_OneRequest,
    )


class _OneRequest(AIOHTTPSession):  # type: ignore[misc]  # it has no types
    """Sends what it is told to send once, to where it is told.

    Left alone, aiohttp sends again by itself after a lost connection and follows redirects, and botocore asks the
    server about a redirect without end.
    """

    async def _get_session(self, proxy_url: str | None) -> _Direct:
        return _Direct(await super()._get_session(proxy_url))

    async def send(self, request: Any) -> Any:
        response = await super().send(request)
        if 300 <= response.status_code < 400:  # noqa: PLR2004 - the redirects
            response.raw.close()
            raise Redirected(f"{response.status_code} to {response.headers.get('location', 'nowhere')}")
        return response


class _Direct:
    """The part of ``aiohttp.ClientSession`` that is used."""

    def __init__(self, session: Any) -> None:
        self._session = session
        session._retry_connection = False  # noqa: SLF001 - aiohttp has no other switch

    def request(self, method: str, **options: Any) -> Any:
        return self._session.request(method, allow_redirects=False, **options)
