"""Worker processes, each in a lane of its own: when one dies, it is known which picture it died of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import TypeVar

import structlog

from azaion_augmentor import metrics, worker
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.tasks import Made, Task
from azaion_common.core.errors import PermanentError, TransientError

MAX_CRASHES = 3
Argument = TypeVar("Argument")
Result = TypeVar("Result")
_log = structlog.get_logger(__name__)


class WorkerPool:
    """A fixed number of worker processes. Use ``async with WorkerPool.open(...)``."""

    def __init__(self, lanes: list[Lane], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._free: asyncio.Queue[Lane] = asyncio.Queue()
        self._large = asyncio.Lock()
        for lane in lanes:
            self._free.put_nowait(lane)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, recipe: Recipe, *, workers: int, memory_bytes: int, timeout_s: float
    ) -> AsyncIterator[WorkerPool]:
        """Processes that are loaded and warm.

        Raises:
            PermanentError: ``recipe_invalid``.
            TransientError: ``workers_do_not_start``.
        """
        lanes = [Lane(recipe.model_dump_json(), memory_bytes) for _ in range(workers)]
        try:
            await asyncio.gather(*(lane.start() for lane in lanes))
            yield cls(lanes, timeout_s)
        finally:
            await asyncio.gather(*(lane.close() for lane in lanes))

    async def multiply(self, task: Task) -> tuple[Made, ...]:
        """Run ``task`` in the next free worker; one that crashes or hangs is replaced and the task tried again.

        Large pictures are multiplied one at a time, however many workers there are.

        Raises:
            PermanentError: as ``worker.multiply``; ``picture_crashes_worker`` after three tries.
        """
        async with self._large if task.is_large else contextlib.nullcontext():
            return await self._multiply(task)

    async def _multiply(self, task: Task) -> tuple[Made, ...]:
        for crashes in range(1, MAX_CRASHES + 1):
            lane = await self._free.get()
            try:
                with metrics.SECONDS.time():
                    return await lane.run(worker.multiply, task, timeout_s=self._timeout_s)
            except (BrokenProcessPool, TimeoutError) as error:
                metrics.CRASHES.inc()
                _log.warning(
                    "worker.lost", picture=task.picture_sha256, tries=crashes, error=type(error).__name__
                )
                await lane.restart()
            finally:
                self._free.put_nowait(lane)
        raise PermanentError(
            "picture_crashes_worker", f"{MAX_CRASHES} workers died or hung on picture {task.picture_sha256}"
        )


class Lane:
    """One worker process and its successors."""

    def __init__(self, recipe_json: str, memory_bytes: int) -> None:
        self._recipe_json = recipe_json
        self._memory_bytes = memory_bytes
        self._executor = self._new_executor()
        self._pid: int | None = None

    async def start(self) -> None:
        """Wait until the process has loaded what the recipe needs.

        Raises:
            PermanentError: ``recipe_invalid``.
            TransientError: ``workers_do_not_start``.
        """
        try:
            self._pid = await self.run(worker.check, self._recipe_json, timeout_s=None)
        except BrokenProcessPool as error:
            raise TransientError(
                "workers_do_not_start",
                "a worker process died while it was starting",
                hint="see its output above; the setting worker_memory_bytes may be too low",
            ) from error

    async def run(
        self, function: Callable[[Argument], Result], argument: Argument, *, timeout_s: float | None
    ) -> Result:
        """Call ``function`` in the process.

        Raises:
            BrokenProcessPool: the process died. TimeoutError: no answer in time. Whatever ``function`` raises.
        """
        async with asyncio.timeout(timeout_s):
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, argument)

    async def restart(self) -> None:
        await self.close()
        self._executor = self._new_executor()
        await self.start()

    async def close(self) -> None:
        """End the process at once: whatever it works on can be made again."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._pid = None
        await asyncio.to_thread(self._executor.shutdown)

    def _new_executor(self) -> ProcessPoolExecutor:
        # spawn: a fork of a process with threads (the ledger's, the log's) may hang in the child.
        return ProcessPoolExecutor(
            1,
            mp_context=get_context("spawn"),
            initializer=worker.start,
            initargs=(os.getpid(), self._memory_bytes),
        )
