"""Fault runs have servers of their own, which they may do anything to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faulttest.driver import seed_of_run
from faulttest.figures import take
from faulttest.rig import Rig, rig
from testservers.broker_source import BrokerSource
from testservers.postgres import find_postgres


@pytest.fixture(autouse=True)
def _figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test tells goes with its report, whichever process it ran in."""
    yield
    request.node.user_properties += [("figure", line) for line in take()]


@pytest.fixture
def faults(broker_source: BrokerSource, tmp_path: Path) -> Iterator[Rig]:
    with rig(broker_source, find_postgres(print), tmp_path, seed_of_run()) as made:
        yield made
