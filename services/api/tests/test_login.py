"""Logging in: who gets a token, who does not, and what strangers can learn from the answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher

from azaion_api.tokens import Identity, Role

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
    answer = await api.client.post("/login", json=body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "request_invalid"
    assert "hunter22" not in answer.text


async def test_broken_json_is_refused(api: Any) -> None:
    """Bytes that are no JSON get a typed 422."""
    headers = {"content-type": "application/json"}

    answer = await api.client.post("/login", content=b'{"email": "a', headers=headers)

    assert answer.status_code == 422
    assert answer.json()["code"] == "request_invalid"


async def test_guessing_is_slowed_down(api: Any) -> None:
    """After five failures even the right password has to wait, as long as Retry-After says."""
    for _ in range(5):
        assert (await api.login("admin@example.org", "wrong")).status_code == 401

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


async def test_a_body_beyond_the_limit_is_cut_off(api: Any) -> None:
    """A login of a megabyte is refused before it is parsed."""
    answer = await api.client.post("/login", content=json.dumps({"email": "x" * 1_000_000}).encode())

    assert answer.status_code == 413
