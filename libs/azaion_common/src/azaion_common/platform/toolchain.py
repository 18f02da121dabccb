"""Toolchains: programs in environments of their own, run as child processes.

One JSON job goes in on stdin, JSON lines come out on stdout (progress, then a result or a typed error). The event
loop stays alive, memory comes back when the child ends, versions cannot clash, and a crash is a result.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from azaion_common.core.errors import AzaionError, PermanentError, TransientError

MAX_LINE_BYTES = 1 << 20
TERMINATE_S = 5.0
LEAVE_S = 30.0
"""For a child that has said its last word to end by itself."""
STDERR_LINES = 30

Line = Mapping[str, Any]
_log = structlog.get_logger(__name__)


async def _ignore(_line: Line) -> None:
    return


class Toolchain:
    """A toolchain's command. One instance may run several jobs, each in its own process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)

    async def run(
        self, job: Mapping[str, Any], on_line: Callable[[Line], Awaitable[None]] = _ignore
    ) -> dict[str, Any]:
        """Do ``job``; ``on_line`` sees every line but the last. Returns the result line.

        Cancelling ends the child: first asked (so that it can save), after 5 s killed, with the processes that it
        started. The child also ends when this process dies.

        Raises:
            AzaionError: as the child says; ``toolchain_missing``, ``toolchain_crashed``, ``toolchain_garbled``.
        """
        process = await self._start()
        tail: deque[str] = deque(maxlen=STDERR_LINES)
        errors = asyncio.create_task(_drain(process, tail))
        try:
            last = await self._converse(process, job, on_line)
            await _leave(process, errors)
        finally:
            await _end(process)
            errors.cancel()
        return self._outcome(last, process.returncode, tail)

    async def _start(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                start_new_session=True,  # Ctrl-C on the terminal is for us; we tell the child
            )
        except (FileNotFoundError, PermissionError) as error:
            raise PermanentError(
                "toolchain_missing",
                f"cannot start {self._command[0]}: {error.strerror}",
                hint="install it with: make setup",
            ) from error

    async def _converse(
        self, process: Process, job: Mapping[str, Any], on_line: Callable[[Line], Awaitable[None]]
    ) -> Line | None:
        if process.stdin is None or process.stdout is None:
            raise PermanentError("toolchain_crashed", "the child has no pipes")
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(json.dumps(job).encode() + b"\n")
            await process.stdin.drain()  # stdin stays open: its end tells the child that we died
        async for raw in process.stdout:
            line = _parse(raw)
            if line["type"] in ("result", "error"):
                return line
            await on_line(line)
        return None

    def _outcome(self, last: Line | None, return_code: int | None, tail: Sequence[str]) -> dict[str, Any]:
        if last is None:
            detail = f": {tail[-1]}" if tail else ""
            _log.error(
                "toolchain.crashed", command=self._command[0], return_code=return_code, stderr=list(tail)
            )
            raise TransientError(
                "toolchain_crashed", f"{Path(self._command[0]).name} ended with {return_code}{detail}"
            )
        if last["type"] == "error":
            raise _typed(last)
        return dict(last)


def _parse(raw: bytes) -> Line:
    try:
        line = json.loads(raw)
        line["type"]
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError("toolchain_garbled", f"not a protocol line: {raw[:200]!r}") from error
    parsed: Line = line
    return parsed


def _typed(line: Line) -> AzaionError:
    kind = TransientError if line.get("transient") else PermanentError
    return kind(str(line.get("code", "toolchain_failed")), str(line.get("message", "no message")))


async def _drain(process: Process, tail: deque[str]) -> None:
    if process.stderr is None:
        return
    while chunk := await process.stderr.read(1 << 16):
        tail.extend(text for text in chunk.decode(errors="replace").splitlines() if text.strip())


async def _leave(process: Process, errors: asyncio.Task[None]) -> None:
    """What a child that hangs after its last word might still say is of no use to anybody."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            await process.wait()
            await errors


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(TERMINATE_S):
                await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own: what it started goes with it
    await process.wait()
