"""Where the brokers of the streams are and who we are to them."""

from __future__ import annotations

from typing import ClassVar

from azaion_common.core.broker_location import BrokerLocation


class StreamsLocation(BrokerLocation):
    """``rabbitmq-stream://user:password@host:5552/vhost``, or ``rabbitmq-stream+tls://…?ca=/path/ca.pem``."""

    __slots__ = ()
    PLAIN, TLS = "rabbitmq-stream", "rabbitmq-stream+tls"
    PORTS: ClassVar[dict[str, int]] = {PLAIN: 5552, TLS: 5551}
    SETTING = "streams_url"
