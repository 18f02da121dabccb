"""Whether anybody runs a service whose ledger is on a server: whoever asks is on any host."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import MetaData
from testservers.given import GivenPostgres
from testservers.postgres import PrivatePostgres

from azaion_common.platform.ledger.ledger import Ledger
from azaion_common.platform.runtime.running import is_running
from azaion_common.platform.runtime.settings import PlatformSettings


async def test_a_service_runs_while_its_ledger_has_an_owner(
    postgres: PrivatePostgres | GivenPostgres, tmp_path: Path
) -> None:
    """Asking takes nothing away from the owner, nor from whoever becomes it next."""
    url = postgres.new_database()
    settings = PlatformSettings(ledger_url=SecretStr(url))
    assert not is_running(tmp_path, settings, "trainer")
    for _ in range(2):
        async with Ledger.open(url, "trainer", MetaData(), wait_s=0):
            assert is_running(tmp_path, settings, "trainer")
            assert not is_running(tmp_path, settings, "exporter")
        assert not is_running(tmp_path, settings, "trainer")
