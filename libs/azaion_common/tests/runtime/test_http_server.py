"""The HTTP server over real connections: whoever keeps it waiting is cut, everybody else is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from azaion_common.platform.runtime.health import Health
from azaion_common.platform.runtime.http_server import READ_BYTES, Limits, listen, serve
from azaion_common.platform.runtime.ops_server import ops_server

pytestmark = pytest.mark.slow

IMPATIENT = Limits(connections=8, connections_per_client=8, head_s=0.2, body_s=0.2, rest_s=0.2, reading_s=0.2)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
MEGABYTE = 1 << 20


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


async def take_all(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers before the body is there, and never looks at it."""
    await PlainTextResponse("too long", 413)(scope, receive, send)


async def long_answer(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(bytes(16 * MEGABYTE))(scope, receive, send)


@dataclass
class Server:
    """A server of the test's own, and how to talk to it."""

    port: int
    stopping: asyncio.Event

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def ask(self, request: bytes, answer_bytes: int = 100_000) -> bytes:
        async with self.connected() as (reader, writer):
            writer.write(request)
            return await read_answer(reader, answer_bytes)


async def read_answer(reader: asyncio.StreamReader, most_bytes: int = 100_000) -> bytes:
    """What comes until the connection ends, or the first answer is there; a reset is an end."""
    text = b""
    with contextlib.suppress(ConnectionError):
        while len(text) < most_bytes and (piece := await reader.read(65536)):
            text += piece
            if text.endswith(b"hello") or b"}" in text:
                break
    return text


@asynccontextmanager
async def running(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], limits: Limits = IMPATIENT
) -> AsyncIterator[Server]:
    listener, stopping = listen("127.0.0.1", 0), asyncio.Event()
    server = Server(listener.getsockname()[1], stopping)
    task = asyncio.create_task(serve(app, listener, stopping, limits))
    try:
        async with asyncio.timeout(20):
            yield server
    finally:
        stopping.set()
        await task


async def seconds_until_cut(reader: asyncio.StreamReader) -> float:
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while await reader.read(65536):
            pass
    return time.monotonic() - started


async def drip(writer: asyncio.StreamWriter, pause_s: float = 0.05) -> None:
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(pause_s)


@pytest.mark.parametrize(
    "start",
    [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", POST + b"Content-Length: 1000\r\n\r\n", GET],
    ids=["silent", "head", "body", "between requests"],
)
@pytest.mark.parametrize("drips", [False, True])
async def test_whoever_keeps_the_server_waiting_is_cut(start: bytes, *, drips: bool) -> None:
    """A head, a body, or nothing at all: it has to come within its time, byte by byte or not."""
    async with running(take_all) as server, server.connected() as (reader, writer):
        writer.write(start)
        dripping = asyncio.create_task(drip(writer)) if drips else None
        assert await seconds_until_cut(reader) < 3
        if dripping:
            dripping.cancel()


async def test_a_body_that_gets_on_has_as_long_as_it_needs() -> None:
    """The deadline is for being slow, not for being long."""
    limits = Limits(body_s=0.3, body_bytes_per_s=10_000)
    async with running(take_all, limits) as server, server.connected() as (reader, writer):
        writer.write(POST + b"Content-Length: 10000\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.08)
            writer.write(bytes(1000))

        assert b"10000" in await read_answer(reader, 100)


async def test_whoever_does_not_take_its_answer_is_cut() -> None:
    """An answer that nobody reads does not hold its memory for ever; one that is read slowly arrives."""
    async with running(long_answer) as server:
        async with server.connected() as (_, writer):
            writer.write(GET)
            port = writer.get_extra_info("sockname")[1]
            await asyncio.wait_for(_gone(server.port, port), 5)
        taken = await server.ask(GET, 17 * MEGABYTE)

    assert len(taken) > 16 * MEGABYTE


async def _gone(server_port: int, client_port: int) -> None:
    """Until the server's end of a connection is no longer open."""
    wanted = f":{server_port:04X} ", f":{client_port:04X} 01 "
    while any(all(part in line for part in wanted) for line in _table().splitlines()):
        await asyncio.sleep(0.05)


def _table() -> str:
    return "\n".join(line.split(":", 1)[-1] for line in Path("/proc/net/tcp").read_text().splitlines())


async def test_a_refusal_arrives_although_the_client_is_still_sending() -> None:
    """An answer that comes before the body's end is not lost in the reset of a connection with unread bytes."""
    async with running(refuse) as server, server.connected() as (reader, writer):
        writer.write(POST + b"Content-Length: 20000000\r\n\r\n")
        for _ in range(20):
            writer.write(bytes(MEGABYTE))
        await asyncio.sleep(0.05)

        assert b"413" in await read_answer(reader, 100)


async def test_the_connection_ends_after_a_refusal_with_a_body_to_come() -> None:
    """The rest of a refused body is thrown away for a moment only, and never taken for another request."""
    async with running(refuse) as server, server.connected() as (reader, writer):
        writer.write(POST + b"Content-Length: 20000000\r\n\r\n" + GET)
        dripping = asyncio.create_task(drip(writer))
        text = await asyncio.wait_for(reader.read(), 3)
        dripping.cancel()

    assert text.count(b"HTTP/1.1 413") == 1


async def test_a_body_is_read_only_as_far_as_somebody_takes_it() -> None:
    """What a stranger sends stays in its own buffers while nobody has asked for it."""
    asked = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asked.wait()
        assert len((await receive())["body"]) <= READ_BYTES
        taken = await Request(scope, receive).body()
        await PlainTextResponse("most" if len(taken) > 49_900_000 else "little")(scope, receive, send)

    async with running(late, Limits()) as server, server.connected() as (reader, writer):
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(POST + b"Content-Length: 50000000\r\n\r\n" + bytes(50_000_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.3)
        asked.set()

        assert b"most" in await read_answer(reader, 100)


async def test_a_crowd_of_silent_connections_keeps_nobody_out() -> None:
    """Ten times as many as there may be, and a newcomer is answered at once."""
    limits = Limits(connections=8, connections_per_client=8)
    async with running(hello, limits) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(80):
            await stack.enter_async_context(server.connected())

        assert (await server.ask(GET)).endswith(b"hello")


async def test_requests_one_after_the_other_on_one_connection() -> None:
    """Keep-alive works, also when all are sent before the first answer."""
    async with running(hello) as server, server.connected() as (reader, writer):
        writer.write(GET * 3)
        text = b""
        while text.count(b"hello") < 3:
            text += await reader.read(1000)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 1000 + b"\r\n", 431),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 9000, 400),
    ],
)
async def test_a_request_that_cannot_be_read_gets_a_problem(request_bytes: bytes, status: int) -> None:
    """Malformed requests are answered in the form of all other refusals, and their connection ends."""
    async with running(take_all) as server:
        text = await server.ask(request_bytes)

    head, _, body = text.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "request_malformed"


async def test_a_stop_does_not_wait_for_the_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent clients, half a body, answers that nobody takes: all end within the grace."""
    monkeypatch.setattr("azaion_common.platform.runtime.http_server.GRACE_S", 2)
    async with contextlib.AsyncExitStack() as stack:
        async with running(take_all, Limits()) as server:
            for start in (b"", b"GET /", POST + b"Content-Length: 1000\r\n\r\nx", GET):
                _, writer = await stack.enter_async_context(server.connected())
                writer.write(start)
            await asyncio.sleep(0.1)
            started = time.monotonic()
        assert time.monotonic() - started < 3


async def test_probes_and_metrics_answer_while_somebody_is_slow(tmp_path: Path) -> None:
    """The small server of every service is behind the same limits."""
    address = tmp_path / "run" / "ops.json"
    async with contextlib.AsyncExitStack() as stack, ops_server(Health(), "127.0.0.1", 0, address):
        port = int(json.loads(address.read_text())["url"].rpartition(":")[2])
        server = Server(port, asyncio.Event())
        for start in (b"", b"GET /livez HTTP/1.1\r\nHost: a\r\n") * 100:
            _, writer = await stack.enter_async_context(server.connected())
            writer.write(start)

        alive = await server.ask(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        bomb = await server.ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 9000 + b"\r\n")

    assert b'{"alive":true}' in alive
    assert b" 431 " in bomb
