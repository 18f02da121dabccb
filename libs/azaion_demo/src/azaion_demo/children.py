"""The demo's child processes: the services, and the inference run. Both are the ordinary ``azaion`` commands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.discovery import service_names

STOP_S = 18.5
"""A process of services ends within 18 s of the signal."""
API_RECHECK_S = 0.2

Result = TypeVar("Result")
_SERVICES_OF_THE_LOOP = {"api", "ingestor", "augmentor", "trainer", "exporter", "publisher"}


def free_port() -> int:
    """A port of the loopback that nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def services_running(home: Path) -> AsyncIterator[Process]:
    """``azaion up`` on ``home`` while the block runs; its log goes to ``logs/up.log``."""
    log = home / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    only = [part for name in service_names() if name in _SERVICES_OF_THE_LOOP for part in ("--only", name)]
    with log.open("ab") as output:
        process = await _start("up", "--home", str(home), *only, stdout=output, stderr=output)
    try:
        yield process
    finally:
        await _stop(process)


async def unless_dead(process: Process, home: Path, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, which needs ``process``.

    Raises:
        PermanentError: ``services_ended`` with the last line of their log, when the process ends before.
    """
    working = asyncio.create_task(work)
    ending = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _ended(home, ending.result())
        return working.result()
    finally:
        for task in (working, ending):
            task.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)


def _ended(home: Path, code: int) -> PermanentError:
    log = home / "logs" / "up.log"
    lines = log.read_text().strip().splitlines()
    return PermanentError(
        "services_ended",
        f"the services ended with {code}: {lines[-1] if lines else 'no output'}",
        hint=f"see {log}",
    )


async def answering(api_url: str) -> None:
    """Return when the API answers."""
    async with httpx.AsyncClient(timeout=2) as client:
        while True:
            with suppress(httpx.HTTPError):
                if (await client.get(f"{api_url}/health")).is_success:
                    return
            await asyncio.sleep(API_RECHECK_S)


async def infer(arguments: list[str]) -> dict[str, Any]:
    """``azaion infer`` with ``arguments``; its last stdout line is the summary.

    Raises:
        PermanentError: ``inference_failed`` with the command's own message.
    """
    process = await _start(
        "infer", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        stdout, stderr = await asyncio.gather(_lines(process.stdout), _lines(process.stderr))
        code = await process.wait()
    finally:
        await _stop(process)
    if code != 0 or not stdout:
        reason = next(
            (line.removeprefix("error: ") for line in stderr if line.startswith("error: ")),
            f"exit code {code}",
        )
        raise PermanentError("inference_failed", f"azaion infer: {reason}")
    summary: dict[str, Any] = json.loads(stdout[-1])
    return summary


async def _lines(stream: asyncio.StreamReader | None) -> list[str]:
    text = await stream.read() if stream is not None else b""
    return [line for line in text.decode(errors="replace").splitlines() if line.strip()]


async def _start(*arguments: str, stdout: Any, stderr: Any) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "azaion_common.platform.cli.tethered", str(os.getpid()), *arguments,
        stdout=stdout, stderr=stderr, start_new_session=True,
    )  # fmt: skip


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
