"""Kills and outages of the servers under the pipeline, and of the network between."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from faulttest.driver import Writer, all_clean, figures_of, rows, settled, summary, until, verdicts
from faulttest.figures import tell
from faulttest.rig import Rig
from testservers.postgres import PrivatePostgres
from testservers.rabbitmq import PrivateRabbit

RECOVERY_S = 30.0
FIRST_STEPS_S = 3.0
"""A broker that dies within a second of making a stream may leave it without a leader for ever."""


async def one_more(writer: Writer, faults: Rig) -> float:
    """How long it takes until something written from now on has gone all the way."""
    started, now = time.monotonic(), len(writer.attempted)
    await until(lambda: len(writer.acknowledged) > now, "acknowledgement", RECOVERY_S)
    acknowledged = writer.acknowledged[-1]
    await until(lambda: acknowledged in last_effects(faults), "effect", RECOVERY_S)
    return time.monotonic() - started


def last_effects(faults: Rig) -> set[str]:
    found = rows(faults.database, "second", "SELECT input FROM effects ORDER BY id DESC LIMIT 5000")
    return {each for (each,) in found}


async def end_well(faults: Rig, writer: Writer, recoveries: list[float], **figures: object) -> None:
    """The process is the one that was started; everything is there once; recovery took as long as is allowed."""
    await settled(faults.database, writer)
    assert faults.child.alive
    status, _ = await faults.child.terminate()
    found = verdicts(faults.database, writer)
    tell(summary(found, writer, recovery=figures_of(recoveries), **figures))

    assert status == 0
    assert all_clean(found), found
    assert max(recoveries, default=0) <= RECOVERY_S


async def kill_often(faults: Rig, server: PrivateRabbit | PrivatePostgres, kills: int) -> None:
    chance, recoveries = random.Random(faults.seed), []
    faults.child.start()
    async with faults.writing() as writer:
        await until(lambda: len(writer.acknowledged) > 20, "inputs")
        await asyncio.sleep(FIRST_STEPS_S)
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.2, 1.5))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            await asyncio.to_thread(server.start)
            recoveries.append(await one_more(writer, faults))
    await end_well(faults, writer, recoveries, kills=kills)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_two_kills_of_the_broker(faults: Rig) -> None:
    """A broker that is killed under load costs nothing but time."""
    await kill_often(faults, faults.broker, 2)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_twenty_kills_of_the_broker(faults: Rig) -> None:
    """And twenty times."""
    await kill_often(faults, faults.broker, 20)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_two_kills_of_the_database(faults: Rig) -> None:
    """A PostgreSQL that is killed under load costs nothing but time."""
    await kill_often(faults, faults.postgres, 2)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_twenty_kills_of_the_database(faults: Rig) -> None:
    """And twenty times."""
    await kill_often(faults, faults.postgres, 20)


async def storm(faults: Rig, number: int) -> None:
    faults.put_proxy_before_database()
    faults.child.start()
    async with faults.writing() as writer:
        await until(lambda: len(writer.acknowledged) > 20, "inputs")
        proxies = (faults.stream_proxy, faults.database_proxy)
        storms = [
            asyncio.to_thread(proxy.storm, faults.seed + index, number // 2, 0.5, time.sleep)
            for index, proxy in enumerate(proxies)
        ]
        await asyncio.gather(*storms)
        recovery = await one_more(writer, faults)
    counts = {
        kind: sum(proxy.faults[kind] for proxy in proxies) for kind in ("cut", "reset", "refuse", "slow")
    }
    await end_well(faults, writer, [recovery], connection_faults=counts)
    assert sum(counts.values()) >= number


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_twenty_faults_of_connections(faults: Rig) -> None:
    """Cuts, resets, refusals and narrow lines, to the broker and to the database at once, lose and repeat nothing."""
    await storm(faults, 20)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_two_hundred_faults_of_connections(faults: Rig) -> None:
    """And two hundred."""
    await storm(faults, 200)


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("silent", ["streams", "database"])
async def test_a_black_hole_is_left(faults: Rig, silent: str) -> None:
    """Connections that stay open while nothing comes through are given up within 15 s, and replaced as soon as it goes."""
    faults.put_proxy_before_database()
    proxy = faults.stream_proxy if silent == "streams" else faults.database_proxy
    recoveries = []
    faults.child.start()
    async with faults.writing() as writer:
        await until(lambda: len(writer.acknowledged) > 20, "inputs")
        for _ in range(3):
            proxy.swallow()
            await asyncio.sleep(20)
            proxy.mend()
            recoveries.append(await one_more(writer, faults))
    await end_well(faults, writer, recoveries, black_holes=3)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_broker_that_loses_what_it_confirmed(faults: Rig, tmp_path: Path) -> None:
    """After a power cut that took the streams' newest messages with it, they are sent again and applied once."""
    await cut_power(faults, tmp_path, 1)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_a_broker_that_loses_it_again_and_again(faults: Rig, tmp_path: Path) -> None:
    """And ten times."""
    await cut_power(faults, tmp_path, 10)


async def cut_power(faults: Rig, tmp_path: Path, cuts: int) -> None:
    chance, lost = random.Random(faults.seed), []
    faults.child.start()
    async with faults.writing() as writer:
        await until(lambda: len(writer.acknowledged) > 40, "inputs")
        await asyncio.sleep(FIRST_STEPS_S)
        for number in range(cuts):
            before = tmp_path / f"streams-{number}"
            await asyncio.to_thread(faults.broker.kill)
            await asyncio.to_thread(copy, faults.broker.stream_folder(), before)
            await asyncio.to_thread(faults.broker.start)
            await one_more(writer, faults)
            confirmed = len(writer.acknowledged)
            await asyncio.sleep(chance.uniform(0.5, 2.0))
            await asyncio.to_thread(faults.broker.kill)
            lost.append(len(writer.acknowledged) - confirmed)
            await asyncio.to_thread(replace_folder, faults.broker.stream_folder(), before)
            await asyncio.to_thread(faults.broker.start)
            await one_more(writer, faults)
    await end_well(faults, writer, [], power_cuts=cuts, confirmed_and_lost=sum(lost))
    assert sum(lost) > 0


def replace_folder(folder: Path, by: Path) -> None:
    """As the disk would be after a power cut."""
    shutil.rmtree(folder)
    copy(by, folder)


def copy(folder: Path, to: Path) -> None:
    """With owners: the broker may run as another user."""
    subprocess.run(["cp", "-a", folder, to], check=True)
