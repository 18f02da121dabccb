"""The HTTP server of a process: uvicorn behind limits that one silent, slow or greedy client cannot get around.

uvicorn alone has no deadline for a head or a body, and counts idle connections as work. Here every wait for the
client has an end, a body is read only as fast as the application takes it, and connections that keep the server
waiting make room for new ones.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from asyncio import constants
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import h11
import uvicorn
from prometheus_client import Counter
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.http_connections import Connections, Network
from azaion_common.platform.runtime.http_requests import StrictConnection

KEEP_ALIVE_S = 5
GRACE_S = 5
READ_BYTES = 16 * 1024
_ACCEPTED_AT_ONCE = 64
_WAITING_TO_BE_ACCEPTED = 1024

CUT = Counter("azaion_http_cut_connections", "Connections that the server ended, by reason", ["reason"])


class Waiting(StrEnum):
    """What of a client the server waits for."""

    HEAD = "slow_head"
    BODY = "slow_body"
    REST = "slow_rest"
    """The end of a request that is answered already."""
    READING = "slow_reader"
    """That it takes its answer."""


for _reason in (*Waiting, "crowded_out", "crowded", "malformed", "stopping"):
    CUT.labels(_reason)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections there may be, and how long each may keep the server waiting."""

    connections: int = 512
    connections_per_client: int = 256
    trusted_proxies: Sequence[Network] = ()
    """Many clients come through each of them: they have no limit of their own."""
    head_s: float = 10.0
    body_s: float = 10.0
    body_bytes_per_s: int = 8 * 1024
    """Each so many bytes of a body earn one more second for the rest."""
    rest_s: float = 2.0
    reading_s: float = 30.0
    reading_bytes_per_s: int = 1024
    """What a client has to take of its answer on average, to be given ``reading_s`` again."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form."""

    certificate: Path
    """Of the server, and those between it and its authority."""
    key: Path | None = None
    """None: in the file of the certificate."""

    def check(self) -> None:
        """Read both.

        Raises:
            PermanentError: ``tls_certificate_invalid``.
        """
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key)
        except OSError as error:  # ssl.SSLError among them
            raise PermanentError(
                "tls_certificate_invalid",
                f"cannot use the certificate {self.certificate} with the key {self.key}: {error}",
                hint="name a certificate and a key in PEM form that belong together",
            ) from error


class GuardedProtocol(H11Protocol, asyncio.BufferedProtocol):
    """One connection."""

    conn: StrictConnection
    transport: PatientTransport

    def __init__(
        self, *, limits: Limits, connections: Connections, buffer: bytearray, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.conn = StrictConnection()
        self._limits = limits
        self._connections = connections
        self._buffer = buffer
        self._is_refused = False
        self._waiting: Waiting | None = None
        self._waiting_since = 0.0
        self._received_bytes = self._unsent_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def host(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def keeps_us_waiting(self) -> bool:
        return self._waits_for() is not None

    @property
    def has_said_all(self) -> bool:
        """Whether nothing of a request is still to come."""
        return not self._is_refused and self.conn.their_state is not h11.SEND_BODY

    def cut(self, reason: str) -> None:
        """End the connection at once."""
        CUT.labels(reason).inc()
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP has no other
        super().connection_made(PatientTransport(transport, self))
        if self._connections.admit(self):
            self.watch()
        else:
            self.cut("crowded")

    def get_buffer(self, sizehint: int) -> memoryview:
        # A view: asyncio's TLS fills it slice by slice, and a slice of a bytearray is a copy.
        return memoryview(self._buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(memoryview(self._buffer)[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # the answer is on its way, and the rest of the request is of no interest
        self._received_bytes += len(data)
        super().data_received(data)
        if self._waits_for() is Waiting.BODY:
            self.flow.pause_reading()  # until the application asks for more
        self.watch()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be read with the status that it deserves, as far as one still can."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        self._is_refused = True
        CUT.labels("malformed").inc()
        for event in _refused(self.conn.refused_with):
            self.transport.write(self.conn.send(event) or b"")  # only the end of a connection has no bytes
        self.transport.close()

    def on_response_complete(self) -> None:
        if not self.has_said_all:
            self.transport.close()
        super().on_response_complete()
        self.watch()

    def shutdown(self) -> None:
        if self._has_request:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self)
        self._unset_keepalive_if_required()
        self._set_deadline(None)
        super().connection_lost(exc)

    def watch(self) -> None:
        """Have a deadline for what is waited for now, from the moment on in which that began."""
        waiting = self._waits_for()
        if waiting is not self._waiting:
            self._set_deadline(waiting)

    @property
    def _has_request(self) -> bool:
        """Whether a request is under way."""
        cycle: RequestResponseCycle | None = self.cycle  # None at first, which its own type does not say
        return cycle is not None and not cycle.response_complete

    def _waits_for(self) -> Waiting | None:
        if self.transport.lingers:
            return Waiting.REST
        if self.flow.write_paused or self.transport.is_closing():
            return Waiting.READING
        if not self._has_request:
            return Waiting.HEAD
        return Waiting.BODY if self.cycle.more_body else None

    def _set_deadline(self, waiting: Waiting | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._waiting, self._waiting_since, self._received_bytes = waiting, self.loop.time(), 0
        self._unsent_bytes = self.transport.get_write_buffer_size()
        if waiting is not None:
            seconds = {
                Waiting.HEAD: self._limits.head_s,
                Waiting.BODY: self._limits.body_s,
                Waiting.REST: self._limits.rest_s,
                Waiting.READING: self._limits.reading_s,
            }[waiting]
            self._deadline = self.loop.call_later(seconds, self._on_deadline, waiting)

    def _on_deadline(self, waiting: Waiting) -> None:
        left_s = self._earned_s(waiting)
        if left_s <= 0:
            self.cut(waiting)
        else:
            self._deadline = self.loop.call_later(left_s, self._on_deadline, waiting)

    def _earned_s(self, waiting: Waiting) -> float:
        """The seconds that a client has earned beyond its deadline by getting on."""
        if waiting is Waiting.BODY:
            earned_s = self._limits.body_s + self._received_bytes / self._limits.body_bytes_per_s
            return self._waiting_since + earned_s - self.loop.time()
        if waiting is Waiting.READING:
            before, self._unsent_bytes = self._unsent_bytes, self.transport.get_write_buffer_size()
            asked_bytes = self._limits.reading_bytes_per_s * self._limits.reading_s
            return self._limits.reading_s if before - self._unsent_bytes >= asked_bytes else 0
        return 0


def _refused(status: HTTPStatus) -> Sequence[h11.Event]:
    problem = {
        "type": "urn:azaion:problem:request_malformed",
        "title": status.phrase,
        "status": status.value,
        "code": "request_malformed",
        "detail": "the request is no HTTP/1.1 that can be read",
    }
    body = json.dumps(problem).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    response = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
    return response, h11.Data(data=body), h11.EndOfMessage()


class PatientTransport(asyncio.Transport):
    """A transport whose ``close`` lets a client that is still sending read its answer first.

    Where bytes lie unread when a socket is closed, the kernel resets the connection, and the client loses an answer
    that it has not read yet.
    """

    def __init__(self, transport: asyncio.Transport, protocol: GuardedProtocol) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self.lingers = False
        """Closed for the application; what still comes is thrown away."""

    def close(self) -> None:
        """Send what is to be sent, and end: at once, or when the client has said all."""
        if self.is_closing():
            return
        if self._protocol.has_said_all:
            self._transport.close()
        else:
            self.lingers = True
            if self._transport.can_write_eof():  # TLS cannot
                self._transport.write_eof()
            self._transport.resume_reading()
        self._protocol.watch()

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals to the runtime, and sleeps while nobody asks."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def main_loop(self) -> None:
        """Uvicorn's own wakes ten times a second, for the time of day in its answers."""
        await self._stopping.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or []:
            # asyncio takes in as many at once as it was told to have wait: few, or a crowd would use up all descriptors.
            each.listen(_WAITING_TO_BE_ACCEPTED)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Who has not ended by then is cut, so that no request is left for uvicorn to cancel with a trace in the log.
        cutting = asyncio.get_running_loop().call_later(GRACE_S - 1, self._cut_all)
        await super().shutdown(sockets)
        cutting.cancel()
        self._cut_all()

    def _cut_all(self) -> None:
        for each in list(self.server_state.connections):
            assert isinstance(each, GuardedProtocol)  # noqa: S101 - there are no others
            each.cut("stopping")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        PermanentError: ``port_in_use``, ``host_unknown``, ``port_denied``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without this a restart has to wait a minute; unlike SO_REUSEPORT it does not let a second server in.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_WAITING_TO_BE_ACCEPTED)
    except OSError as error:
        listener.close()
        raise _refusal(error, host, port) from error
    return listener


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    stopping: asyncio.Event,
    limits: Limits | None = None,
    tls: Tls | None = None,
) -> None:
    """Answer on ``listener`` until ``stopping`` is set and the requests under way are answered, at most 5 s later.

    With ``tls`` https alone is spoken.

    Raises:
        PermanentError: ``tls_certificate_invalid``.
    """
    limits = limits or Limits()
    if tls is not None:
        await asyncio.to_thread(tls.check)
        # A client that is silent before its handshake is not a connection yet; uvicorn has no other switch for its end.
        constants.SSL_HANDSHAKE_TIMEOUT = limits.head_s
    connections = Connections(limits.connections, limits.connections_per_client, limits.trusted_proxies)
    # One buffer for all connections: what was read is copied out of it before anything else is read.
    protocol = partial(GuardedProtocol, limits=limits, connections=connections, buffer=bytearray(READ_BYTES))
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what strangers send is counted, not told line by line
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # whom to believe is the application's to decide
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        backlog=_ACCEPTED_AT_ONCE,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    with closing(listener):
        await _Server(config, stopping).serve(sockets=[listener])


def _refusal(error: OSError, host: str, port: int) -> PermanentError:
    if isinstance(error, socket.gaierror):
        return PermanentError("host_unknown", f"cannot listen on {host}: no such host")
    if isinstance(error, PermissionError):
        return PermanentError("port_denied", f"this account may not listen on {host}:{port}")
    return PermanentError(
        "port_in_use",
        f"cannot listen on {host}:{port}: {error.strerror}",
        hint="stop the program that uses the port, or set another one in azaion.yaml",
    )
