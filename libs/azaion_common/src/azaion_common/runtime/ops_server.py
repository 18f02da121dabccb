"""``/metrics``, ``/livez`` and ``/readyz`` of a process."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azaion_common.errors import PermanentError
from azaion_common.runtime.health import Health
from azaion_common.storage.durable import write_file


class QuietServer(uvicorn.Server):
    """uvicorn without its own signal handling (the runtime owns the signals), which sleeps while nobody asks."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End serving; requests under way are answered."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Uvicorn's own wakes ten times a second, for the time of day in its answers."""
        await self._stopped.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        PermanentError: ``port_in_use``.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise PermanentError(
            "port_in_use",
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="stop what uses it, or set another port",
        ) from error
    return sock


@asynccontextmanager
async def serving(app: Starlette, sock: socket.socket) -> AsyncIterator[None]:
    """Serve an ASGI ``app`` on ``sock`` while the block runs."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        date_header=False,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.stop()
        await task
        sock.close()


@asynccontextmanager
async def ops_server(health: Health, host: str, port: int, address_file: Path) -> AsyncIterator[None]:
    """Serve the endpoints; the address is written to ``address_file``."""
    sock = listen(host, port)
    address = {"url": f"http://{host}:{sock.getsockname()[1]}"}
    address_file.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(write_file, address_file, json.dumps(address).encode())
    async with serving(_app(health), sock):
        yield


def _app(health: Health) -> Starlette:
    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def livez(_request: Request) -> Response:
        return JSONResponse({"alive": health.alive}, status_code=200 if health.alive else 503)

    async def readyz(_request: Request) -> Response:
        body = {"ready": health.ready, "problems": health.problems}
        return JSONResponse(body, status_code=200 if health.ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)])
