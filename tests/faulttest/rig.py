"""A pipeline on servers of its own, with a proxy before each: everything a fault run needs."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testservers.broker_source import BrokerSource
from testservers.fault_proxy import FaultProxy
from testservers.postgres import PostgresSource, PrivatePostgres
from testservers.processes import LOOPBACK, free_port
from testservers.rabbitmq import PrivateRabbit

from azaion_common.platform.streams.rabbitmq import RabbitEventLog, StreamsLocation
from faulttest.driver import Child, Writer, writing


@dataclass
class Rig:
    """One broker, one database, one pipeline."""

    broker: PrivateRabbit
    postgres: PrivatePostgres
    stream_proxy: FaultProxy
    database_proxy: FaultProxy
    database: str
    """Straight to the server."""
    child: Child
    seed: int
    vhost: str = "/"

    @property
    def location(self) -> StreamsLocation:
        return StreamsLocation(
            host=LOOPBACK, port=self.stream_proxy.port, username="guest", password="guest", vhost=self.vhost
        )

    def put_proxy_before_database(self) -> None:
        """For the child. The one before the streams is always there."""
        url = self.database.replace(f":{self.postgres.port}/", f":{self.database_proxy.port}/")
        self.child.environment = {**self.child.environment, "AZAION_PLATFORM__LEDGER_URL": url}

    @asynccontextmanager
    async def writing(
        self, *, name: str = "w", pause_s: float = 0.05, size_bytes: int = 0
    ) -> AsyncIterator[Writer]:
        """A writer at work while the block runs."""
        async with RabbitEventLog.open(self.location, name="writer") as log:
            writer = Writer(log, random.Random(self.seed), name, pause_s, size_bytes)
            async with writing(writer):
                yield writer


@contextmanager
def rig(source: BrokerSource, database_source: PostgresSource, folder: Path, seed: int) -> Iterator[Rig]:
    """Started servers, a child that is not started yet; all gone afterwards."""
    port = free_port()
    with ExitStack() as stack:
        broker = stack.enter_context(PrivateRabbit(source, advertised_stream_port=port))
        postgres = stack.enter_context(PrivatePostgres(database_source))
        stream_proxy = stack.enter_context(FaultProxy(broker.ports["stream"], port=port))
        database = postgres.new_database()
        database_proxy = stack.enter_context(FaultProxy(postgres.port))
        environment = {
            "AZAION_PLATFORM__STREAMS_URL": f"rabbitmq-stream://guest:guest@{LOOPBACK}:{port}/",
            "AZAION_PLATFORM__LEDGER_URL": database,
        }
        child = Child(folder / "home", environment)
        yield Rig(broker, postgres, stream_proxy, database_proxy, database, child, seed)
        if child.alive:
            child.kill()
