"""What every ``JobQueue`` promises, whatever it is made of."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from azaion_common.platform.jobs import Job, JobQueue
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
        await asyncio.sleep(0.5)
        started = time.monotonic()
        await queue.put("q", "1", "one")

        assert (await taking).job_id == "1"
        assert time.monotonic() - started < 0.9


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


async def test_a_job_that_nobody_has_taken_can_be_cancelled(queue: JobQueue, open_queue: OpenQueue) -> None:
    """Wherever it lies, and through any connection."""
    await queue.put("q", "1", "one")
    async with open_queue() as other:
        assert await other.cancel("q", "1")

    assert await queue.pending("q") == []
    await _has_nothing(queue, "w")


async def test_queues_do_not_mix(queue: JobQueue) -> None:
    """A job of one queue is not seen in another."""
    await queue.put("other", "1", "one")

    await _has_nothing(queue, "w")
    assert [job.job_id for job in await queue.pending("other")] == ["1"]


async def test_what_was_put_survives_reopening(open_queue: OpenQueue) -> None:
    """A connection that is opened later finds the job whole, whoever put it."""
    body = '{"name": "Ґанок", "size": 1.5}'
    async with open_queue() as queue:
        await queue.put("q", "job/1 ü", body)

    async with open_queue() as queue:
        job = await _take(queue)

    assert (job.queue, job.job_id, job.body) == ("q", "job/1 ü", body)


async def test_pending_jobs_are_those_not_yet_over(queue: JobQueue) -> None:
    """Waiting and leased ones are listed, oldest first, with their attempts; finished ones are not."""
    for name in ("over", "leased", "waiting"):
        await queue.put("q", name, name)
    await queue.complete(await _take(queue), "w")
    await _take(queue, "other")

    assert await queue.pending("q") == [Job("q", "leased", "leased", 1), Job("q", "waiting", "waiting", 0)]


async def test_only_the_holder_of_a_lease_decides(queue: JobQueue) -> None:
    """A worker that lost its job can neither end it nor give it back."""
    await queue.put("q", "1", "one")
    lost = await _take(queue, "late", lease_s=0.1)
    held = await _take(queue, "w")

    await queue.complete(lost, "late")
    await queue.release(lost, "late", delay_s=0)

    assert await queue.pending("q") == [held]
    assert await queue.renew(held, "w", lease_s=30)


async def test_a_taker_that_gives_up_takes_nothing_with_it(queue: JobQueue) -> None:
    """A worker that stops waiting, before or while jobs arrive, loses none."""
    for number in range(20):
        taking = asyncio.create_task(_take(queue, "impatient"))
        await asyncio.sleep(0.01 * (number % 5))
        await queue.put("q", str(number), "x")
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)

    assert [job.job_id for job in await queue.pending("q")] == [str(number) for number in range(20)]


async def test_workers_of_several_connections_share_the_jobs(queue: JobQueue, open_queue: OpenQueue) -> None:
    """Each of many jobs is handed to exactly one of several workers that hurry."""
    done: Counter[str] = Counter()

    async def work(source: JobQueue, worker: str) -> None:
        while done.total() < 60:
            try:
                job = await asyncio.wait_for(source.take("q", worker, lease_s=30), 0.5)
            except TimeoutError:
                continue
            done[job.job_id] += 1
            await source.complete(job, worker)

    async with open_queue() as second, open_queue() as third:
        workers = [asyncio.create_task(work(source, str(id(source)))) for source in (queue, second, third)]
        for number in range(60):
            await queue.put("q", str(number), "x")
        async with asyncio.timeout(20):
            await asyncio.gather(*workers)

    assert done == {str(number): 1 for number in range(60)}
    assert await queue.pending("q") == []
