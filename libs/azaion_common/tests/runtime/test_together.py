"""What is done together ends together."""

from __future__ import annotations

import asyncio
import threading

import pytest

from azaion_common.platform.runtime.together import all_ended


async def test_a_failure_is_told_when_all_have_ended() -> None:
    """The first one's error is raised, and no thread still works then."""
    failed, ended = threading.Event(), threading.Event()

    async def fail() -> None:
        failed.set()
        raise ZeroDivisionError

    def write() -> None:
        failed.wait(5)
        threading.Event().wait(0.05)
        ended.set()

    with pytest.raises(ZeroDivisionError):
        await all_ended([fail(), asyncio.to_thread(write)])

    assert ended.is_set()
