"""A training takes the cores that others leave free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from azaion_ultralytics import threads
from azaion_ultralytics.threads import FreeCores, running_programs


def free(cores: int, machine: int, running: Iterator[int | None]) -> FreeCores:
    return FreeCores(cores=cores, machine=machine, look=lambda: next(running), wait=lambda _: None)


@pytest.mark.parametrize(
    ("cores", "machine", "running", "wanted"),
    [
        (2, 2, 1, 2),
        (2, 2, 2, 1),
        (2, 2, 9, 1),
        (8, 8, 4, 5),
        (2, 64, 40, 2),
        (2, 64, 80, 1),
        (4, 4, None, 4),
    ],
)
def test_as_many_threads_as_cores_are_free(
    cores: int, machine: int, running: int | None, wanted: int
) -> None:
    """All on an idle machine, one on a full one; of a container's machine, all cores count. Nobody says: all."""
    assert free(cores, machine, repeat(running)).threads == wanted


def test_threads_follow_what_others_do() -> None:
    """Within some batches, and not at once for each blip."""
    cores = free(2, 2, chain(repeat(1, 5), [9], repeat(1, 30), repeat(6)))
    seen = []
    for _ in range(50):
        cores.take_look()
        seen.append(cores.threads)

    assert seen[0] == 1  # eight others at once are no blip
    assert seen[25] == 2
    assert seen[-1] == 1


def test_this_machine_says_what_runs() -> None:
    """Linux does, and this test is one of it."""
    assert not threads.STATISTICS.is_file() or (running_programs() or 0) >= 1
