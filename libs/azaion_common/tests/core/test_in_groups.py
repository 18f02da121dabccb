"""Working in groups changes neither results nor who gets them, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from azaion_common.core.in_groups import InGroups


class Doubling:
    """Doubles numbers, notes its groups, refuses groups with a -1 in them; waits where it is told to."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, numbers: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(numbers))
        self.go_on.wait(5)
        if -1 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def busy_with(number: int, work: Doubling, groups: InGroups[int, int]) -> asyncio.Task[int]:
    """A group of one that is being worked on, until ``work`` is told to go on."""
    work.go_on.clear()
    first = asyncio.create_task(groups.put(number))
    while not work.groups:
        await asyncio.sleep(0.001)
    return first


async def test_what_comes_meanwhile_is_the_next_group() -> None:
    """A lone item starts at once; those that come while it is worked on go together."""
    work = Doubling()
    groups = InGroups(work)
    first = await busy_with(0, work, groups)
    others = [asyncio.create_task(groups.put(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    work.go_on.set()

    assert await asyncio.gather(first, *others) == [0, 2, 4, 6]
    assert work.groups == [[0], [1, 2, 3]]


async def test_groups_have_a_limit() -> None:
    """However many wait, none has more than ``most``, and everyone gets their own result."""
    work = Doubling()
    groups = InGroups(work, at_once=2, most=3)

    assert await asyncio.gather(*(groups.put(number) for number in range(20))) == list(range(0, 40, 2))
    assert max(map(len, work.groups)) == 3


async def test_as_many_groups_at_once_as_allowed() -> None:
    """Two threads meet in the middle of their work; a third group waits for one of them."""
    meeting, inside, most_inside = threading.Barrier(2, timeout=5), [0], [0]
    lock = threading.Lock()

    def meet(items: Sequence[int]) -> Sequence[int]:
        with lock:
            inside[0] += 1
            most_inside[0] = max(most_inside[0], inside[0])
        meeting.wait()
        with lock:
            inside[0] -= 1
        return items

    groups = InGroups(meet, at_once=2, most=1)

    assert await asyncio.gather(*(groups.put(number) for number in range(4))) == [0, 1, 2, 3]
    assert most_inside == [2]


async def test_an_error_reaches_its_group_only() -> None:
    """Everyone in the group hears of it, and the next group is worked on as ever."""
    groups = InGroups(Doubling(), most=2)

    outcomes = await asyncio.gather(
        *(groups.put(number) for number in (1, 2, -1, 4, 5)), return_exceptions=True
    )

    assert [outcomes[index] for index in (0, 1, 4)] == [2, 4, 10]
    assert [type(outcomes[index]) for index in (2, 3)] == [ValueError, ValueError]


async def test_an_item_that_comes_with_the_last_result_is_worked_on() -> None:
    """No item falls between the end of one group and the beginning of the next."""
    groups = InGroups(Doubling())
    async with asyncio.timeout(5):
        assert [await groups.put(number) for number in range(50)] == list(range(0, 100, 2))


async def test_one_who_gives_up_is_left_out() -> None:
    """Cancelled while it waits, an item costs no work."""
    work = Doubling()
    groups = InGroups(work)
    first = await busy_with(0, work, groups)
    second, third = (asyncio.create_task(groups.put(number)) for number in (1, 2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    work.go_on.set()

    assert [await first, await third] == [0, 4]
    assert work.groups == [[0], [2]]
    with pytest.raises(asyncio.CancelledError):
        await second
