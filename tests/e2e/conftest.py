"""A loop that went all the way once, for every test that needs a released model; servers for those that want them."""

from __future__ import annotations

import pytest
from looptest.released import Released, release
from looptest.served import Servers
from testservers.given import GivenPostgres, GivenRabbit, GivenS3
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit
from testservers.s3 import PrivateS3


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return release(tmp_path_factory.mktemp("released"))


@pytest.fixture
def servers(
    rabbitmq: PrivateRabbit | GivenRabbit,
    vhost: str,
    postgres: PrivatePostgres | GivenPostgres,
    s3: PrivateS3 | GivenS3,
    monkeypatch: pytest.MonkeyPatch,
) -> Servers:
    """Servers that every command of this test is pointed at."""
    share = Servers.share(rabbitmq, vhost, postgres, s3)
    for name, value in share.environment().items():
        monkeypatch.setenv(name, value)
    return share
