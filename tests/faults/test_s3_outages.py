"""The blob store while its server is away or fails at random, and after.

Seed and length of an outage from ``AZAION_FAULTS_SEED`` and ``AZAION_FAULTS_OUTAGE_S``.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from faulttest.figures import tell
from s3test.callers import Callers
from s3test.rig import PART_BYTES, QUICK, Rig, open_rig, small_part_server
from s3test.trials import DONE, outcome, prepare
from testservers import s3_modes as modes
from testservers.s3 import PrivateS3
from testservers.s3_faults import Exchange, Mode

from azaion_common.platform.storage.s3 import Limits

RECOVERY_S = 30.0
CPU_SHARE = 0.6
"""Of one core, the server's part included: whoever tries again without a pause takes all of it."""
_READ = os.environ.get  # noqa: TID251 - how a fault run is repeated
_HOUR_S = 3600
SCALED = Limits(
    part_bytes=PART_BYTES,
    deadline_s=3,
    attempt_s=0.5,
    idle_s=0.5,
    connect_s=0.5,
    pause_s=0.1,
    longest_pause_s=1,
)


@pytest.fixture(scope="module")
def behind() -> Iterator[PrivateS3]:
    with small_part_server() as server:
        yield server


@pytest.fixture
def seed() -> int:
    chosen = int(_READ("AZAION_FAULTS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"AZAION_FAULTS_SEED={chosen}")  # noqa: T201 - how this run is repeated
    return chosen


@asynccontextmanager
async def _away(rig: Rig, how: str) -> AsyncIterator[None]:
    """While the block runs there is no server, in one of several ways."""
    if how == "refuses":
        await rig.server.stop()
    else:
        rig.server.break_with(modes.never_answers if how == "silent" else modes.saying(503, "SlowDown"))
    yield
    rig.server.mend()
    if how == "refuses":
        await rig.server.start()


@pytest.mark.parametrize("how", ["refuses", "silent", "overloaded"])
async def test_calls_that_wait_outlast_a_short_outage(behind: PrivateS3, tmp_path: Path, how: str) -> None:
    """What was asked for when the server went away is done when it is back, without the caller noticing."""
    # Five pauses of no less than a third of a second each: more than the outage.
    limits = replace(QUICK, pause_s=0.35, longest_pause_s=1, attempt_s=0.5, deadline_s=20)
    async with open_rig(behind, limits) as rig:
        trials = prepare(rig, tmp_path, how)
        async with _away(rig, how):
            calls = [asyncio.create_task(outcome(trial, rig.store)) for trial in trials]
            await asyncio.sleep(1)
        outcomes = await asyncio.gather(*calls)

    assert [(found.code, found.true) for found in outcomes] == [(DONE, True)] * len(trials)


async def _outage(behind: PrivateS3, limits: Limits, how: str, seconds: float, seed: int) -> None:
    async with open_rig(behind, limits) as rig:
        callers = Callers(rig, seed)
        async with callers.calling(8):
            await callers.seconds_until(20, RECOVERY_S)
            async with _away(rig, how):
                await asyncio.sleep(0.5)
                cpu_s, started = time.process_time(), time.monotonic()
                await asyncio.sleep(seconds)
                share = (time.process_time() - cpu_s) / (time.monotonic() - started)
            recovery_s = await callers.seconds_until(20, RECOVERY_S)
        lost = callers.lost()
    tell(f"{how}: recovery {recovery_s:.2f} s, CPU {share:.1%}, {len(callers.acknowledged)} blobs")

    assert lost == []
    assert callers.wrong_reads == []
    assert callers.slowest_s < limits.deadline_s + 1
    assert share < CPU_SHARE


@pytest.mark.parametrize("how", ["refuses", "silent", "overloaded"])
async def test_an_outage_loses_nothing(behind: PrivateS3, how: str, seed: int) -> None:
    """Nothing that was acknowledged is missing, work goes on by itself, and waiting costs no processor."""
    await _outage(behind, SCALED, how, 3, seed)


@pytest.mark.faults
@pytest.mark.timeout(_HOUR_S)
@pytest.mark.parametrize("how", ["refuses", "silent", "overloaded"])
async def test_a_long_outage_loses_nothing(behind: PrivateS3, how: str, seed: int) -> None:
    """As above with the limits that services have, for 200 seconds each."""
    seconds = float(_READ("AZAION_FAULTS_OUTAGE_S") or 200)
    await _outage(behind, Limits(), how, seconds, seed)


FAULTS: tuple[Mode, ...] = (
    modes.saying(500),
    modes.saying(503, "SlowDown", retry_after="0"),
    modes.reset,
    modes.reset_when_done,
    modes.close,
    modes.never_answers,
    modes.ends_early,
    modes.dies_in_the_body,
    modes.claims_more,
    modes.claims_less,
    modes.empty_200,
    modes.garbage_xml,
    modes.no_http,
    modes.redirects_to_itself,
)
LIES: tuple[Mode, ...] = (modes.stores_other_bytes, modes.stores_nothing)


def _at_random(chance: random.Random, share: float) -> Mode:
    async def mode(exchange: Exchange) -> None:
        if chance.random() < share:
            await chance.choice(FAULTS + LIES * modes.writes(exchange.request))(exchange)
        else:
            await exchange.answer(await exchange.forward())

    return mode


async def test_a_storm_of_faults_loses_nothing(behind: PrivateS3, seed: int) -> None:
    """One request of four goes wrong in one of all ways, lies among them: what is acknowledged is there, and right."""
    async with open_rig(behind, SCALED) as rig:
        rig.server.break_with(_at_random(random.Random(seed), 0.25))
        callers = Callers(rig, seed)
        async with callers.calling(6):
            await callers.seconds_until(60, 50)
            rig.server.mend()
        lost = callers.lost()

    assert lost == []
    assert callers.wrong_reads == []
    assert callers.slowest_s < SCALED.deadline_s + 1
