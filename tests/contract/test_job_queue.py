"""What every ``JobQueue`` promises, whatever it is made of."""

from __future__ import annotations

import asyncio

import pytest

from azaion_common.jobs import Job, JobQueue
from azaion_common.testing.transports import OpenQueue


async def _take(queue: JobQueue, worker: str = "w", lease_s: float = 30.0) -> Job:
    return await asyncio.wait_for(queue.take("q", worker, lease_s=lease_s), 10)


async def _has_nothing(queue: JobQueue, worker: str) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take("q", worker, lease_s=30), 0.3)


async def test_jobs_come_oldest_first_and_once(queue: JobQueue) -> None:
    """Two workers get different jobs, in the order they were put."""
    await queue.put("q", "1", "one")
    await queue.put("q", "2", "two")

    first, second = await _take(queue, "a"), await _take(queue, "b")

    assert (first.job_id, first.body, first.attempt) == ("1", "one", 1)
    assert second.job_id == "2"


async def test_a_job_is_one_job_however_often_it_is_put(queue: JobQueue) -> None:
    """Putting an id again does nothing, even when the job is over."""
    await queue.put("q", "1", "one")
    await queue.put("q", "1", "other")
    await queue.complete(await _take(queue), "w")
    await queue.put("q", "1", "again")

    assert await queue.pending("q") == []


async def test_a_waiting_worker_is_woken(queue: JobQueue, open_queue: OpenQueue) -> None:
    """A worker that waits gets a job put through another connection at once."""
    async with open_queue() as other:
        taking = asyncio.create_task(_take(other))
        await asyncio.sleep(0.1)
        await queue.put("q", "1", "one")

        assert (await taking).job_id == "1"


async def test_a_lease_that_ran_out_is_handed_on(queue: JobQueue) -> None:
    """The job of a worker that does not renew goes to another one, with a higher attempt."""
    await queue.put("q", "1", "one")
    lost = await _take(queue, "dead", lease_s=0.1)

    again = await _take(queue, "alive")

    assert (again.job_id, again.attempt) == ("1", 2)
    assert not await queue.renew(lost, "dead", lease_s=30)


async def test_a_renewed_lease_is_kept(queue: JobQueue) -> None:
    """Renewing keeps the job from others beyond the first lease."""
    await queue.put("q", "1", "one")
    job = await _take(queue, "w", lease_s=0.2)

    assert await queue.renew(job, "w", lease_s=30)
    await asyncio.sleep(0.3)
    await _has_nothing(queue, "other")


async def test_a_worker_that_comes_back_gets_its_own_job(queue: JobQueue) -> None:
    """A worker of the same name, restarted after a kill, need not wait for its old lease."""
    await queue.put("q", "1", "one")
    await _take(queue, "w", lease_s=600)

    assert (await _take(queue, "w")).job_id == "1"


async def test_a_released_job_comes_back_after_its_delay(queue: JobQueue) -> None:
    """Not before the delay, but then without anybody's doing."""
    await queue.put("q", "1", "one")
    await queue.release(await _take(queue), "w", delay_s=0.5)

    await _has_nothing(queue, "other")
    assert (await _take(queue, "other")).job_id == "1"


async def test_a_cancelled_job_is_lost_to_its_worker(queue: JobQueue) -> None:
    """Cancelling takes a running job away: its lease cannot be renewed and nobody gets it."""
    await queue.put("q", "1", "one")
    job = await _take(queue)

    assert await queue.cancel("q", "1")
    assert not await queue.renew(job, "w", lease_s=30)
    assert not await queue.cancel("q", "1")
    assert not await queue.cancel("q", "unknown")
    await _has_nothing(queue, "other")


async def test_queues_do_not_mix(queue: JobQueue) -> None:
    """A job of one queue is not seen in another."""
    await queue.put("other", "1", "one")

    await _has_nothing(queue, "w")
    assert [job.job_id for job in await queue.pending("other")] == ["1"]
