"""The HTTP server: uvicorn inside the service's own task group, stopped by an event instead of by signals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn
from starlette.types import ASGIApp

from azaion_common.errors import PermanentError

_GRACE_S = 5


class _Server(uvicorn.Server):
    """Uvicorn that leaves the process's signal handlers to the runtime."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
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
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _refusal(error, host, port) from error
    return listener


async def serve(app: ASGIApp, listener: socket.socket, stopping: asyncio.Event) -> None:
    """Answer on ``listener`` until ``stopping`` is set and the requests under way are answered, at most 5 s later."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the rate limit needs the true address
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=200,
    )
    server = _Server(config)
    with closing(listener):
        async with asyncio.TaskGroup() as group:
            stopper = group.create_task(_stop(server, stopping))
            await server.serve(sockets=[listener])
            stopper.cancel()


async def _stop(server: uvicorn.Server, stopping: asyncio.Event) -> None:
    await stopping.wait()
    server.should_exit = True


def _refusal(error: OSError, host: str, port: int) -> PermanentError:
    if isinstance(error, socket.gaierror):
        return PermanentError("host_unknown", f"the API cannot listen on {host}: no such host")
    if isinstance(error, PermissionError):
        return PermanentError("port_denied", f"this account may not listen on {host}:{port}")
    return PermanentError(
        "port_in_use",
        f"the API cannot listen on {host}:{port}: {error.strerror}",
        hint="stop the program that uses the port, or set api.port and api_url in azaion.yaml",
    )
