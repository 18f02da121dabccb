"""One publisher: a stream, a name, a link of its own.

Broker rules that shape this: a message with a lower number than one that is stored is confirmed and thrown away, so
numbers go out in order and nothing is sent after something in doubt; a second name on one link is ignored, so each
name has its own link; a confirm that does not come, or says no, is doubt. In doubt the link is thrown away, the
broker is asked which number it has, and sending goes on from there under the same numbers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import structlog
from rstream import exceptions, schema

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.core.seldom import Seldom
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.rabbitmq import messages as codec
from azaion_common.platform.streams.rabbitmq.cluster import Cluster
from azaion_common.platform.streams.rabbitmq.errors import typed_errors
from azaion_common.platform.streams.rabbitmq.link import FRAME_MAX, Link

WINDOW_MESSAGES = 1000
WINDOW_BYTES = 256 << 10
"""Small enough that the next window is encoded while the broker stores one."""
CONFIRM_S = 5.0
DEADLINE_S = 20.0
_OVERHEAD = 64
"""Of a message and of a frame, generously."""
_PUBLISHER = 1
_log = structlog.get_logger(__name__)


class _Numbered(NamedTuple):
    number: int
    message: Message


class Writer:
    """``append`` in order; several callers take turns. ``close`` when done."""

    def __init__(self, cluster: Cluster, stream: str, producer: str | None) -> None:
        self._cluster = cluster
        self._stream = stream
        self._producer = producer
        self._turn = asyncio.Lock()
        self._seldom = Seldom()
        self._stack = AsyncExitStack()
        self._link: Link | None = None
        self._stored = 0
        """The highest number that the broker is known to have."""
        self._waiting: set[int] = set()
        self._answer: asyncio.Future[None] | None = None

    async def append(self, messages: Sequence[Message]) -> None:
        """Store what the stream does not have yet of ``messages``.

        Raises:
            TransientError: ``streams_unavailable``, ``broker_blocked``, ``publish_refused``; ``log_regressed`` when
                the broker has lost what it had confirmed to this writer.
            PermanentError: ``message_too_large``, ``sequence_disordered``, ``broker_denied``.
        """
        async with self._turn:
            numbered = self._numbered(messages)
            until, backoff = time.monotonic() + DEADLINE_S, Backoff(cap_s=2.0)
            while True:
                try:
                    await self._send(numbered)
                except TransientError as error:
                    await self._discard()
                    final = self._producer is None or error.code == "log_regressed"
                    if final or time.monotonic() > until:
                        raise
                    if self._seldom.due(error.code):
                        _log.warning(
                            "stream.publish_in_doubt",
                            stream=self._stream,
                            code=error.code,
                            error=error.message,
                        )
                except BaseException:  # cancelled with messages under way: what became of them is not known
                    await self._discard()
                    raise
                else:
                    self._seldom.over()
                    return
                await asyncio.sleep(backoff.next())

    async def close(self) -> None:
        async with self._turn:
            await self._discard()

    def _numbered(self, messages: Sequence[Message]) -> list[_Numbered]:
        """With the producer's numbers, or with our own count when there is no producer to speak of."""
        if self._producer is None:
            return [_Numbered(number, each) for number, each in enumerate(messages, 1)]
        numbers = [message.seq or 0 for message in messages]
        if 0 in numbers or sorted(set(numbers)) != numbers:
            raise PermanentError(
                "sequence_disordered", f"{self._producer} must number its messages upwards from 1"
            )
        return [_Numbered(number, each) for number, each in zip(numbers, messages, strict=True)]

    async def _send(self, numbered: Sequence[_Numbered]) -> None:
        link = await self._sound_link()
        base = self._stored if self._producer is None else 0
        fresh = [
            _Numbered(base + each.number, each.message)
            for each in numbered
            if base + each.number > self._stored
        ]
        windows = _windows(fresh, link.frame_max or FRAME_MAX)  # 0: the broker has no limit
        window = next(windows, None)
        while window is not None:
            answer = await self._publish(link, window)
            following = next(windows, None)
            await self._confirmed(link, answer)
            self._stored, window = window[-1].publishing_id, following

    async def _publish(self, link: Link, window: list[schema.Message]) -> asyncio.Future[None]:
        """Send one frame; what is returned is done when the broker has confirmed all of it."""
        self._waiting = {each.publishing_id for each in window}
        self._answer = answer = asyncio.get_running_loop().create_future()
        await link.send_publish_frame(schema.Publish(publisher_id=_PUBLISHER, messages=window))
        return answer

    async def _confirmed(self, link: Link, answer: asyncio.Future[None]) -> None:
        either: set[asyncio.Future[Any]] = {answer, link.lost}
        await asyncio.wait(either, timeout=CONFIRM_S, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            answer.result()
            return
        if link.lost.done():
            raise link.lost.result()
        raise TransientError("streams_unavailable", f"{self._stream}: no confirm within {CONFIRM_S:g} s")

    async def _sound_link(self) -> Link:
        if self._link is None or self._link.lost.done():
            await self._discard()
            link = await self._stack.enter_async_context(self._cluster.to_leader(self._stream, "writer"))
            link.handle(schema.PublishConfirm, self._on_confirm)
            link.handle(schema.PublishError, self._on_error)
            await self._declare(link)
            self._link = link
        return self._link

    async def _declare(self, link: Link) -> None:
        await link.ask(
            lambda: link.declare_publisher(self._stream, self._producer, _PUBLISHER),
            f"publish to {self._stream}",
        )
        if self._producer is None:
            self._stored = 0
            return
        stored = await link.ask(
            lambda: link.query_publisher_sequence(self._stream, self._producer or ""),
            f"publish to {self._stream}",
        )
        known, self._stored = self._stored, stored
        if stored < known:
            raise TransientError(
                "log_regressed",
                f"{self._stream} had message {known} of {self._producer} and has only {stored} now",
            )

    async def _discard(self) -> None:
        self._link = None
        with typed_errors("close a connection"):
            await self._stack.aclose()

    def _on_confirm(self, frame: schema.PublishConfirm) -> None:
        self._waiting.difference_update(frame.publishing_ids)
        if not self._waiting and self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def _on_error(self, frame: schema.PublishError) -> None:
        if self._answer is None or self._answer.done():
            return
        code = frame.errors[0].response_code if frame.errors else 0
        reason = exceptions.ServerError.from_code(code).__name__
        self._answer.set_exception(
            TransientError("publish_refused", f"{self._stream}: the broker says {reason}")
        )


def _windows(numbered: Sequence[_Numbered], frame_max: int) -> Iterator[list[schema.Message]]:
    """Runs of encoded messages, each for one frame of at most what was agreed with the broker.

    Raises:
        PermanentError: ``message_too_large``.
    """
    room = min(WINDOW_BYTES, frame_max) - _OVERHEAD
    window: list[schema.Message] = []
    size = 0
    for number, message in numbered:
        body = codec.encode(message)
        taken = len(body) + _OVERHEAD
        if taken + _OVERHEAD > frame_max:
            raise PermanentError(
                "message_too_large",
                f"a message of {len(body)} bytes, and the broker takes frames of {frame_max}",
                hint="set stream.frame_max in rabbitmq.conf",
            )
        if window and (size + taken > room or len(window) >= WINDOW_MESSAGES):
            yield window
            window, size = [], 0
        window.append(schema.Message(number, None, body))
        size += taken
    if window:
        yield window
