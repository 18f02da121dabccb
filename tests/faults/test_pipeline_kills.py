"""The pipeline under kills of its process, on RabbitMQ and PostgreSQL: everything once, in order, nothing swallowed."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from faulttest.driver import BOTH, all_clean, books, settled, summary, until, verdicts
from faulttest.figures import tell
from faulttest.rig import Rig

_CI, _LONG = 100, 1000
_TERMS = 8
_END_S = 10.0


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_hundred_kills(faults: Rig) -> None:
    """A process that is killed a hundred times at random moments loses nothing and does nothing twice."""
    await kill_often(faults, _CI)


@pytest.mark.faults
@pytest.mark.timeout(3000)
async def test_a_thousand_kills(faults: Rig) -> None:
    """And a thousand times."""
    chosen = os.environ.get("AZAION_FAULTS_KILLS")  # noqa: TID251 - how long a run is
    await kill_often(faults, int(chosen or _LONG))


async def kill_often(faults: Rig, kills: int) -> None:
    chance = random.Random(faults.seed)
    async with faults.writing() as writer:
        for _ in range(kills):
            faults.child.start()
            await asyncio.sleep(chance.uniform(0.1, 0.7))
            faults.child.kill()
    faults.child.start()
    await settled(faults.database, writer)
    assert await faults.child.terminate() < (1, 20)
    found = verdicts(faults.database, writer)
    tell(summary(found, writer, kills=kills))

    assert all_clean(found), found
    assert len(writer.acknowledged) > 4 * kills
    for stream, next_offset, handled, quarantined, halted in books(faults.database):
        assert (handled, quarantined, halted) == (next_offset, 0, None), stream


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_sigterm_under_load(faults: Rig) -> None:
    """Eight times asked to end in the middle of work, it ends with 0 within 10 s, and nothing is lost or done twice."""
    chance, spans = random.Random(faults.seed), []
    async with faults.writing() as writer:
        for _ in range(_TERMS):
            faults.child.start()
            await until(lambda: faults.child.ready, "start")
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            status, seconds = await faults.child.terminate()
            spans.append(seconds)
            assert status == 0
    faults.child.start()
    await settled(faults.database, writer)
    await faults.child.terminate()
    found = verdicts(faults.database, writer)
    tell(summary(found, writer, slowest_end=f"{max(spans):.1f} s"))

    assert max(spans) < _END_S
    assert all_clean(found), found


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_second_of_one_name_is_refused(faults: Rig) -> None:
    """Two processes with the same services: the second ends without touching anything, and the first goes on."""
    other = type(faults.child)(faults.child.home.with_name("other"), faults.child.environment)
    async with faults.writing() as writer:
        faults.child.start()
        await until(lambda: len(writer.acknowledged) > 100, "inputs")
        other.start()
        assert await other.ended(60) != 0
        assert faults.child.alive
        seen = len(writer.acknowledged)
        await until(lambda: len(writer.acknowledged) > seen + 100, "more inputs")
    await settled(faults.database, writer)
    await faults.child.terminate()

    assert all_clean(verdicts(faults.database, writer))
    assert "ledger_in_use" in (other.home / "child.log").read_text()
    assert set(BOTH) == set(faults.child.names)
