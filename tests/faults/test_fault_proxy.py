"""The proxy does to connections what its names say, and nothing to the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from testservers.fault_proxy import FaultProxy
from testservers.processes import LOOPBACK

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]
pytestmark = pytest.mark.timeout(30)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, LOOPBACK, 0)
    async with server:
        made = FaultProxy(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(made.__enter__)
        yield made
        await asyncio.to_thread(made.__exit__)
        await asyncio.sleep(0.05)  # for the far ends to see it


@pytest.fixture
async def connect(proxy: FaultProxy) -> AsyncIterator[Connect]:
    made: list[asyncio.StreamWriter] = []

    async def new() -> Connection:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        made.append(writer)
        return reader, writer

    yield new
    for writer in made:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def said(connection: Connection, text: bytes, timeout_s: float = 5) -> bytes:
    reader, writer = connection
    writer.write(text)
    async with asyncio.timeout(timeout_s):
        return await reader.read(1 << 16)


async def test_without_faults_everything_passes(proxy: FaultProxy, connect: Connect) -> None:
    """Bytes go through as they are, both ways."""
    assert await said(await connect(), b"hello") == b"hello"
    assert not proxy.faults


async def test_a_cut_is_an_end_and_a_reset_an_error(proxy: FaultProxy, connect: Connect) -> None:
    """Old connections go as they would in a network; new ones work."""
    first, second = await connect(), await connect()
    assert await said(first, b"1") == await said(second, b"1") == b"1"
    await asyncio.to_thread(proxy.cut)
    assert await first[0].read() == b""

    third = await connect()
    assert await said(third, b"2") == b"2"
    await asyncio.to_thread(proxy.reset)
    with pytest.raises(ConnectionResetError):
        await third[0].read()
    assert await said(await connect(), b"3") == b"3"
    assert proxy.faults == {"cut": 1, "reset": 1}


async def test_a_black_hole_keeps_connections_and_takes_bytes(proxy: FaultProxy, connect: Connect) -> None:
    """Nothing comes through and nobody is told, on new connections neither; mending resets what was swallowed from."""
    old = await connect()
    assert await said(old, b"1") == b"1"
    await asyncio.to_thread(proxy.swallow)
    new = await connect()
    for connection in (old, new):
        with pytest.raises(TimeoutError):
            await said(connection, b"2", timeout_s=0.3)

    await asyncio.to_thread(proxy.mend)
    with pytest.raises(ConnectionResetError):
        await old[0].read()
    assert await said(await connect(), b"3") == b"3"


async def test_refusing_lets_nobody_in_until_it_is_mended(proxy: FaultProxy, connect: Connect) -> None:
    """Old connections are reset, new ones end at once."""
    old = await connect()
    assert await said(old, b"1") == b"1"
    await asyncio.to_thread(proxy.refuse)
    with pytest.raises(ConnectionResetError):
        await old[0].read()
    with pytest.raises(OSError):  # noqa: PT011 - reset at once, or while writing
        assert await said(await connect(), b"2")

    await asyncio.to_thread(proxy.mend)
    assert await said(await connect(), b"3") == b"3"


async def test_a_slow_line_is_late_and_narrow(proxy: FaultProxy, connect: Connect) -> None:
    """Bytes come complete, and later than they would."""
    connection = await connect()
    assert await said(connection, b"1") == b"1"
    await asyncio.to_thread(proxy.slow)
    started = time.monotonic()
    assert await said(connection, b"2") == b"2"

    assert 0.1 <= time.monotonic() - started < 5  # there and back


def test_a_storm_repeats_itself_with_its_seed() -> None:
    """The same seed makes the same faults in the same order and the same pauses."""

    def storm(seed: int) -> tuple[dict[str, int], list[float]]:
        pauses: list[float] = []
        with FaultProxy(1) as proxy:
            proxy.storm(seed, 30, 0.5, pauses.append)
            return dict(proxy.faults), pauses

    assert storm(1) == storm(1)
    assert storm(1) != storm(2)
    assert sum(storm(3)[0].values()) == 30
