"""Addresses on test servers, as the system takes them."""

from __future__ import annotations

from dataclasses import replace

from azaion_common.storage.s3 import S3Location
from azaion_common.streams.rabbitmq import StreamsLocation
from testservers.given import GivenRabbit, GivenS3
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3


def stream_location(broker: PrivateRabbit | GivenRabbit, vhost: str) -> StreamsLocation:
    return replace(StreamsLocation.parse(broker.stream_url), vhost=vhost)


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
