"""Fault runs have servers of their own, which they may do anything to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faulttest.driver import seed_of_run
from faulttest.rig import Rig, rig
from testservers.broker_source import BrokerSource
from testservers.postgres import find_programs


@pytest.fixture
def faults(broker_source: BrokerSource, tmp_path: Path) -> Iterator[Rig]:
    with rig(broker_source, find_programs(print), tmp_path, seed_of_run()) as made:
        yield made
