"""The table of leases, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from testservers.given import GivenPostgres
from testservers.postgres import PrivatePostgres

from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs.leases import LeaseTable

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
async def leases(url: str) -> AsyncIterator[LeaseTable]:
    async with LeaseTable.open(url) as opened:
        yield opened


async def test_what_is_kept_twice_is_kept_once(leases: LeaseTable) -> None:
    """The first word counts, for ever: while a job waits, and when it is over."""
    for job_id, body in (("1", "one"), ("2", "two"), ("1", "again")):
        await leases.keep("q", job_id, body)
    job = await leases.lease("q", "w", 30)
    assert job is not None
    await leases.complete(job, "w")
    for job_id, body in (("2", "other"), ("1", "other"), ("3", "three")):
        await leases.keep("q", job_id, body)

    assert [(each.job_id, each.body) for each in await leases.pending("q")] == [("2", "two"), ("3", "three")]


async def test_looking_and_leasing_agree(leases: LeaseTable) -> None:
    """``has_free`` tells of exactly what ``lease`` would give."""
    assert not await leases.has_free("q", "w")
    await leases.keep("q", "1", "one")
    assert await leases.has_free("q", "w")
    assert await leases.lease("q", "w", 30) is not None
    assert not await leases.has_free("q", "other")
    assert await leases.has_free("q", "w")


async def test_workers_that_lease_at_the_same_time_get_different_jobs(url: str) -> None:
    """Many connections at once: each job is leased once, and a free job is never overlooked for long."""
    leased: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        tables = [await stack.enter_async_context(LeaseTable.open(url)) for _ in range(4)]
        for number in range(80):
            await tables[0].keep("q", str(number), "x")

        async def work(table: LeaseTable, worker: str) -> None:
            while await table.has_free("q", f"{worker} {leased.total()}"):
                job = await table.lease("q", f"{worker} {leased.total()}", 60)
                if job is not None:
                    leased[job.job_id] += 1

        await asyncio.gather(*(work(table, str(number)) for number, table in enumerate(tables)))

    assert leased == {str(number): 1 for number in range(80)}


async def test_processes_that_start_together_make_the_tables_together(
    postgres: PrivatePostgres | GivenPostgres,
) -> None:
    """A first start of several services at once fails for none of them."""
    url = postgres.new_database()

    async def start() -> None:
        async with LeaseTable.open(url) as table:
            assert await table.pending("q") == []

    await asyncio.gather(*(start() for _ in range(6)))


async def test_a_wrong_clock_takes_no_lease_away(
    postgres: PrivatePostgres | GivenPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In PostgreSQL its clock counts: a host that is an hour ahead takes nothing away from others."""
    url = postgres.new_database()
    async with LeaseTable.open(url) as right, LeaseTable.open(url) as ahead:
        await right.keep("q", "1", "one")
        await right.lease("q", "w", 60)
        monkeypatch.setattr("time.time", lambda: 4e9)

        assert await ahead.lease("q", "other", 60) is None


async def test_an_address_that_is_not_valid_is_refused() -> None:
    """Before anything is begun."""
    with pytest.raises(PermanentError) as caught:
        async with LeaseTable.open("mysql://u:secret@h/d"):
            pass

    assert caught.value.code == "ledger_url_invalid"


async def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """Nobody's file is taken for ours."""
    (tmp_path / "jobs.sqlite").write_bytes(
        b"this is no database at all, and long enough to be seen as none" * 20
    )
    with pytest.raises(PermanentError) as caught:
        async with LeaseTable.open(f"sqlite:///{tmp_path / 'jobs.sqlite'}"):
            pass

    assert caught.value.code == "ledger_corrupt"
