"""The same thing is said seldom."""

from __future__ import annotations

from azaion_common.core.seldom import Seldom


def test_a_repeated_line_is_said_at_first_and_then_once_per_period() -> None:
    """An outage of a day, tried every two seconds, is 144 lines and no more; another code is said at once."""
    now = 0.0
    seldom = Seldom(600, clock=lambda: now)
    said = 0
    for _ in range(43_200):
        said += seldom.due("api_unavailable")
        now += 2

    assert said == 144
    assert seldom.due("login_refused")


def test_what_comes_back_is_new() -> None:
    """After an outage is over, the next is told at once."""
    seldom = Seldom(600, clock=lambda: 0.0)

    assert seldom.due("away")
    assert not seldom.due("away")
    seldom.over()
    assert seldom.due("away")
