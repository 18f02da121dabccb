"""``EventLog`` on RabbitMQ Streams: the protocol by ``rstream``, supervision, doubt and recovery of our own.

``rstream``'s Producer and Consumer are not used: they lose the rest of a chunk when a callback raises, never notice
a black-holed connection, share one publisher name per stream, and start again at places of their own. What is used
is its client for one connection, with its frames and their codec; every rule on top of it has a test in
``tests/contract/test_stream_traps.py``.
"""

from azaion_common.platform.streams.rabbitmq.location import StreamsLocation
from azaion_common.platform.streams.rabbitmq.log import RabbitEventLog

__all__ = ["RabbitEventLog", "StreamsLocation"]
