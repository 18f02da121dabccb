"""How the job queue reaches its broker, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from jobtest.broker import NAME, plain_channel

from azaion_common.errors import PermanentError, TransientError
from azaion_common.jobs.rabbitmq import RabbitJobQueue
from azaion_common.jobs.rabbitmq.errors import typed_errors
from azaion_common.jobs.rabbitmq.location import JobsLocation


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


@pytest.mark.parametrize(
    "url",
    ["http://h/", "amqp://", "amqp://h:port/", "amqps://h/?no_verify_ssl=1", "amqp://h/?heartbeat=0"],
)
def test_addresses_that_are_not_valid_are_refused_without_being_shown(url: str) -> None:
    """Options that would weaken a connection are not taken, and no password gets into a message."""
    with pytest.raises(PermanentError) as caught:
        JobsLocation.parse(url.replace("://", "://u:secret@"))

    assert caught.value.code == "jobs_url_invalid"
    assert "secret" not in str(caught.value)


def test_addresses_are_understood() -> None:
    """All parts may be quoted."""
    location = JobsLocation.parse("amqps://us%40er:pa%2Fss@broker/v%2Fh?ca=/etc/ca.pem")

    assert (location.host, location.port, location.tls) == ("broker", 5671, True)
    assert (location.username, location.password, location.vhost) == ("us@er", "pa/ss", "v/h")
    assert "pa/ss" not in repr(location)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_an_error(tmp_path: Path, content: str | None) -> None:
    """A file that is missing or is something else is named at once."""
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(PermanentError) as caught:
        JobsLocation.parse(f"amqps://h/?ca={tmp_path / 'ca.pem'}").ssl_context()

    assert caught.value.code == "jobs_url_invalid"
