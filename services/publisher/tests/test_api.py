"""The API's client: what it tries again, what it takes as final, and for how long."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from azaion_common.core.errors import PermanentError, TransientError
from azaion_publisher.adapters.api import ApiSmallParts, read_credentials
from azaion_publisher.retrying import MAX_TRIES, RetryBudget


def problem(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": "some_code", "detail": "some detail"}, headers=headers)


async def test_a_part_comes_back_as_it_was_sent(bench: Any) -> None:
    """Any bytes, and one login for both calls."""
    parts = bench.publisher.small_parts

    location = await parts.put("a.small", bytes(range(256)) * 8)

    assert location == "models/a.small"
    assert await parts.get("a.small", max_bytes=2048) == bytes(range(256)) * 8
    assert bench.api.logins == 1


async def test_a_token_that_ended_is_replaced_once(bench: Any) -> None:
    """A 401 means one new login; the call goes on as if nothing had happened."""
    await bench.publisher.small_parts.put("a", b"x")
    bench.api.tokens.clear()

    assert await bench.publisher.small_parts.get("a", max_bytes=10) == b"x"
    assert bench.api.logins == 2


async def test_a_server_that_refuses_its_own_tokens_is_given_up(bench: Any) -> None:
    """After one new login a second 401 is final."""
    bench.api.fail_next = [
        httpx.Response(200, json={"token": "a"}),
        problem(401),
        httpx.Response(200, json={"token": "b"}),
        problem(401),
    ]

    with pytest.raises(PermanentError, match="auth_denied"):
        await bench.publisher.small_parts.put("a", b"x")

    assert bench.pauses == []


async def test_a_wrong_password_is_final_and_clear(bench: Any) -> None:
    """One try, one line with the account and the file, and never the password."""
    bench.credentials.write_text(json.dumps({"email": "service@example.org", "password": "hunter22"}))

    with pytest.raises(PermanentError, match=r"service@example\.org.*auth_denied") as caught:
        await bench.publisher.small_parts.put("a", b"x")

    assert bench.api.requests == ["/login"]
    assert "hunter22" not in str(caught.value) + str(caught.value.hint)


@pytest.mark.parametrize(
    "failure",
    [problem(500), problem(502), problem(503), problem(504), problem(429), problem(408),
     httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")],
    ids=str,
)  # fmt: skip
async def test_a_passing_failure_is_tried_again(bench: Any, failure: httpx.Response | Exception) -> None:
    """Overload, a broken gateway or a broken connection: the call succeeds when the server does."""
    bench.api.fail_next = [failure, failure]

    await bench.publisher.small_parts.put("a", b"x")

    assert bench.api.stored == {"models/a": b"x"}
    assert len(bench.pauses) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "upload_conflict"),
        (403, "upload_refused"),
        (413, "upload_refused"),
        (422, "upload_refused"),
        (302, "upload_refused"),
    ],
)
async def test_a_refusal_is_final(bench: Any, status: int, code: str) -> None:
    """Nothing is gained by asking again; the API's own code is in the message."""
    await bench.publisher.small_parts.put("first", b"x")  # so that the next answer is to an upload
    bench.api.fail_next = [problem(status)]

    with pytest.raises(PermanentError, match=code):
        await bench.publisher.small_parts.put("a", b"x")

    assert bench.pauses == []


async def test_a_missing_part_is_final(bench: Any) -> None:
    """404 on reading back."""
    with pytest.raises(PermanentError, match="part_missing"):
        await bench.publisher.small_parts.get("a", max_bytes=10)


async def test_an_answer_longer_than_expected_is_cut_off(bench: Any) -> None:
    """A server cannot fill our memory."""
    await bench.publisher.small_parts.put("a", b"x" * 1000)

    with pytest.raises(PermanentError, match="part_too_long"):
        await bench.publisher.small_parts.get("a", max_bytes=999)


async def test_a_server_that_stays_down_is_given_up_for_now(bench: Any) -> None:
    """After so many tries the job is postponed; the code says why."""
    bench.api.fail_next = [problem(503)] * 100

    with pytest.raises(TransientError, match="api_unavailable"):
        await bench.publisher.small_parts.put("a", b"x")

    assert len(bench.api.requests) == MAX_TRIES


async def test_a_server_that_never_answers_is_given_up_at_the_deadline(bench: Any) -> None:
    """No call hangs longer than it may."""

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(3600)
            raise AssertionError

    async with httpx.AsyncClient(transport=Silent(), base_url="http://api") as http, asyncio.timeout(5):
        with pytest.raises(TransientError, match="api_unavailable"):
            await ApiSmallParts(http, "models", bench.credentials, deadline_s=0.05).put("a", b"x")


async def test_retry_after_is_honoured(bench: Any) -> None:
    """A server that names a time is not asked sooner."""
    bench.api.fail_next = [problem(429, **{"retry-after": "7"})]

    await bench.publisher.small_parts.put("a", b"x")

    assert bench.pauses == [7.0]


@pytest.mark.parametrize("hint", ["soon", "-5", "1e9", "", "\u0667"])
def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(hint: str) -> None:
    """Our own pause counts then."""
    pause_s = RetryBudget(0, 60).pause_s(0, hint)

    assert pause_s is not None
    assert 0.2 <= pause_s <= 20


def test_a_budget_ends_with_its_deadline() -> None:
    """No pause reaches beyond it, whoever asks for it."""
    assert RetryBudget(0, 30).pause_s(0, "31") is None
    assert RetryBudget(0, 30).pause_s(29.95) is None
    assert RetryBudget(0, 90).pause_s(0, "999999999999") == 60


def test_credentials_that_are_not_there_yet_are_worth_waiting_for(tmp_path: Path) -> None:
    """The API makes them when it first starts; damaged ones are final."""
    with pytest.raises(TransientError, match="credentials_missing"):
        read_credentials(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(PermanentError, match="credentials_invalid"):
        read_credentials(tmp_path / "bad.json")
