"""The job queue while its broker and its database are killed, frozen and full: nothing lost, nothing twice.

The judgement compares what was put, by the putters' own notes, with what the workers' ledgers say that they did.
Seed and number of kills from ``AZAION_FAULTS_SEED`` and ``AZAION_FAULTS_KILLS``.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
import structlog
from faulttest.figures import tell
from jobtest.broker import plain_channel
from jobtest.storm import RECOVERY_S, Storm, put_until_done
from testservers.fault_proxy import FaultProxy
from testservers.postgres import PrivatePostgres
from testservers.processes import LOOPBACK
from testservers.rabbitmq import PrivateRabbit

from azaion_common.core.errors import TransientError
from azaion_common.platform.jobs import Job
from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue, putter, topology

NOTICED_S = 15.0
_READ = os.environ.get  # noqa: TID251 - how a fault run is repeated


def _seed() -> int:
    return int(_READ("AZAION_FAULTS_SEED") or random.SystemRandom().randrange(2**32))


@pytest.fixture
def ledger_url(fresh_postgres: PrivatePostgres) -> str:
    return fresh_postgres.new_database()


async def _take(jobs: RabbitJobQueue, limit_s: float = RECOVERY_S, worker: str = "w") -> Job:
    return await asyncio.wait_for(jobs.take("q", worker, lease_s=60), limit_s)


async def _kill_and_judge(
    folder: Path, broker: PrivateRabbit, database: PrivatePostgres, ledger_url: str, kills: int
) -> None:
    seed = _seed()
    dice, slowest_s = random.Random(seed), 0.0
    print(f"kills with AZAION_FAULTS_SEED={seed}")  # noqa: T201 - how this run is repeated
    async with RabbitJobQueue.open(broker.amqp_url, ledger_url) as jobs:
        storm = Storm(folder, jobs)
        async with storm.blowing():
            await storm.seconds_until_all_flows()
            for number in range(kills):
                victim = (broker, database, broker)[number % 3]
                await asyncio.sleep(dice.uniform(0.05, 2))
                await asyncio.to_thread(victim.kill)
                await asyncio.sleep(dice.choice([0, 0, dice.uniform(0, 6)]))
                await asyncio.to_thread(victim.start)
                slowest_s = max(slowest_s, await storm.seconds_until_all_flows())
        dead = await jobs.dead_letters()

    tell(f"{kills} kills, {len(storm.put)} jobs, slowest recovery {slowest_s:.1f} s")
    assert storm.problems() == []
    assert dead == []
    assert len(storm.put) > 10 * kills


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_killed_servers_lose_and_repeat_nothing(
    tmp_path: Path, fresh_rabbitmq: PrivateRabbit, fresh_postgres: PrivatePostgres, ledger_url: str
) -> None:
    """Each confirmed job is done once, by the ledgers, though broker and database are killed; all flows again in 30 s."""
    await _kill_and_judge(tmp_path, fresh_rabbitmq, fresh_postgres, ledger_url, kills=2)


@pytest.mark.faults
@pytest.mark.timeout(1800)
async def test_many_killed_servers_lose_and_repeat_nothing(
    tmp_path: Path, fresh_rabbitmq: PrivateRabbit, fresh_postgres: PrivatePostgres, ledger_url: str
) -> None:
    """The same with 30 kills, 20 of them of the broker."""
    kills = int(_READ("AZAION_FAULTS_KILLS") or 30)
    await _kill_and_judge(tmp_path, fresh_rabbitmq, fresh_postgres, ledger_url, kills)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_new_queue_survives_a_crash_at_once(fresh_rabbitmq: PrivateRabbit, ledger_url: str) -> None:
    """A queue that was just made, by the first to put or to take, is there after a crash, with what was put into it."""
    async with RabbitJobQueue.open(fresh_rabbitmq.amqp_url, ledger_url) as jobs:
        waiting = asyncio.create_task(jobs.take("awaited", "w", lease_s=60))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(fresh_rabbitmq.kill)
        await asyncio.to_thread(fresh_rabbitmq.start)
        await put_until_done(jobs, "1")
        await asyncio.to_thread(fresh_rabbitmq.kill)
        await asyncio.to_thread(fresh_rabbitmq.start)

        assert (await _take(jobs)).job_id == "1"
        await put_until_done(jobs, "2", queue="awaited")
        assert (await asyncio.wait_for(waiting, RECOVERY_S)).job_id == "2"


@pytest.mark.faults
@pytest.mark.timeout(120)
@pytest.mark.parametrize("silence", ["frozen", "black hole"])
async def test_a_silent_broker_is_noticed_and_waited_for(
    fresh_rabbitmq: PrivateRabbit, ledger_url: str, silence: str
) -> None:
    """Nothing comes from it, nothing is closed: putters are told within 15 s, takers notice, both go on afterwards."""
    with FaultProxy(fresh_rabbitmq.ports["amqp"]) as proxy:
        await notice_silence(fresh_rabbitmq, proxy, ledger_url, silence)


async def notice_silence(broker: PrivateRabbit, proxy: FaultProxy, ledger_url: str, silence: str) -> None:
    async with RabbitJobQueue.open(f"amqp://guest:guest@{LOOPBACK}:{proxy.port}/", ledger_url) as jobs:
        fall_silent, speak = {
            "frozen": (broker.freeze, broker.thaw),
            "black hole": (proxy.swallow, proxy.mend),
        }[silence]
        await jobs.put("q", "1", "one")
        await jobs.complete(await _take(jobs), "w")
        with structlog.testing.capture_logs() as logs:
            taking = asyncio.create_task(_take(jobs, 100))
            await asyncio.sleep(1)
            fall_silent()
            started = time.monotonic()
            with pytest.raises(TransientError) as caught:
                await jobs.put("q", "2", "two")
            assert time.monotonic() - started < NOTICED_S
            await asyncio.sleep(max(0.0, NOTICED_S - (time.monotonic() - started)))
        assert caught.value.code == "jobs_unavailable"
        assert "job.taker_waiting" in [entry["event"] for entry in logs]
        await asyncio.sleep(10)  # until aiormq gives up what waits on it, which must not end our tasks

        speak()
        await put_until_done(jobs, "2")
        assert (await asyncio.wait_for(taking, RECOVERY_S)).job_id == "2"


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_jobs_that_were_taken_in_need_no_broker(fresh_rabbitmq: PrivateRabbit, ledger_url: str) -> None:
    """Without a broker, leased jobs are renewed and ended, and waiting ones handed out; putting and listing fail in time."""
    async with RabbitJobQueue.open(fresh_rabbitmq.amqp_url, ledger_url) as jobs:
        for name in "12":
            await jobs.put("q", name, "x")
        assert len(await jobs.pending("q")) == 2
        await asyncio.to_thread(fresh_rabbitmq.kill)

        first = await _take(jobs, 5)
        assert await jobs.renew(first, "w", lease_s=60)
        await jobs.complete(first, "w")
        assert (await _take(jobs, 5)).job_id == "2"
        started = time.monotonic()
        for error in await asyncio.gather(
            jobs.put("q", "3", "x"), jobs.pending("q"), jobs.cancel("q", "2"), return_exceptions=True
        ):
            assert isinstance(error, TransientError)
            assert error.code == "jobs_unavailable"
        assert time.monotonic() - started < NOTICED_S


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_job_outlives_the_brokers_patience(fresh_rabbitmq: PrivateRabbit, ledger_url: str) -> None:
    """A job that is leased for longer than RabbitMQ waits for acknowledgements is not handed out again."""
    for setting in ("consumer_timeout, 1000", "channel_tick_interval, 200"):
        fresh_rabbitmq.control("rabbitmqctl", "eval", f"application:set_env(rabbit, {setting}).")
    async with RabbitJobQueue.open(fresh_rabbitmq.amqp_url, ledger_url) as jobs:
        await jobs.put("q", "1", "one")
        job = await _take(jobs)
        with pytest.raises(TimeoutError):
            await _take(jobs, 5, "other")
        await jobs.complete(job, "w")

        assert job.attempt == 1
        assert await jobs.pending("q") == []


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_a_broker_without_memory_or_disk_blocks_putters_only(
    fresh_rabbitmq: PrivateRabbit, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Putters are told why in time; what the broker has is taken meanwhile; putting goes on when there is room."""
    monkeypatch.setattr(putter, "DEADLINE_S", 5)
    async with RabbitJobQueue.open(fresh_rabbitmq.amqp_url, ledger_url) as jobs:
        for name in "12":
            await jobs.put("q", name, "x")
        fresh_rabbitmq.control("rabbitmqctl", "set_vm_memory_high_watermark", "0.00001")
        for name in ("3", "4"):
            started = time.monotonic()
            with pytest.raises(TransientError) as caught:
                await jobs.put("q", name, "x")
            assert caught.value.code == "broker_blocked"
            assert time.monotonic() - started < 6

        assert {(await _take(jobs, 3, worker)).job_id for worker in "ab"} == {"1", "2"}
        fresh_rabbitmq.control("rabbitmqctl", "set_vm_memory_high_watermark", "0.6")
        await put_until_done(jobs, "3")
        assert (await _take(jobs, 10, "c")).job_id == "3"


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_database_that_was_killed_is_waited_for(
    fresh_rabbitmq: PrivateRabbit, fresh_postgres: PrivatePostgres, ledger_url: str
) -> None:
    """Takers wait until it is back, short outages are not seen by those who renew, and the broker's jobs stay healthy."""
    async with RabbitJobQueue.open(fresh_rabbitmq.amqp_url, ledger_url) as jobs:
        await jobs.put("q", "1", "one")
        job = await _take(jobs)
        taking = asyncio.create_task(_take(jobs, 60, "other"))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(fresh_postgres.kill)
        renewing = asyncio.create_task(jobs.renew(job, "w", lease_s=60))
        await jobs.put("q", "2", "two")
        await asyncio.sleep(3)
        assert not taking.done()
        await asyncio.to_thread(fresh_postgres.start)

        assert (await asyncio.wait_for(taking, RECOVERY_S)).job_id == "2"
        assert await renewing
        assert await jobs.dead_letters() == []


@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_one_queue_that_does_not_answer_keeps_no_other_waiting(
    fresh_rabbitmq: PrivateRabbit, ledger_url: str
) -> None:
    """A queue that a crash left dead is an error of its own; the others flow on."""
    async with RabbitJobQueue.open(fresh_rabbitmq.amqp_url, ledger_url) as jobs:
        await jobs.put("q", "1", "one")
        async with plain_channel(fresh_rabbitmq.amqp_url) as channel:
            await topology.declare(channel, "stuck")
        await asyncio.to_thread(fresh_rabbitmq.kill)
        await asyncio.to_thread(fresh_rabbitmq.start)
        waiting = asyncio.create_task(jobs.take("stuck", "w", lease_s=60))

        with pytest.raises(TransientError):
            await jobs.put("stuck", "2", "two")
        for number in range(5):
            await put_until_done(jobs, f"more {number}")
        for _ in range(6):
            await jobs.complete(await _take(jobs), "w")

        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
