"""Addresses on test servers, as the system takes them."""

from __future__ import annotations

from dataclasses import replace

from azaion_common.streams.rabbitmq import StreamsLocation
from testservers.given import GivenRabbit
from testservers.rabbitmq import PrivateRabbit


def stream_location(broker: PrivateRabbit | GivenRabbit, vhost: str) -> StreamsLocation:
    return replace(StreamsLocation.parse(broker.stream_url), vhost=vhost)
