"""Where the broker of the jobs is and who we are to it."""

from __future__ import annotations

from typing import ClassVar

from azaion_common.core.broker_location import BrokerLocation


class JobsLocation(BrokerLocation):
    """``amqp://user:password@host:5672/vhost``, or ``amqps://…?ca=/path/ca.pem``."""

    __slots__ = ()
    PLAIN, TLS = "amqp", "amqps"
    PORTS: ClassVar[dict[str, int]] = {PLAIN: 5672, TLS: 5671}
    SETTING = "jobs_url"
