"""What becomes of messages that are no jobs, or that nobody can take."""

from __future__ import annotations

import asyncio

import pytest
from jobtest.broker import deliver_in_vain, lying, publish_frames

from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import DeadJob, Job
from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue
from azaion_common.platform.jobs.rabbitmq.topology import DEAD, DELIVERY_LIMIT


async def _take(jobs: RabbitJobQueue, queue: str = "q") -> Job:
    return await asyncio.wait_for(jobs.take(queue, "w", lease_s=30), 20)


async def _dead(jobs: RabbitJobQueue, wanted: int) -> list[DeadJob]:
    async with asyncio.timeout(10):
        while len(found := await jobs.dead_letters()) < wanted:
            await asyncio.sleep(0.1)
    return found


async def test_poison_goes_to_the_dead_letters_and_can_be_put_again(
    jobs: RabbitJobQueue, jobs_broker: str
) -> None:
    """A message that is delivered again and again without acknowledgement is set aside, whole, and can come back."""
    await jobs.put("q", "1", "one")
    await deliver_in_vain(jobs_broker, DELIVERY_LIMIT + 1)

    (dead,) = await _dead(jobs, 1)
    assert (dead.queue, dead.job_id, dead.body, dead.reason) == ("q", "1", b"one", "delivery_limit")

    await jobs.requeue("1")
    assert (await _take(jobs)).body == "one"
    assert await jobs.dead_letters() == []


async def test_dead_letters_survive_being_looked_at(jobs: RabbitJobQueue, jobs_broker: str) -> None:
    """RabbitMQ drops what was delivered 20 times; looking at dead letters does not bring that about."""
    await jobs.put("q", "1", "one")
    await deliver_in_vain(jobs_broker, DELIVERY_LIMIT + 1)
    await _dead(jobs, 1)

    for _ in range(25):
        assert len(await jobs.dead_letters()) == 1


async def test_only_dead_letters_can_be_requeued(jobs: RabbitJobQueue) -> None:
    """An id that no dead letter has is told apart from success."""
    with pytest.raises(PermanentError) as caught:
        await jobs.requeue("unknown")

    assert caught.value.code == "dead_letter_unknown"


@pytest.mark.parametrize(
    ("job_id", "body"),
    [(None, b"no id"), ("not text", b"\xff\xfe"), ("not storable", b"a \0 b"), ("x" * 201, b"long id")],
    ids=["no id", "not UTF-8", "NUL", "long id"],
)
async def test_what_is_no_job_is_set_aside(
    jobs: RabbitJobQueue, jobs_broker: str, job_id: str | None, body: bytes
) -> None:
    """A malformed message becomes a dead letter at its first delivery, and those behind it are taken."""
    assert await jobs.pending("q") == []
    await publish_frames(jobs_broker, body, job_id)
    await jobs.put("q", "1", "one")

    assert (await _take(jobs)).job_id == "1"
    (dead,) = await _dead(jobs, 1)
    assert (dead.job_id, dead.body, dead.reason) == (job_id, body, "rejected")


async def test_what_cannot_even_be_decoded_does_not_stay_in_the_way(
    jobs: RabbitJobQueue, jobs_broker: str
) -> None:
    """A message that breaks each connection it comes through is set aside at the delivery limit, alone."""
    assert await jobs.pending("q") == []
    await publish_frames(jobs_broker, b"x", "not UTF-8")
    for number in range(3):
        await jobs.put("q", str(number), "x")

    assert (await asyncio.wait_for(jobs.take("q", "w", lease_s=30), 50)).job_id == "0"
    assert [job.job_id for job in await jobs.pending("q")] == ["0", "1", "2"]
    assert await lying(jobs_broker, DEAD) == 1


@pytest.mark.parametrize(
    ("job_id", "body"), [("", "x"), ("x" * 201, "x"), ("1", "a \0 b"), ("1", "x" * (1 << 20) + "x")]
)
async def test_what_could_not_be_taken_cannot_be_put(jobs: RabbitJobQueue, job_id: str, body: str) -> None:
    """The error is where the mistake is, and not a dead letter later."""
    with pytest.raises(PermanentError) as caught:
        await jobs.put("q", job_id, body)

    assert caught.value.code == "job_invalid"
