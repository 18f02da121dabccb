"""A training takes the cores that others leave free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from azaion_ultralytics import threads
from azaion_ultralytics.threads import FreeCores, running_elsewhere


def free(cores: int, machine: int, running: Iterator[int | None]) -> FreeCores:
    return FreeCores(cores=cores, machine=machine, look=lambda: next(running), wait=lambda _: None)


@pytest.mark.parametrize(
    ("cores", "machine", "running", "wanted"),
    [
        (2, 2, 0, 2),
        (2, 2, 1, 1),
        (2, 2, 8, 1),
        (8, 8, 3, 5),
        (2, 64, 39, 2),
        (2, 64, 79, 1),
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
    cores = free(2, 2, chain(repeat(0, 5), [8], repeat(0, 30), repeat(5)))
    seen = []
    for _ in range(50):
        cores.take_look()
        seen.append(cores.threads)

    assert seen[0] == 1  # eight others at once are no blip
    assert seen[25] == 2
    assert seen[-1] == 1


def test_threads_of_its_own_are_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that compute, or spin until the next layer, take no core from the training that they belong to."""
    (tmp_path / "statistics").write_text("cpu 1 2 3\nprocs_running 6\nprocs_blocked 0\n")
    for number, state in enumerate("RSRRS"):
        (tmp_path / "task" / str(number)).mkdir(parents=True)
        (tmp_path / "task" / str(number) / "stat").write_text(f"{number} (a) S name) {state} 1 1")
    (tmp_path / "task" / "ended").mkdir()
    monkeypatch.setattr(threads, "STATISTICS", tmp_path / "statistics")
    monkeypatch.setattr(threads, "OWN_THREADS", tmp_path / "task")

    assert running_elsewhere() == 3


def test_this_machine_says_what_runs() -> None:
    """Linux does, this test left out."""
    running = running_elsewhere()

    assert running is None if not threads.STATISTICS.is_file() else running is not None and running >= 0
