"""The pipeline on a host whose clock is wrong: by an hour, by ten years, and otherwise a moment later."""

from __future__ import annotations

import asyncio
import random

import pytest
from faulttest.driver import all_clean, books, settled, summary, until, verdicts
from faulttest.figures import tell
from faulttest.pipeline import CLOCK_SEED
from faulttest.rig import Rig

_KILLS = 5


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_a_clock_that_jumps(faults: Rig) -> None:
    """Order, identity and who works are no matter of the time of day: nothing is lost or done twice, also across kills."""
    chance = random.Random(faults.seed)
    faults.child.environment = {**faults.child.environment, CLOCK_SEED: str(faults.seed)}
    async with faults.writing() as writer:
        for _ in range(_KILLS):
            faults.child.start()
            await until(lambda: faults.child.ready, "start")
            await asyncio.sleep(chance.uniform(1.0, 2.0))
            faults.child.kill()
        faults.child.start()
        await until(lambda: faults.child.ready, "start")
        await asyncio.sleep(3)
    await settled(faults.database, writer)
    status, _ = await faults.child.terminate()
    found = verdicts(faults.database, writer)
    jumps = (faults.child.home / "child.log").read_text().count("clock.moved")
    tell(summary(found, writer, kills=_KILLS, jumps=jumps))

    assert status == 0
    assert jumps > 4 * _KILLS
    assert all_clean(found), found
    for stream, next_offset, handled, quarantined, halted in books(faults.database):
        assert (handled, quarantined, halted) == (next_offset, 0, None), stream
