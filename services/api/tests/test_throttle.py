"""Limits on logins: who guesses is stopped, whoever only has neighbours that guess is not."""

from __future__ import annotations

import pytest

from azaion_api.throttle import Throttle

WINDOW_S = 60
ATTEMPTS = 5
HOME = "192.0.2.1"


@pytest.fixture
def throttle() -> Throttle:
    return Throttle(WINDOW_S, ATTEMPTS)


def try_wrong(
    throttle: Throttle, password: str, now: float, *, address: str = HOME, account: str = "a"
) -> bool:
    """Whether a wrong password was looked at and called wrong."""
    attempt = throttle.attempt(address, account, password)
    return throttle.admit(attempt, now) is None and throttle.failed(attempt, now) is None


def try_right(throttle: Throttle, now: float, *, address: str = HOME, account: str = "a") -> bool:
    """Whether the right password was looked at."""
    attempt = throttle.attempt(address, account, "right")
    if throttle.admit(attempt, now) is not None:
        return False
    throttle.succeeded(attempt, now)
    return True


def attack(throttle: Throttle, now: float, strangers: int = 100) -> None:
    """Strangers from everywhere guess at the account, each as often as it may."""
    for stranger in range(strangers):
        for guess in range(ATTEMPTS):
            try_wrong(
                throttle, f"{stranger} {guess}", now, address=f"198.51.{stranger // 250}.{stranger % 250}"
            )


def test_different_wrong_passwords_are_limited_and_the_limit_ends(throttle: Throttle) -> None:
    """Five guesses, then the seconds to wait; after them one more."""
    assert [try_wrong(throttle, f"{guess}", guess) for guess in range(6)] == [True] * 5 + [False]
    assert throttle.admit(throttle.attempt(HOME, "a", "sixth"), 10) == WINDOW_S - 10
    assert try_wrong(throttle, "sixth", WINDOW_S)
    assert not try_wrong(throttle, "seventh", WINDOW_S)


def test_the_same_wrong_password_counts_once_for_others_and_each_time_for_itself(throttle: Throttle) -> None:
    """A device with an old password is slowed down, and costs its neighbours one guess."""
    assert [try_wrong(throttle, "old", second) for second in range(10)] == [True] * 5 + [False] * 5
    assert try_right(throttle, 10)
    assert [try_wrong(throttle, f"{guess}", 10) for guess in range(5)] == [True] * 4 + [False]


def test_devices_that_log_in_together_share_a_guess(throttle: Throttle) -> None:
    """Many at once with one password are all looked at, also when a neighbour's wrong ones left room for one."""
    for guess in range(ATTEMPTS - 1):
        try_wrong(throttle, f"{guess}", 0)

    together = [throttle.admit(throttle.attempt(HOME, "a", "right"), 1) for _ in range(50)]

    assert together == [None] * 50


def test_strangers_cannot_lock_an_account_out(throttle: Throttle) -> None:
    """Devices that log in from their own addresses are let in while others guess, also for the first time."""
    assert try_right(throttle, 0, address="203.0.113.7")
    attack(throttle, 1)

    assert try_right(throttle, 2, address="203.0.113.7")
    assert try_right(throttle, 2, address="203.0.113.8")


def test_an_account_that_many_guess_at_gives_each_stranger_one_guess(throttle: Throttle) -> None:
    """Addresses beyond the account's limit have one look each, and are told to wait; known ones keep theirs."""
    assert try_right(throttle, 0, address="203.0.113.7")
    attack(throttle, 1)

    guesses = [f"{guess}" for guess in range(3)]
    stranger = [throttle.admit(throttle.attempt("203.0.113.9", "a", guess), 2) for guess in guesses]
    assert stranger[0] is None
    assert all(wait is not None for wait in stranger[1:])
    assert not try_wrong(throttle, "x", 2, address="203.0.113.10")
    assert all(try_wrong(throttle, guess, 2, address="203.0.113.7") for guess in guesses)
    assert try_wrong(throttle, "x", 2, address="203.0.113.10", account="another")


def test_an_address_that_guesses_at_many_accounts_is_not_heard(throttle: Throttle) -> None:
    """Twenty different guesses from one address, at whichever account, are all; it can be asked before they are read."""
    assert all(try_wrong(throttle, "x", 0, account=f"{number}") for number in range(20))

    assert throttle.refuses_address(HOME, 1) == WINDOW_S - 1
    assert not try_wrong(throttle, "x", 1, account="another")
    assert try_wrong(throttle, "x", 1, account="another", address="192.0.2.2")


def test_right_passwords_cost_nothing(throttle: Throttle) -> None:
    """A fleet behind one address logs in as often as it likes."""
    assert all(try_right(throttle, 0, account=f"{number}") for number in range(1000))
    assert all(try_right(throttle, 0) for _ in range(1000))


def test_what_strangers_send_does_not_pile_up(throttle: Throttle) -> None:
    """A million attempts under a million names leave no more than some thousand entries."""
    for number in range(30_000):
        try_wrong(throttle, "x", 0, address=f"{number}", account=f"{number}")

    sizes = [len(each._noted) for each in (throttle._of_address, throttle._of_account, throttle._of_pair)]
    assert max(sizes) <= 10_000


def test_a_password_cannot_be_read_from_what_is_kept(throttle: Throttle) -> None:
    """Only a digest under a key of this process stays in memory."""
    assert "hunter22" not in repr(throttle.attempt(HOME, "a", "hunter22"))
    assert throttle.attempt(HOME, "a", "x").guess != Throttle(60, 5).attempt(HOME, "a", "x").guess
