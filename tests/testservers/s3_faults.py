"""An S3 server that misbehaves on demand: it stands before a real one, checks signatures and keeps a record.

Like a real one it answers several requests on one connection. What it does wrong is in ``s3_modes``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

from testservers.processes import LOOPBACK
from testservers.sigv4 import Signed, complaint

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request(Signed):
    """What a client asked for."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """What a client gets; names of headers in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, **headers: str) -> Answer:
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **changed})

    def head(self, length: int | None = None) -> bytes:
        """Everything before the body; ``length`` is what it claims for the body."""
        headers = dict(self.headers)
        if self.status != 204:
            headers.setdefault("content-length", str(len(self.body)))
        if length is not None:
            headers["content-length"] = str(length)
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join((*lines, "", "")).encode()


class HangUp(Exception):  # noqa: N818 - a signal
    """Raised by a mode that has done with the connection."""


class Exchange:
    """One request, and the means to answer it rightly or wrongly."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter, upstream: str) -> None:
        self.request = request
        self._writer = writer
        self._upstream = urlsplit(upstream)

    async def forward(self, body: bytes | None = None) -> Answer:
        """What the real server answers, asked with another ``body`` if one is given."""
        request, payload = self.request, self.request.body if body is None else body
        reader, writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        dropped = ("connection", "expect", "content-length")
        headers = {name: value for name, value in request.headers.items() if name not in dropped}
        headers |= {"connection": "close", "content-length": str(len(payload))}
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
        try:
            writer.write("\r\n".join((*lines, "", "")).encode() + payload)
            return _parsed(await reader.read(-1))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def answer(self, answer: Answer) -> None:
        body = b"" if self.request.method == "HEAD" else answer.body
        await self.send(answer.head() + body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """End the connection with a RST, as a crash or a firewall does."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()
        raise HangUp


Mode = Callable[[Exchange], Awaitable[None]]


@dataclass
class Fault:
    """A mode, and which requests it befalls."""

    mode: Mode
    when: Callable[[Request], bool]
    times: int | None
    """For each method and address; None: always."""
    befallen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def befalls(self, request: Request) -> bool:
        if not self.when(request):
            return False
        self.befallen[request.method, request.target] += 1
        return self.times is None or self.befallen[request.method, request.target] <= self.times


class FaultyS3:
    """Use as an async context manager. ``credentials`` are access and secret key; None: signatures do not matter."""

    def __init__(
        self, upstream: str, credentials: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._upstream = upstream
        self._credentials = credentials
        self._tls = tls
        self._faults: list[Fault] = []
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        """All of them in the order of their arrival."""
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    def break_with(
        self, mode: Mode, *, when: Callable[[Request], bool] = lambda _: True, times: int | None = None
    ) -> None:
        """From now on ``mode`` answers the requests that ``when`` is true for. The latest fault goes first."""
        self._faults.insert(0, Fault(mode, when, times))

    def mend(self) -> None:
        self._faults.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, after ``stop`` again on the same port."""
        self._server = await asyncio.start_server(
            self._serve, LOOPBACK, self.port, limit=1 << 24, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and cut those that there are."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()  # from Python 3.12 on until the last connection is closed too

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            with contextlib.suppress(OSError, HangUp, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._one(Exchange(await _read(reader, writer), writer, self._upstream))
        finally:
            writer.close()

    async def _one(self, exchange: Exchange) -> None:
        self.requests.append(exchange.request)
        refusal = self._credentials and complaint(exchange.request, *self._credentials)
        if refusal:
            await exchange.answer(refused(*refusal))
            return
        fault = next((fault for fault in self._faults if fault.befalls(exchange.request)), None)
        if fault is None:
            await exchange.answer(await exchange.forward())
        else:
            await fault.mode(exchange)


def refused(status: int, code: str, **headers: str) -> Answer:
    """An error in S3's form."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return Answer(status, {"content-type": "application/xml"}, body.encode()).with_headers(**headers)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = _headers(fields)
    if "expect" in headers:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def _parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = {name: value for name, value in _headers(fields).items() if name != "connection"}
    return Answer(int(line.split(" ")[1]), headers, body)


def _headers(fields: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in fields)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
