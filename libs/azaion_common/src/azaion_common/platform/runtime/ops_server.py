"""``/metrics``, ``/livez`` and ``/readyz`` of a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azaion_common.core.durable import write_file
from azaion_common.platform.runtime.health import Health
from azaion_common.platform.runtime.http_server import Limits, listen, serve

_LIMITS = Limits(connections=256, connections_per_client=256)
"""Prometheus, a probe or two, and a person; more than arrive at once, so that none of these is crowded out before it speaks."""


@asynccontextmanager
async def ops_server(health: Health, host: str, port: int, address_file: Path) -> AsyncIterator[None]:
    """Serve the endpoints; the address is written to ``address_file``.

    Raises:
        PermanentError: as ``http_server.listen``.
    """
    sock = listen(host, port)
    address = {"url": f"http://{host}:{sock.getsockname()[1]}"}
    address_file.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(write_file, address_file, json.dumps(address).encode())
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve(_app(health), sock, stopping, _LIMITS))
    try:
        yield
    finally:
        stopping.set()
        await serving


def _app(health: Health) -> Starlette:
    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def livez(_request: Request) -> Response:
        return JSONResponse({"alive": health.alive}, status_code=200 if health.alive else 503)

    async def readyz(_request: Request) -> Response:
        body = {"ready": health.ready, "problems": health.problems}
        return JSONResponse(body, status_code=200 if health.ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)])
