"""A kill at every step that leaves the process: before it, after it, and between the work and its commit."""

from __future__ import annotations

import asyncio
import random

import pytest
from faulttest.driver import all_clean, settled, summary, until, verdicts
from faulttest.figures import tell
from faulttest.rig import Rig

REACHED_S = 25.0
_REQUIRED = (
    "ledger.first.BatchWork._apply.uncommitted",
    "ledger.first.BatchWork._apply.committed",
    "log.append.azaion.images.before",
    "log.append.azaion.images.after",
)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_kill_at_some_steps(faults: Rig) -> None:
    """At the first passage of ten points, other ones in each run: nothing is lost, nothing is done twice."""
    await kill_at_points(faults, [1], sample=10)


@pytest.mark.faults
@pytest.mark.timeout(1800)
async def test_a_kill_at_every_step(faults: Rig) -> None:
    """At the first, the second and some later passage of every point."""
    await kill_at_points(faults, [1, 2, random.Random(faults.seed).randint(3, 9)])


async def kill_at_points(faults: Rig, passages: list[int], sample: int | None = None) -> None:
    """Every point is reached in every life, while inputs keep coming, or is told as not reached."""
    missed: list[str] = []
    async with faults.writing(pause_s=0.3) as writer:
        faults.child.start()
        await until(lambda: len(writer.acknowledged) > 50, "inputs")
        await asyncio.sleep(7)  # what happens every five seconds has happened
        await faults.child.terminate()
        points = sorted(set((faults.child.home / "passed.txt").read_text().split()))
        chosen = points if sample is None else random.Random(faults.seed).sample(points, sample)
        kills = [f"{point}:{number}" for point in chosen for number in passages]
        for fail_at in kills:
            faults.child.start(fail_at)
            try:
                await faults.child.ended(REACHED_S)
            except AssertionError:
                missed.append(fail_at)
                faults.child.kill()
    faults.child.start()
    await settled(faults.database, writer, timeout_s=120)
    await faults.child.terminate()
    found = verdicts(faults.database, writer)
    tell(summary(found, writer, points=len(points), kills=len(kills), missed=missed))

    assert all_clean(found), found
    assert set(_REQUIRED) <= set(points)
    assert not [each for each in missed if each.endswith(":1")]
