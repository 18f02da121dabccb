"""A loop that went all the way once, for every test that needs a released model."""

from __future__ import annotations

import pytest
from looptest.released import Released, release


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return release(tmp_path_factory.mktemp("released"))
