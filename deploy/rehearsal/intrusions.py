"""Runs inside a device's container, with what that holds: tries everything that a thief of it would.

Prints one JSON object: what was tried, and what became of it; first what a device needs, which has to work, or the rest
would prove nothing.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import ClientError
from rstream import exceptions, schema
from rstream.constants import OffsetType

from azaion_common.contracts.events import ModelPublished
from azaion_common.contracts.events.codec import UnknownEventType, decode
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import _releases_location
from azaion_common.platform.storage.s3.limits import Limits
from azaion_common.platform.storage.s3.session import client_for
from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from azaion_common.platform.streams.rabbitmq.link import Link

HOME = Path("/var/lib/azaion")
BLOBS = "azaion"
CLOSED = {
    "PostgreSQL": 5432,
    "AMQP": 5672,
    "streams without TLS": 5552,
    "RabbitMQ's management": 15672,
    "RabbitMQ's metrics": 15692,
    "S3 without TLS": 8333,
    "S3's gRPC": 18333,
    "SeaweedFS's filer": 8888,
    "SeaweedFS's master": 9333,
    "SeaweedFS's volumes": 8080,
    "Prometheus": 9090,
    "Alertmanager": 9093,
    "Grafana": 3000,
    "a service's metrics": 9400,
}
INNER = ("postgres", "rabbitmq", "blob-store", "api", "trainer")
Attempt = Callable[[], Awaitable[object]]


async def outcome(attempt: Attempt) -> str:
    try:
        await attempt()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return "403" if status == HTTPStatus.FORBIDDEN else f"ALLOWED ({status})"
    except exceptions.AccessRefused:
        return "access refused"
    except (Refused, OSError, httpx.HTTPError) as error:
        return str(error) or type(error).__name__
    return "ALLOWED"


class Refused(Exception):  # noqa: N818 - an answer, and no fault
    """By an answer that says so."""


async def newest_release(location: StreamsLocation) -> ModelPublished:
    found = None
    async with RabbitEventLog.open(location, name="intruder") as log:
        for record in await log.read("azaion.models", limit=10_000):
            try:
                event = decode(record.body).event
            except UnknownEventType:
                continue
            found = event if isinstance(event, ModelPublished) else found
    assert found is not None  # noqa: S101 - the device runs one
    return found


def on_the_store(
    s3: Any, releases: str, release: ModelPublished
) -> tuple[dict[str, Attempt], dict[str, Attempt]]:
    half, plain = _key(release.big.sha256), f"blobs/{_key(release.plaintext_sha256)}"
    needed = {"S3: get the sealed half": lambda: s3.get_object(Bucket=releases, Key=half)}
    refused = {
        "S3: get the plain model by the hash that its release tells": lambda: s3.get_object(Bucket=BLOBS, Key=plain),
        "S3: ask for the plain model's size": lambda: s3.head_object(Bucket=BLOBS, Key=plain),
        "S3: look for the plain model among releases": lambda: _nothing(s3.get_object(Bucket=releases, Key=_key(release.plaintext_sha256))),
        "S3: list pictures and models": lambda: s3.list_objects_v2(Bucket=BLOBS),
        "S3: list releases": lambda: s3.list_objects_v2(Bucket=releases),
        "S3: list versions": lambda: s3.list_object_versions(Bucket=releases),
        "S3: look at the buckets": lambda: s3.head_bucket(Bucket=releases),
        "S3: list the buckets": lambda: _no_bucket(s3.list_buckets()),
        "S3: put a release": lambda: s3.put_object(Bucket=releases, Key=_key("0" * 64), Body=b"forged"),
        "S3: replace a release": lambda: s3.put_object(Bucket=releases, Key=half, Body=b"forged"),
        "S3: upload in parts": lambda: s3.create_multipart_upload(Bucket=releases, Key=half),
        "S3: delete a release": lambda: s3.delete_object(Bucket=releases, Key=half),
        "S3: delete a model": lambda: s3.delete_object(Bucket=BLOBS, Key=plain),
        "S3: copy a model to where a device reads": lambda: s3.copy_object(
            Bucket=releases, Key="copy", CopySource={"Bucket": BLOBS, "Key": plain}
        ),
        "S3: open the bucket to everybody": lambda: s3.put_bucket_acl(Bucket=releases, ACL="public-read"),
        "S3: make a bucket": lambda: s3.create_bucket(Bucket="thief"),
        "S3: delete the bucket of models": lambda: s3.delete_bucket(Bucket=BLOBS),
    }  # fmt: skip
    return needed, refused


async def _nothing(asking: Awaitable[Any]) -> None:
    try:
        await asking
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            raise Refused("not there") from error
        raise


async def _no_bucket(asking: Awaitable[Any]) -> None:
    if not (await asking).get("Buckets"):
        raise Refused("none is shown")


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def on_the_broker(location: StreamsLocation) -> tuple[dict[str, Attempt], dict[str, Attempt]]:
    first = schema.OffsetSpec.from_params(OffsetType.FIRST, None)

    def asking(question: Callable[[Link], Awaitable[object]]) -> Attempt:
        async def ask() -> None:
            async with Link.connect(location, name="intruder") as link:
                await question(link)

        return ask

    needed = {
        "broker: read azaion.models": asking(lambda link: link.subscribe("azaion.models", 1, first, 1, {})),
        "broker: report": asking(lambda link: link.declare_publisher("azaion.devices", "intruder", 1)),
    }
    refused = {"broker: make a stream": asking(lambda link: link.create_stream("thief", {}))}
    for stream in ("azaion.models", "azaion-annotations", "azaion.images", "azaion.devices"):
        refused[f"broker: delete {stream}"] = asking(lambda link, s=stream: link.delete_stream(s))  # type: ignore[misc]
    for stream in ("azaion.models", "azaion-annotations", "azaion.images", "azaion.acknowledgements"):
        refused[f"broker: publish to {stream}"] = asking(
            lambda link, s=stream: link.declare_publisher(s, "intruder", 1)  # type: ignore[misc]
        )
    for stream in ("azaion-annotations", "azaion.images", "azaion.datasets", "azaion.dead-letters"):
        refused[f"broker: read {stream}"] = asking(lambda link, s=stream: link.subscribe(s, 1, first, 1, {}))  # type: ignore[misc]
    return needed, refused


def on_the_api(api: httpx.AsyncClient, url: str) -> tuple[dict[str, Attempt], dict[str, Attempt]]:
    account = json.loads((HOME / "secrets" / "device.json").read_text())

    async def log_in() -> dict[str, str]:
        answer = (await api.post("/login", json=account)).raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def store() -> None:
        _refuse(
            await api.post(
                "/resources/models", headers=await log_in(), files={"data": ("x.small", b"forged")}
            )
        )

    async def without_token() -> None:
        _refuse(await api.post("/resources/get/models", json={"fileName": "x.small"}))

    async def documentation() -> None:
        _refuse(await api.get("/openapi.json"))

    async def plain() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(url.replace("https://", "http://"))

    refused: dict[str, Attempt] = {
        "API: store a resource": store,
        "API: fetch without a token": without_token,
        "API: its description": documentation,
        "API: plain HTTP": plain,
    }
    return {"API: log in": log_in}, refused


def _refuse(answer: httpx.Response) -> None:
    if answer.is_error:
        raise Refused(str(answer.status_code))


def on_the_network(host: str) -> dict[str, Attempt]:
    def connecting(where: str, port: int) -> Attempt:
        async def connect() -> None:
            await asyncio.to_thread(lambda: socket.create_connection((where, port), 3).close())

        return connect

    return {f"network: {what}, port {port}": connecting(host, port) for what, port in CLOSED.items()} | {
        f"network: the container {name}": connecting(name, 9400) for name in INNER
    }


async def main(host: str) -> None:
    settings = PlatformSettings.load(HOME, "platform")
    assert settings.streams_url is not None  # noqa: S101 - of its folder
    assert settings.releases_url is not None  # noqa: S101
    streams = StreamsLocation.parse(settings.streams_url.get_secret_value())
    store = _releases_location(settings.releases_url, settings)
    release = await newest_release(streams)
    async with client_for(store, Limits()) as s3, httpx.AsyncClient(base_url=settings.api_url) as api:
        groups = [
            on_the_store(s3, store.bucket, release),
            on_the_broker(streams),
            on_the_api(api, settings.api_url),
            ({}, on_the_network(host)),
        ]
        found = {
            kind: {what: await outcome(attempt) for group in groups for what, attempt in group[index].items()}
            for index, kind in enumerate(("needed", "refused"))
        }
        # Once more at the end: nothing of what was tried has had an effect.
        needed = [group[0] for group in groups]
        found["needed"] |= {
            f"{what}, afterwards": await outcome(attempt)
            for group in needed
            for what, attempt in group.items()
        }
    print(json.dumps(found))


asyncio.run(main(sys.argv[1]))
