"""Real servers for the tests that need them: started at the first use, shared, and gone at the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from testservers.broker_source import BrokerSource, find_source
from testservers.fault_proxy import FaultProxy
from testservers.given import GivenPostgres, GivenRabbit, GivenS3
from testservers.postgres import PrivatePostgres, find_postgres
from testservers.processes import LOOPBACK, free_port
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from azaion_common.platform.streams.rabbitmq import StreamsLocation

_SAID: list[str] = []
_RELEASED = tuple(f"tests/e2e/test_{name}.py" for name in ("loop", "servers", "tampering", "verdict"))


def _say(line: str) -> None:
    """Shown at once with ``-s``, and at the end of every run."""
    print(f"servers for tests: {line}")  # noqa: T201 - whoever waits for a first start wants to know why
    _SAID.append(line)


def pytest_configure() -> None:
    """A run that is told to end ends as with Ctrl-C: its servers go with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no process is left with one at the end."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if _looks_at_release(item.nodeid):
        return 0
    return 1 if item.get_closest_marker("slow") else 2


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One process for all tests that look at a released model, whose making takes a minute; any for each other test."""

    def _split_scope(self, nodeid: str) -> str:
        return "released" if _looks_at_release(nodeid) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Scheduling(config, log)


def _looks_at_release(nodeid: str) -> bool:
    return nodeid.partition("::")[0].endswith(_RELEASED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports(""):
        for name, line in report.user_properties if report.when == "teardown" else []:
            if name == "figure":
                terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}: {line}")
    for line in dict.fromkeys(_SAID):
        terminalreporter.write_line(f"servers for tests: {line}")


def _given(name: str) -> str | None:
    return os.environ.get(name) or None  # noqa: TID251 - how tests are pointed at other servers


@pytest.fixture(scope="session")
def broker_source() -> BrokerSource:
    return find_source(_say)


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> Iterator[PrivateRabbit | GivenRabbit]:
    """A RabbitMQ that all tests share; each takes a virtual host of its own and leaves the broker alone."""
    if address := _given("AZAION_TEST_RABBITMQ"):
        _say("RabbitMQ of AZAION_TEST_RABBITMQ")
        yield GivenRabbit.parse(address)
        return
    with PrivateRabbit(request.getfixturevalue("broker_source")) as broker:
        yield broker


@pytest.fixture
def fresh_rabbitmq(broker_source: BrokerSource) -> Iterator[PrivateRabbit]:
    """A RabbitMQ for one test, which may kill or freeze it."""
    with PrivateRabbit(broker_source) as broker:
        yield broker


@pytest.fixture(scope="session")
def proxied_rabbitmq(broker_source: BrokerSource) -> Iterator[tuple[PrivateRabbit, int]]:
    """A RabbitMQ that tells clients of streams to connect to another port, on which a test puts its proxy."""
    port = free_port()
    with PrivateRabbit(broker_source, advertised_stream_port=port) as broker:
        yield broker, port


@pytest.fixture
def stream_proxy(proxied_rabbitmq: tuple[PrivateRabbit, int]) -> Iterator[FaultProxy]:
    """Everything that clients of streams say to ``proxied_rabbitmq`` goes through it."""
    broker, port = proxied_rabbitmq
    with FaultProxy(broker.ports["stream"], port=port) as proxy:
        yield proxy


@pytest.fixture
def proxied_location(
    proxied_rabbitmq: tuple[PrivateRabbit, int], stream_proxy: FaultProxy
) -> StreamsLocation:
    """An empty virtual host behind ``stream_proxy``."""
    broker, port = proxied_rabbitmq
    vhost = broker.new_vhost()
    return StreamsLocation(host=LOOPBACK, port=port, username="guest", password="guest", vhost=vhost)


@pytest.fixture
def vhost(rabbitmq: PrivateRabbit | GivenRabbit) -> Iterator[str]:
    """An empty virtual host on the shared broker."""
    name = rabbitmq.new_vhost()
    yield name
    rabbitmq.delete_vhost(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres | GivenPostgres]:
    """A PostgreSQL that all tests share; each takes a database of its own."""
    if address := _given("AZAION_TEST_POSTGRES"):
        _say("PostgreSQL of AZAION_TEST_POSTGRES")
        yield GivenPostgres(address)
        return
    with PrivatePostgres(find_postgres(_say)) as server:
        yield server


@pytest.fixture
def fresh_postgres() -> Iterator[PrivatePostgres]:
    """A PostgreSQL for one test, which may kill it."""
    with PrivatePostgres(find_postgres(_say)) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[PrivateS3 | GivenS3]:
    """An S3 server that all tests share; each takes a bucket of its own."""
    if address := _given("AZAION_TEST_S3"):
        _say("S3 of AZAION_TEST_S3")
        yield GivenS3.parse(address)
        return
    _say("S3 by moto (in memory; signatures are checked by tests of their own)")
    with PrivateS3() as server:
        yield server
