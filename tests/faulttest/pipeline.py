"""The system under test in a process of its own: two services of the real runtime, one after the other.

``first`` reads ``inputs``, which somebody else writes, and makes of each a row and an event; ``second`` makes a row of
each event. Rows have no key but their number, so whatever happens twice is there twice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, MetaData

from azaion_common.contracts.events import Event, ImageDeleted, images
from azaion_common.core.logging import configure_logging
from azaion_common.platform.ledger.consumer import Consumer
from azaion_common.platform.ledger.decoding import decode_event
from azaion_common.platform.ledger.handler import Delivery, Effect, OneByOne, Outgoing
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.process import run_process
from azaion_common.platform.runtime.service import Service
from azaion_common.platform.streams import Record
from faulttest import clock
from faulttest.failpoints import Failpoints

INPUTS = "inputs"
CLOCK_SEED = "CLOCK_SEED"
"""In the environment of a process whose clock is to jump."""
METADATA = MetaData()
EFFECTS = sa.Table(
    "effects",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("input", sa.String(100), nullable=False),
)
Content = str | Event


class Recorder(OneByOne[Any, str]):
    """Makes a row of each message; implements ``Handler``."""

    def __init__(self, *, tells: bool, slow_s: float = 0.0) -> None:
        self._tells = tells
        self._slow_s = slow_s

    async def prepare(self, delivery: Delivery[Any]) -> str:
        await asyncio.sleep(self._slow_s)
        content = delivery.content
        return content.name if isinstance(content, ImageDeleted) else str(content)

    def apply_one(self, connection: Connection, delivery: Delivery[Any], prepared: str) -> Iterable[Effect]:
        connection.execute(EFFECTS.insert().values(input=prepared))
        return [Outgoing(images.STREAM, ImageDeleted(name=prepared), prepared)] if self._tells else []


def decode_input(record: Record) -> Delivery[str]:
    return Delivery(record, record.body.rstrip(b" ").decode(), unique=True)


def service(name: str, failpoints: Failpoints) -> Service:
    """``first`` or ``second``."""

    async def run(platform: Platform) -> None:
        watched = failpoints.around(platform)
        async with watched.open_ledger(name, METADATA) as ledger:
            consumer: Consumer[Any, str] = Consumer(
                log=watched.log,
                ledger=ledger,
                blobs=watched.blobs,
                stream=INPUTS if name == "first" else images.STREAM,
                handler=Recorder(tells=name == "first", slow_s=float(os.environ.get("SLOW_S", "0"))),  # noqa: TID251
                decode=decode_input if name == "first" else decode_event,
            )
            await consumer.run(platform.stopping)

    return Service(name, name, run)


def main(home: Path, environment: Mapping[str, str], fail_at: str | None, names: tuple[str, ...]) -> None:
    """What the process runs. ``fail_at`` is ``point:n``: it kills itself when it comes there the n-th time."""
    os.environ.update(environment)  # noqa: TID251 - as its parent would
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    log = (home / "child.log").open("a")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are files
    configure_logging("info")
    if CLOCK_SEED in environment:
        clock.disturb(int(environment[CLOCK_SEED]))
    failpoints = Failpoints.parse(fail_at, home / "passed.txt")
    run_process([service(name, failpoints) for name in names], home)
    structlog.get_logger(__name__).warning("child.ended")
