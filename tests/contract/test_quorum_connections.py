"""How the job queue reaches its broker, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import time

import pytest
from jobtest.broker import NAME, plain_channel

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.jobs.rabbitmq import RabbitJobQueue
from azaion_common.platform.jobs.rabbitmq.errors import typed_errors


async def test_a_queue_that_is_made_differently_is_an_error(jobs: RabbitJobQueue, jobs_broker: str) -> None:
    """A queue of the same name without our promises is refused, to putters and to takers."""
    async with plain_channel(jobs_broker) as channel:
        await channel.declare_queue(NAME, durable=True)

    for use in (jobs.put("q", "1", "one"), jobs.take("q", "w", lease_s=30), jobs.pending("q")):
        with pytest.raises(PermanentError) as caught:
            await use
        assert caught.value.code == "queue_mismatch"
    await jobs.put("other", "1", "one")


async def test_a_wrong_password_is_an_error(jobs_broker: str, jobs_ledger: str) -> None:
    """Whom the broker does not let in is told so at once, and not left waiting."""
    wrong = f"amqp://nobody:other@{jobs_broker.rpartition('@')[2]}"
    async with RabbitJobQueue.open(wrong, jobs_ledger) as jobs:
        for use in (jobs.put("q", "1", "one"), jobs.take("q", "w", lease_s=30)):
            with pytest.raises(PermanentError) as caught:
                await use
            assert caught.value.code == "broker_denied"
            assert "other" not in str(caught.value)


async def test_a_virtual_host_that_is_missing_is_named_as_a_possible_cause(
    jobs_broker: str, jobs_ledger: str
) -> None:
    """It cannot be told from a broker that is just starting; so it is waited for, with a hint, up to the deadline."""
    missing = jobs_broker.rpartition("/")[0] + "/nowhere"
    started = time.monotonic()
    async with RabbitJobQueue.open(missing, jobs_ledger) as jobs:
        with pytest.raises(TransientError) as caught:
            await jobs.put("q", "1", "one")

    assert caught.value.code == "jobs_unavailable"
    assert "virtual host" in (caught.value.hint or "")
    assert time.monotonic() - started < 13


async def test_a_connection_that_is_given_up_does_not_cancel_its_users() -> None:
    """``aiormq`` answers those who wait on a stuck connection with a CancelledError; here that is an ordinary error."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.set_exception(asyncio.CancelledError())

    with pytest.raises(TransientError) as caught, typed_errors("wait"):
        await answer

    assert caught.value.code == "jobs_unavailable"


async def test_those_who_are_cancelled_stay_cancelled() -> None:
    """A cancellation that somebody meant is not turned into an error that would be retried."""

    async def work() -> None:
        with typed_errors("wait"):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
