"""Retries that all calls share."""

from __future__ import annotations

from azaion_common.platform.storage.s3.budget import RetryBudget


def _requests(budget: RetryBudget, calls: int, tries: int = 6) -> int:
    """How many requests ``calls`` make when every one fails."""
    made = 0
    for _ in range(calls):
        budget.earn()
        made += 1
        for _ in range(tries - 1):
            if not budget.spend():
                break
            made += 1
    return made


def test_a_few_failures_are_retried_in_full() -> None:
    """Calls that fail now and then get all their tries."""
    assert _requests(RetryBudget(share=0.1, in_hand=50), 8) == 8 * 6


def test_steady_failure_is_hardly_amplified() -> None:
    """When everything fails for long, there are no more than 1.1 requests for each call."""
    budget = RetryBudget(share=0.1, in_hand=50)
    _requests(budget, 20)

    assert _requests(budget, 1_000) <= 1_100


def test_the_reserve_comes_back() -> None:
    """After trouble, calls that succeed fill the reserve again, and not beyond what it was."""
    budget = RetryBudget(share=0.1, in_hand=5)
    while budget.spend():
        pass
    for _ in range(1_000):
        budget.earn()

    assert [budget.spend() for _ in range(6)] == [True] * 5 + [False]
