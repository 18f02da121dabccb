"""Addresses on test servers, as the system takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from rstream import Producer

from azaion_common.platform.storage.s3 import S3Location
from azaion_common.platform.streams.rabbitmq import StreamsLocation
from testservers.given import GivenRabbit, GivenS3
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3


def stream_location(broker: PrivateRabbit | GivenRabbit, vhost: str) -> StreamsLocation:
    return replace(StreamsLocation.parse(broker.stream_url), vhost=vhost)


def client_options(location: StreamsLocation) -> dict[str, Any]:
    """As ``rstream``'s own clients take an address."""
    return {
        "host": location.host,
        "port": location.port,
        "username": location.username,
        "password": location.password,
        "vhost": location.vhost,
    }


@asynccontextmanager
async def plain_producer(location: StreamsLocation) -> AsyncIterator[Producer]:
    """Somebody else's, of the client library alone."""
    producer = Producer(**client_options(location))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.close()


def amqp_url(broker: PrivateRabbit | GivenRabbit, vhost: str) -> str:
    return f"{broker.amqp_url.rpartition('/')[0]}/{vhost}"


def s3_location(server: PrivateS3 | GivenS3) -> S3Location:
    """An empty bucket, in which the blobs lie under a prefix."""
    return S3Location(
        bucket=server.new_bucket(),
        prefix="azaion/blobs",
        endpoint_url=server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
