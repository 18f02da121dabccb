"""Plain AMQP on the job queue's own queues."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

NAME = "azaion.jobs.q"
"""What queue ``q`` is called on the broker."""


class _BrokenHeader(ContentHeader):
    def marshal(self) -> bytes:
        return super().marshal().replace(b"not UTF-8", b"\xff\xfe\xfd UTF-8")


@asynccontextmanager
async def plain_channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


async def lying(url: str, name: str = NAME) -> int:
    """Messages that wait to be delivered."""
    async with plain_channel(url) as channel:
        queue = await channel.declare_queue(name, passive=True)
        return queue.declaration_result.message_count or 0


async def deliver_in_vain(url: str, times: int) -> None:
    """Take a message and be gone without acknowledging it."""
    for _ in range(times):
        async with plain_channel(url) as channel:
            await (await channel.get_queue(NAME)).get()


async def publish_frames(url: str, body: bytes, message_id: str | None) -> None:
    """What ``aio-pika`` itself would not send: no message id, or (``not UTF-8``) one that cannot be decoded."""
    async with plain_channel(url) as channel:
        wire = await channel.get_underlay_channel()
        assert isinstance(wire, aiormq.Channel)
        properties = Basic.Properties(message_id=message_id, delivery_mode=2)
        header = _BrokenHeader(0, len(body), properties)
        parts: list[Any] = [Basic.Publish(routing_key=NAME), header, ContentBody(body)]
        await wire.write_queue.put(ChannelFrame.marshall(channel_number=wire.number, frames=parts))
        await channel.declare_queue(NAME, passive=True)
