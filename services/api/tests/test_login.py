"""Logging in: who gets a token, who does not, and what strangers can learn from the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher

from azaion_api.tokens import Identity, Role
from azaion_common.core.errors import AzaionError, PermanentError, TransientError

PASSWORD = "correct horse battery staple"


async def test_the_right_password_gives_a_token_of_the_account(api: Any) -> None:
    """A login answers with a token that names the account and its role, and when it ends."""
    answer = await api.login("Admin@Example.org", PASSWORD)

    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "expiresAt"}
    assert api.services.signer.verify(answer.json()["token"]) == Identity("admin@example.org", Role.ADMIN)
    assert answer.headers["cache-control"] == "no-store"


async def test_older_clients_may_spell_the_names_with_a_capital(api: Any) -> None:
    """``Email`` and ``Password`` are understood as well."""
    answer = await api.client.post("/login", json={"Email": "admin@example.org", "Password": PASSWORD})

    assert answer.status_code == 200


async def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(api: Any) -> None:
    """Nobody learns which accounts exist."""
    wrong = await api.login("admin@example.org", "wrong")
    unknown = await api.login("nobody@example.org", "wrong")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["code"] == "auth_denied"
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_an_unknown_account_costs_a_hash_as_well(api: Any) -> None:
    """The time of an answer does not tell whether the account exists: a password is verified either way."""
    noting = NotingHasher(time_cost=1, memory_cost=64, parallelism=1)
    api.services.accounts.hasher = noting

    await api.login("nobody@example.org", "wrong")
    await api.login("admin@example.org", "wrong")

    assert noting.verified == ["$argon2id$v=19$m=64,t=1,p=1"] * 2


class NotingHasher(PasswordHasher):
    """Notes the cost of each verification."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's name
        self.verified.append(str(hash).rsplit("$", 2)[0])
        return super().verify(hash, password)


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a\x00@b", "password": "hunter22"},
        {"email": "a@b", "password": "hunter22\x00"},
        {"email": "a\ud800@b", "password": "hunter22"},
        {"email": "a@b", "password": "hunter22\udfff"},
        {"email": "a@b", "password": "x", "hunter22\ud800": 1},
        {"email": "a@b"},
        {"email": "a@b", "password": 5},
        {"email": "a@b", "password": "x", "role": "admin"},
        {"email": "a@b", "password": "x" * 1025},
        {"email": None, "password": "hunter22"},
        [],
        "hunter22",
    ],
)
async def test_a_login_that_does_not_fit_is_refused_without_repeating_it(api: Any, body: Any) -> None:
    """Missing, extra, mistyped and overlong fields get a typed 422 that does not echo the input."""
    text = json.dumps(body)  # which writes halves of surrogate pairs as escapes
    answer = await api.client.post("/login", content=text, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["code"] == "request_invalid"
    assert "hunter22" not in answer.text


@pytest.mark.parametrize(
    "content",
    [
        b'{"email": "a',
        b"",
        b"\xff\xfe{\x00}\x00",
        b'{"email": "a@b", "password": "\xff"}',
        b'{"email": "a@b", "password": "x", "password": "y"}',
        b'{"email": "a@b", "password": NaN}',
        b"[" * 16_000,
        b"9" * 16_000,
        b"1e999999999",
        b"{" + b",".join(b'"%d":0' % number for number in range(1500)) + b"}",
        b"null",
    ],
)
async def test_json_that_is_broken_or_ambiguous_is_refused(api: Any, content: bytes) -> None:
    """Bytes that are no JSON, too deep, too many, or that readers would take differently get a short typed 422."""
    answer = await api.client.post("/login", content=content, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["code"] == "request_invalid"
    assert len(answer.content) < 2000


async def test_a_problem_lists_ten_errors_at_most(api: Any) -> None:
    """A body of nothing but mistakes gets a short answer, in which no invented name is repeated as it came."""
    body = {f"<{number}>": number for number in range(16)}

    answer = await api.client.post("/login", json=body)

    assert len(answer.json()["errors"]) == 10
    assert "<" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"},
     {"content-type": "application/json", "content-encoding": "gzip"}],
)  # fmt: skip
async def test_a_login_in_another_form_is_refused(api: Any, headers: dict[str, str]) -> None:
    """Only JSON, uncompressed: a form of another site is not taken for a login."""
    answer = await api.client.post(
        "/login", content=json.dumps({"email": "admin@example.org", "password": PASSWORD}), headers=headers
    )

    assert answer.status_code == 415


async def test_guessing_is_slowed_down(api: Any) -> None:
    """After five wrong passwords even the right one has to wait, as long as Retry-After says."""
    for guess in range(5):
        assert (await api.login("admin@example.org", f"wrong {guess}")).status_code == 401

    answer = await api.login("admin@example.org", PASSWORD)

    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_logins"
    api.clock.now += int(answer.headers["retry-after"])
    assert (await api.login("admin@example.org", PASSWORD)).status_code == 200


async def test_guessing_at_accounts_that_do_not_exist_is_slowed_down_alike(api: Any) -> None:
    """The limit does not tell which accounts exist."""
    answers = [await api.login("nobody@example.org", "wrong") for _ in range(6)]

    assert [a.status_code for a in answers] == [401] * 5 + [429]


async def test_guessing_at_many_accounts_from_one_address_is_slowed_down(api: Any) -> None:
    """One address has a limit of its own."""
    answers = [await api.login(f"user{i}@example.org", "wrong") for i in range(21)]

    assert [a.status_code for a in answers] == [401] * 20 + [429]


async def test_many_guesses_at_once_cannot_slip_through_together(api: Any) -> None:
    """An attempt counts before its password is checked: of twenty at the same moment five are looked at."""
    answers = await asyncio.gather(*(api.login("admin@example.org", f"guess {i}") for i in range(20)))

    assert sorted(a.status_code for a in answers) == [401] * 5 + [429] * 15


async def test_the_right_password_is_never_slowed_down(api: Any) -> None:
    """Services that log in often are not locked out."""
    answers = [await api.login("admin@example.org", PASSWORD) for _ in range(12)]

    assert {a.status_code for a in answers} == {200}


async def test_a_hash_with_old_parameters_is_renewed(api: Any) -> None:
    """A login with the right password brings its hash up to the parameters of today."""
    api.services.accounts.hasher = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)

    await api.login("admin@example.org", PASSWORD)

    stored = await api.services.accounts.database.read(
        lambda c: c.exec_driver_sql("SELECT password_hash FROM users").scalar_one()
    )
    assert "t=2" in stored
    assert stored.startswith("$argon2id$")


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read(api: Any) -> None:
    """A login that announces 15 MB is refused without one byte of them being taken in."""
    was_read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal was_read
        was_read = True
        yield b"{}"

    headers = {"content-type": "application/json", "content-length": "15000000"}
    answer = await api.client.post("/login", content=body(), headers=headers)

    assert answer.status_code == 413
    assert not was_read


async def test_a_body_without_an_announced_length_is_cut_off(api: Any) -> None:
    """A login that never ends is read up to the limit and no further."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 1000
            yield b" " * 1000

    answer = await api.client.post("/login", content=endless(), headers={"content-type": "application/json"})

    assert answer.status_code == 413
    assert sent < 50_000


async def test_one_wrong_device_does_not_lock_out_those_beside_it(api: Any) -> None:
    """A device that repeats an old password is slowed down; others with its account and address are not."""
    statuses = [(await api.login("admin@example.org", "old password")).status_code for _ in range(50)]

    assert statuses == [401] * 5 + [429] * 45
    assert (await api.login("admin@example.org", PASSWORD)).status_code == 200


async def test_a_fleet_that_starts_at_once_shares_a_check(api: Any) -> None:
    """A hundred devices with one account are let in together, for the cost of one password."""
    noting = NotingHasher(time_cost=1, memory_cost=64, parallelism=1)
    api.services.accounts.hasher = noting

    answers = await asyncio.gather(*(api.login("admin@example.org", PASSWORD) for _ in range(100)))

    assert {a.status_code for a in answers} == {200}
    assert len(noting.verified) < 10


async def test_more_logins_than_can_be_checked_are_told_to_come_back(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check takes memory and time: beyond a queue of them the answer is 503, and comes at once."""
    monkeypatch.setattr("azaion_api.accounts._WAITING_AT_MOST", 3)

    answers = await asyncio.gather(*(api.login(f"user{i}@example.org", "x") for i in range(10)))

    statuses = sorted(a.status_code for a in answers)
    assert statuses == [401] * 3 + [503] * 7
    assert all(a.headers["retry-after"] for a in answers if a.status_code == 503)


async def test_the_throttle_is_asked_before_anything_is_read(api: Any) -> None:
    """An address that may not try again is refused before its body is looked at."""
    for number in range(20):
        await api.login(f"user{number}@example.org", "wrong")

    answer = await api.client.post("/login", content=b"no JSON", headers={"content-type": "application/json"})

    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermanentError("ledger_corrupt", "ledger of api: secrets of the driver"), 500),
        (TransientError("ledger_unavailable", "ledger of api: secrets of the driver"), 503),
    ],
)
async def test_a_fault_of_the_database_is_no_refused_login(api: Any, error: AzaionError, status: int) -> None:
    """The client is told that the fault is ours, and nothing of what the driver says."""
    api.services.accounts.readings = BrokenDatabase(error)

    answer = await api.login("admin@example.org", PASSWORD)

    assert answer.status_code == status
    assert "driver" not in answer.text


@dataclass
class BrokenDatabase:
    """Fails every time."""

    error: AzaionError

    async def read(self, work: object) -> Any:
        raise self.error
