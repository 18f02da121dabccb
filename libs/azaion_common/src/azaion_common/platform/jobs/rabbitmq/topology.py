"""The queues on the broker, each with an exchange of its own, and where it puts what it could not deliver.

Jobs are put through an exchange that leads to their queue alone, and not through the broker's default one: who may
publish to that may publish to every queue and every stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.common import FieldValue

from azaion_common.core.errors import PermanentError, SetupError

DEAD = "azaion.jobs.dead"
"""Exchange and queue of the dead letters."""
DELIVERY_LIMIT = 5
"""Deliveries that were not acknowledged before a message is taken for poison. Healthy ones come close in no outage:
a worker acknowledges as soon as the job is in the ledger database, and takes nothing while that does not answer."""
_JOB_QUEUE: Mapping[str, str | int] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": DEAD,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
_PASSING_MS = 60_000
# Looking at dead letters is delivering them without acknowledgement: after 20 looks, RabbitMQ 4 would drop them.
_DEAD_QUEUE: Mapping[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": -1}


def broker_name(queue: str) -> str:
    """What ``queue``, and the exchange that leads to it, are called on the broker."""
    return f"azaion.jobs.{queue}"


async def declare(channel: AbstractChannel, queue: str) -> None:
    """Make ``queue`` with its exchange, and the dead letters' one, unless they are there.

    Raises:
        PermanentError: ``queue_mismatch``.
    """
    await declare_dead(channel)
    await _declare_with_exchange(channel, broker_name(queue), _JOB_QUEUE)


async def write_names_down(channel: AbstractChannel) -> None:
    """Have the broker write the names of its newest quorum queues to disk, by making another one.

    By itself it (4.0.5) does that within a second, and a queue whose name was not written when the broker crashed
    never answers again, with all messages that it had confirmed.
    """
    arguments: dict[str, FieldValue] = {"x-queue-type": "quorum", "x-expires": _PASSING_MS}
    passing = await channel.declare_queue(
        broker_name(f"passing.{uuid4()}"), durable=True, arguments=arguments
    )
    await passing.delete(if_unused=False, if_empty=False)


async def is_there(channel: AbstractChannel, queue: str) -> bool:
    """Whether the broker has ``queue``; if not, it has closed ``channel``."""
    try:
        await channel.declare_queue(broker_name(queue), passive=True)
    except ChannelNotFoundEntity:
        return False
    return True


async def declare_dead(channel: AbstractChannel) -> None:
    """Make the queue of the dead letters, unless it is there; raises as ``declare``."""
    await _declare_with_exchange(channel, DEAD, _DEAD_QUEUE)


async def _declare_with_exchange(
    channel: AbstractChannel, name: str, arguments: Mapping[str, str | int]
) -> None:
    what = "exchange"
    try:
        exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
        what = "queue"
        queue = await channel.declare_queue(name, durable=True, arguments=dict(arguments))
    except ChannelPreconditionFailed as error:
        raise _mismatch(f"{what} {name}", error) from error
    await queue.bind(exchange)


def _mismatch(what: str, error: ChannelPreconditionFailed) -> PermanentError:
    return SetupError(
        "queue_mismatch",
        f"{what} is on the broker, but made differently: {error}",
        hint="somebody else made it: let it run empty, then delete it",
    )
