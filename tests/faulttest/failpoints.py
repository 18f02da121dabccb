"""Every step that leaves the process, before and after: where a kill can make a difference.

The steps are found from outside, by standing between the services and their transports, so the system under test has
no code for them.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData

from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.ledger.relay import Relay
from azaion_common.platform.runtime import platform as platforms
from azaion_common.platform.runtime import transports
from azaion_common.platform.runtime.platform import Platform

LOG_STEPS = ("append", "acknowledge", "acknowledged", "last_seq", "end")
BLOB_STEPS = ("put",)


@dataclass
class Failpoints:
    """Counts passages; kills its process at the chosen one. Without one, it notes which points there are."""

    point: str | None
    number: int
    notes: Path
    _passed: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parse(cls, text: str | None, notes: Path) -> Failpoints:
        point, _, number = (text or "").partition(":")
        return cls(point or None, int(number or 0), notes)

    def passing(self, point: str) -> None:
        self._passed[point] += 1
        if self.point is None and self._passed[point] == 1:
            with self.notes.open("a") as file:
                file.write(f"{point}\n")
        if point == self.point and self._passed[point] == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, platform: Platform) -> Platform:
        """The platform, watched."""
        log: Any = _Watched(platform.log, LOG_STEPS, "log", self)
        blobs: Any = _Watched(platform.blobs, BLOB_STEPS, "blobs", self)

        @asynccontextmanager
        async def open_ledger(service: str, metadata: MetaData) -> AsyncIterator[Ledger]:
            url = transports.ledger_url(platform.home, platform.settings, service)
            async with Ledger.open(url, service, metadata) as ledger:
                _watch(ledger, service, self)
                async with platforms._relaying(Relay(ledger, log, platform.jobs)):
                    yield ledger

        return replace(platform, log=log, blobs=blobs, open_ledger=open_ledger)


class _Watched:
    """A transport whose chosen methods pass a point before and after."""

    def __init__(self, inner: Any, steps: tuple[str, ...], name: str, failpoints: Failpoints) -> None:
        self._inner = inner
        self._steps = steps
        self._name = name
        self._failpoints = failpoints

    def __getattr__(self, step: str) -> Any:
        found = getattr(self._inner, step)
        if step not in self._steps:
            return found

        async def passing(*arguments: Any, **options: Any) -> Any:
            where = f"{self._name}.{step}"
            if step == "append":
                where += f".{arguments[0]}"
            self._failpoints.passing(f"{where}.before")
            result = await found(*arguments, **options)
            self._failpoints.passing(f"{where}.after")
            return result

        return passing


def _watch(ledger: Ledger, service: str, failpoints: Failpoints) -> None:
    """Points before a transaction's work, after it (not yet committed), and after its commit."""
    inner = ledger.transact

    async def transact(work: Callable[[Connection], Any]) -> Any:
        where = f"ledger.{service}.{_name_of(work)}"

        def watched(connection: Connection) -> Any:
            failpoints.passing(f"{where}.begun")
            result = work(connection)
            failpoints.passing(f"{where}.uncommitted")
            return result

        result = await inner(watched)
        failpoints.passing(f"{where}.committed")
        return result

    ledger.transact = transact  # type: ignore[method-assign]


def _name_of(work: Callable[..., Any]) -> str:
    function = work.func if isinstance(work, partial) else work
    return function.__qualname__.replace(".<locals>.<lambda>", "").replace(".<locals>", "")
