"""A process that runs services until it is told to stop.

SIGTERM and Ctrl-C drain: no new work, finish or give back what is in hand, exit 0 within 20 s, with all children. A
second signal, or the time, ends the process at once, which is safe: effects happen once across kills. A service that
the outside world fails for now (a full disk) is started again until it works; one that fails for good takes the
process down with it, within the same time. Nothing is ever half dead.
"""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from azaion_common.core import tracing
from azaion_common.core.backoff import Backoff
from azaion_common.core.deadline import Deadline
from azaion_common.core.durable import make_folder, open_lock, storage_errors
from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.core.lifeline import kill_children
from azaion_common.core.stopping import unless_stopped
from azaion_common.platform.runtime.home import close_private
from azaion_common.platform.runtime.ops_server import ops_server
from azaion_common.platform.runtime.platform import Platform, open_platform
from azaion_common.platform.runtime.service import Service
from azaion_common.platform.runtime.settings import PlatformSettings, traces_are_collected

DRAIN_S = 15.0
EXIT_HARD_S = 17.0
"""From the signal; a thread that lets no other run is ended a second later."""
RESTART_CAP_S = 10.0
LOCK_TRIES = 5
LOCK_AGAIN_S = 0.05
_log = structlog.get_logger(__name__)


def run_process(services: Sequence[Service], home: Path) -> None:
    """``run_services`` as all that this process does: it ends with them, in time, whatever its threads are doing.

    Raises:
        AzaionError: as ``run_services``.
    """
    deadline = Deadline()
    try:
        asyncio.run(run_services(services, home, deadline))
    finally:  # threads are waited for until then, here and when Python ends
        deadline.begin(EXIT_HARD_S)
        atexit.register(_tell_end, services)


def _tell_end(services: Sequence[Service]) -> None:
    """Once no thread is left."""
    kill_children()
    _log.info("process.stopped", services=[service.name for service in services])


async def run_services(services: Sequence[Service], home: Path, deadline: Deadline | None = None) -> None:
    """Run ``services`` on the platform of ``home`` until a signal comes or one of them fails.

    ``deadline`` begins as soon as they are to stop; without one, there is one until they have.

    Raises:
        AzaionError: what ended a service, ``already_running`` when one of them runs in another process.
    """
    if deadline is None:
        deadline = Deadline()
        try:
            return await run_services(services, home, deadline)
        finally:
            deadline.cancel()
    settings = PlatformSettings.load(home, "platform")
    close_private(home, [service.name for service in services])
    name = services[0].name if len(services) == 1 else "up"
    with _locks(home, services), _tracing(name):
        async with _signals(deadline) as stopping, AsyncExitStack() as stack:
            platform = await _connect(stack, home, settings, name, stopping)
            if platform is not None:
                address_file = home / "run" / f"{name}.json"
                async with ops_server(
                    platform.health, settings.metrics_host, settings.metrics_port, address_file
                ):
                    await _run_all(services, platform, deadline)
    deadline.exit_code = 0
    return None


async def _connect(
    stack: AsyncExitStack, home: Path, settings: PlatformSettings, name: str, stopping: asyncio.Event
) -> Platform | None:
    """The platform, as soon as what it needs can be reached; None when the process is to stop before."""
    backoff = Backoff(cap_s=RESTART_CAP_S)
    while not stopping.is_set():
        try:
            return await stack.enter_async_context(
                open_platform(home, settings, name=name, stopping=stopping)
            )
        except TransientError as error:
            _log.warning("process.waiting", code=error.code, error=error.message)
            await unless_stopped(stopping, asyncio.sleep(backoff.next()))
    return None


async def _run_all(services: Sequence[Service], platform: Platform, deadline: Deadline) -> None:
    heart = asyncio.create_task(platform.health.beat())
    tasks = [asyncio.create_task(_insist(service, platform), name=service.name) for service in services]
    stop = asyncio.create_task(platform.stopping.wait())
    platform.health.started = True
    _log.info("process.started", services=[service.name for service in services], home=str(platform.home))
    try:
        await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
        early = [task for task in tasks if task.done()]
        if early and not platform.stopping.is_set():
            platform.stopping.set()
            deadline.begin(EXIT_HARD_S)
            _log.error("service.ended_early", service=early[0].get_name())
        await asyncio.wait(tasks, timeout=DRAIN_S)
    finally:
        for task in (heart, stop, *tasks):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    _raise_first(results)


async def _insist(service: Service, platform: Platform) -> None:
    """Run ``service``; start it again, as a supervisor would, while what ends it may pass."""
    backoff = Backoff(cap_s=RESTART_CAP_S)
    while not platform.stopping.is_set():
        try:
            return await service.run(platform)
        except Exception as error:
            cause = _root(error)
            if not isinstance(cause, TransientError):
                raise
            platform.health.problem(service.name, str(cause))
            _log.warning("service.waiting", service=service.name, code=cause.code, error=cause.message)
        await unless_stopped(platform.stopping, asyncio.sleep(backoff.next()))
        platform.health.well(service.name)
    return None


def _raise_first(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise _root(result)


def _root(error: BaseException) -> BaseException:
    """The first cause inside exception groups."""
    while isinstance(error, BaseExceptionGroup):
        typed = [inner for inner in error.exceptions if isinstance(inner, AzaionError)]
        error = typed[0] if typed else error.exceptions[0]
    return error


@asynccontextmanager
async def _signals(deadline: Deadline) -> AsyncIterator[asyncio.Event]:
    """An event that the first signal sets."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            kill_children()
            os._exit(1)
        _log.info("process.stopping")
        stopping.set()
        deadline.begin(EXIT_HARD_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield stopping
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _tracing(service: str) -> Iterator[None]:
    """Spans are recorded while the block runs, where a collector is named."""
    if not traces_are_collected():
        yield
        return
    tracer = tracing.otlp_tracer(service)
    tracing.use(tracer)
    try:
        yield
    finally:
        tracing.use(None)
        tracer.close()


@contextmanager
def _locks(home: Path, services: Sequence[Service]) -> Iterator[None]:
    """One process per service and home: two would write one ledger and send under one name."""
    folder = home / "run"
    with storage_errors(folder):
        make_folder(folder)
    files = [open_lock(folder / f"{service.name}.lock") for service in services]
    try:
        for service, file in zip(services, files, strict=True):
            if not _take(file):
                raise PermanentError(
                    "already_running",
                    f"{service.name} already runs on {home}",
                    hint="stop it, or use another --home",
                )
        yield
    finally:
        for file in files:
            file.close()


def _take(lock: BinaryIO) -> bool:
    """More than once: a command that looks whether somebody holds it has it for an instant."""
    for _ in range(LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_AGAIN_S)
    return False
