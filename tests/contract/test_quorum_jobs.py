"""How jobs get from RabbitMQ's quorum queues into the ledger: each test is a trap that was measured."""

from __future__ import annotations

import asyncio

import pytest
from jobtest.broker import NAME, lying, plain_channel

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.jobs import Job
from azaion_common.platform.jobs.leases import LeaseTable
from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue
from azaion_common.platform.jobs.rabbitmq.intake import Intake
from azaion_common.platform.jobs.rabbitmq.link import Link
from azaion_common.platform.jobs.rabbitmq.location import JobsLocation
from azaion_common.platform.jobs.rabbitmq.messages import encode
from azaion_common.platform.jobs.rabbitmq.putter import publish


async def _take(jobs: RabbitJobQueue, queue: str = "q") -> Job:
    return await asyncio.wait_for(jobs.take(queue, "w", lease_s=30), 20)


async def test_a_job_whose_queue_was_deleted_is_put_into_a_new_one(
    jobs: RabbitJobQueue, jobs_broker: str
) -> None:
    """What cannot be routed is noticed, and nothing that was put is lost for want of a queue."""
    await jobs.put("q", "1", "one")
    await _take(jobs)
    async with plain_channel(jobs_broker) as channel:
        await channel.queue_delete(NAME)

    await jobs.put("q", "2", "two")

    assert await lying(jobs_broker) == 1


async def test_an_unroutable_job_is_an_error(jobs_broker: str) -> None:
    """RabbitMQ confirms what it throws away; here it is an error."""
    async with Link.open(JobsLocation.parse(jobs_broker), name="test") as opened:
        with pytest.raises(PermanentError) as caught:
            async with opened.channel("put a job") as channel:
                await publish(channel, "azaion.jobs.nowhere", encode("1", "one"))

    assert caught.value.code == "job_unroutable"


async def test_a_job_is_acknowledged_as_soon_as_it_is_leased(jobs: RabbitJobQueue, jobs_broker: str) -> None:
    """The broker does not keep waiting for the end of a job: it would take the consumer for hung."""
    await jobs.put("q", "1", "one")
    await _take(jobs)

    async with plain_channel(jobs_broker) as channel:
        queue = await channel.get_queue(NAME)
        assert await queue.get(fail=False) is None


async def test_a_waiting_worker_outlives_its_queue(jobs: RabbitJobQueue, jobs_broker: str) -> None:
    """A taker whose queue is deleted under it soon waits at the new one."""
    await jobs.put("q", "1", "one")
    await jobs.complete(await _take(jobs), "w")
    taking = asyncio.create_task(_take(jobs))
    await asyncio.sleep(0.3)
    async with plain_channel(jobs_broker) as channel:
        await channel.queue_delete(NAME)
    await jobs.put("q", "2", "two")

    assert (await asyncio.wait_for(taking, 5)).job_id == "2"


class _CannotCommit(LeaseTable):
    """Its disk is full."""

    async def keep(self, queue: str, job_id: str, body: str) -> None:
        raise TransientError("disk_full", f"no room for {queue} {job_id} {body}")


async def test_a_job_that_could_not_be_taken_in_stays_with_the_broker(
    jobs: RabbitJobQueue, jobs_broker: str, jobs_ledger: str
) -> None:
    """The broker is told that it may forget a job when the database has it, and no sooner."""
    await jobs.put("q", "1", "one")
    async with (
        _CannotCommit.open(jobs_ledger) as leases,
        Link.open(JobsLocation.parse(jobs_broker), name="test") as opened,
    ):
        with pytest.raises(TransientError):
            await Intake(opened, leases).drain("q")

    assert await lying(jobs_broker) == 1
    assert (await _take(jobs)).job_id == "1"


class _DiesAfterCommit(LeaseTable):
    """Its process is gone between commit and acknowledgement."""

    link: Link

    async def keep(self, queue: str, job_id: str, body: str) -> None:
        await super().keep(queue, job_id, body)
        await self.link.drop()


async def test_a_job_that_is_delivered_again_is_one_job(
    jobs: RabbitJobQueue, jobs_broker: str, jobs_ledger: str
) -> None:
    """A worker that dies between taking a job in and acknowledging it leaves one job, not two."""
    await jobs.put("q", "1", "one")
    async with (
        _DiesAfterCommit.open(jobs_ledger) as leases,
        Link.open(JobsLocation.parse(jobs_broker), name="test") as opened,
    ):
        assert isinstance(leases, _DiesAfterCommit)
        leases.link = opened
        with pytest.raises(TransientError):
            await Intake(opened, leases).drain("q")
    assert await lying(jobs_broker) == 1

    job = await _take(jobs)
    await jobs.complete(job, "w")

    assert (job.job_id, job.attempt) == ("1", 1)
    assert await jobs.pending("q") == []
    assert await lying(jobs_broker) == 0


async def test_takers_leave_no_deliveries_behind(jobs: RabbitJobQueue, jobs_broker: str) -> None:
    """A job that was on its way to a taker which just got another one is kept: given back, it would soon be poison."""
    for number in range(40):
        await jobs.put("q", str(number), "x")
    for number in range(10):
        job = await _take(jobs)
        assert job.job_id == str(number)
        await jobs.complete(job, "w")

    async with plain_channel(jobs_broker) as channel:
        source = await channel.get_queue(NAME)
        while (message := await source.get(fail=False)) is not None:
            assert not message.redelivered
            await message.ack()
