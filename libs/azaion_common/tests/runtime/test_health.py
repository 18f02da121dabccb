"""Health: alive is about this process alone, ready about what it needs."""

from __future__ import annotations

import asyncio
import time

import pytest

from azaion_common.platform.runtime import health
from azaion_common.platform.runtime.health import Health


def facts(state: Health) -> tuple[bool, dict[str, str]]:
    return state.ready, state.problems


def test_not_ready_before_the_start_and_with_a_problem() -> None:
    """Each part's problem is told until that part is well again."""
    state = Health()
    assert facts(state) == (False, {})
    state.started = True
    assert facts(state) == (True, {})
    state.problem("disk", "no space left")
    state.problem("api", "does not answer")
    state.well("disk")
    assert facts(state) == (False, {"api": "does not answer"})
    state.well("api")
    state.well("api")
    assert facts(state) == (True, {})


def test_a_problem_does_not_make_it_dead() -> None:
    """A restart would not mend a full disk."""
    state = Health()
    state.problem("disk", "no space left")

    assert state.alive


async def test_a_stuck_loop_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heart beats only while the event loop turns."""
    monkeypatch.setattr(health, "MAX_LOOP_LAG_S", 0.2)
    monkeypatch.setattr(health, "BEAT_S", 0.01)
    state = Health()
    heart = asyncio.create_task(state.beat())
    await asyncio.sleep(0.05)
    time.sleep(0.3)  # noqa: ASYNC251 - a blocked loop is what this is about
    stuck = state.alive
    await asyncio.sleep(0.05)
    heart.cancel()

    assert not stuck
    assert state.alive
