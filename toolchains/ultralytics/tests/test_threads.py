"""A training takes the cores that others leave free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from azaion_ultralytics.threads import CpuTime, FreeCores, cpu_time


class Machine:
    """A second passes from look to look, in which others use some cores, and this process two."""

    def __init__(self, others: Iterator[float]) -> None:
        self._others = others
        self._now = CpuTime(0.0, 1000.0, 10.0)

    def look(self) -> CpuTime:
        at, machine, own = self._now
        self._now = CpuTime(at + 1, machine + 2 + next(self._others), own + 2)
        return self._now


def free(cores: int, machine: int, others: Iterator[float]) -> FreeCores:
    return FreeCores(cores=cores, machine=machine, look=Machine(others).look, wait=lambda _: None)


@pytest.mark.parametrize(
    ("cores", "machine", "others", "wanted"),
    [
        (2, 2, 0.0, 2),
        (2, 2, 0.3, 2),
        (2, 2, 0.7, 1),  # one other program, when both of its threads compete with ours
        (2, 2, 2.0, 1),
        (8, 8, 3.0, 5),
        (2, 64, 39.0, 2),
        (2, 64, 64.0, 1),
    ],
)
def test_as_many_threads_as_cores_are_free(cores: int, machine: int, others: float, wanted: int) -> None:
    """All on an idle machine, one on a full one; of a container's machine, all cores count; what it uses itself is free."""
    assert free(cores, machine, repeat(others)).threads == wanted


def test_threads_follow_what_others_do() -> None:
    """Within some seconds, and not at once for each blip."""
    cores = free(2, 2, chain(repeat(0.0, 4), [2.0], repeat(0.0, 4), repeat(2.0)))
    seen = []
    for _ in range(20):
        cores.take_look()
        seen.append(cores.threads)

    assert seen[:6] == [2] * 6
    assert seen[-1] == 1


def test_looks_too_near_to_each_other_say_nothing() -> None:
    """The system counts in hundredths of a second: between two quick batches it may have counted none, or one too many."""
    times = chain([CpuTime(0, 0, 0), CpuTime(1, 0, 0)], repeat(CpuTime(1.01, 5, 0)))
    cores = FreeCores(cores=2, machine=2, look=lambda: next(times), wait=lambda _: None)
    cores.take_look()

    assert cores.threads == 2


def test_this_machine_says_what_it_spent() -> None:
    """A process that computes sees the machine's CPU time grow with its own."""
    before = cpu_time()
    while (now := cpu_time()).own - before.own < 0.3:
        pass

    assert now.machine - before.machine > 0.2
    assert now.at > before.at
