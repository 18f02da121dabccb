"""A process of services: it drains on a signal, ends as a whole, and waits out what may pass."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.platform.runtime import process
from azaion_common.platform.runtime.platform import Platform
from azaion_common.platform.runtime.process import run_services
from azaion_common.platform.runtime.service import Service

pytestmark = pytest.mark.slow

Started = Callable[..., subprocess.Popen[str]]

PROGRAM = """
import asyncio, os, re, subprocess, sys, threading, time
from pathlib import Path
from azaion_common.platform.cli.root import print_error
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_common.platform.runtime import process
from azaion_common.core.logging import configure_logging
from azaion_common.platform.runtime.service import Service

process.DRAIN_S, process.EXIT_HARD_S = 0.5, 1.0

async def drains(platform):
    (platform.home / "at-work").touch()
    await platform.stopping.wait()
    await asyncio.sleep(0.2)
    (platform.home / "drained").touch()

async def dawdles(platform):
    (platform.home / "at-work").touch()
    await asyncio.sleep(600)

async def blocks(platform):
    (platform.home / "at-work").touch()
    await platform.stopping.wait()
    while True:
        time.sleep(1)

def run_child(platform):
    child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"],
                             start_new_session=True)
    (platform.home / "child").write_text(str(child.pid))
    (platform.home / "at-work").touch()
    child.wait()

async def waits_for_a_thread(platform):
    (platform.home / "at-work").touch()
    await asyncio.to_thread(time.sleep, 600)

async def leaves_a_thread(platform):
    threading.Thread(target=time.sleep, args=(600,), name="endless").start()
    (platform.home / "at-work").touch()
    await platform.stopping.wait()

async def waits_for_a_child(platform):
    await asyncio.to_thread(run_child, platform)

async def lets_nobody_run(platform):
    (platform.home / "at-work").touch()
    await platform.stopping.wait()
    re.match("(a+)+$", "a" * 60 + "b")

async def breaks_beside_a_thread(platform):
    threading.Thread(target=time.sleep, args=(600,)).start()
    raise PermanentError("oven_broken", "the oven is broken")

async def breaks(platform):
    while not (platform.home / "at-work").exists():
        await asyncio.sleep(0.01)
    raise ExceptionGroup("tasks", [PermanentError("oven_broken", "the oven is broken")])

home, names = Path(sys.argv[1]), sys.argv[2:]
try:
    configure_logging()
    process.run_process([Service(name, "", globals()[name]) for name in names], home)
except AzaionError as error:
    print_error(error)
    sys.exit(1)
"""


@pytest.fixture
def start(tmp_path: Path, started: Started) -> Callable[..., subprocess.Popen[str]]:
    """Starts services by name on the home ``tmp_path``, and waits until they are at work."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def begin(*names: str) -> subprocess.Popen[str]:
        running = started(tmp_path / "program.py", tmp_path, *names)
        wait_for(lambda: (tmp_path / "at-work").exists() or running.poll() is not None)
        return running

    return begin


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_with_zero(start: Started, tmp_path: Path, number: signal.Signals) -> None:
    """What is in hand is finished before the process ends."""
    running = start("drains")
    running.send_signal(number)

    assert running.wait(20) == 0
    assert (tmp_path / "drained").exists()


def test_a_service_that_does_not_stop_is_cancelled(start: Started) -> None:
    """After the time to drain it is given up, which is safe; the exit status is still 0."""
    running = start("dawdles")
    running.terminate()

    assert running.wait(20) == 0


def test_a_process_that_is_stuck_ends_anyway(start: Started) -> None:
    """A blocked event loop cannot keep the process beyond the hard limit."""
    running = start("blocks")
    running.terminate()

    assert running.wait(20) == 1


@pytest.mark.parametrize("service", ["waits_for_a_thread", "leaves_a_thread"])
def test_a_thread_that_is_stuck_keeps_no_process(start: Started, service: str) -> None:
    """Services that have ended in order are enough: nobody waits for a thread, and nobody is told that all has stopped."""
    running = start(service)
    running.terminate()
    _, stderr = running.communicate(timeout=20)

    assert running.returncode == 0
    assert "process.abandoned" in stderr
    assert "process.stopped" not in stderr


def test_a_thread_that_lets_no_other_run_keeps_no_process(start: Started) -> None:
    """Not even this process's own watch gets its turn then; it ends all the same, and says where it was."""
    running = start("lets_nobody_run")
    running.terminate()
    _, stderr = running.communicate(timeout=20)

    assert running.returncode == 1
    assert "lets_nobody_run" in stderr


def test_a_child_that_is_stuck_ends_with_its_parent(start: Started, tmp_path: Path) -> None:
    """One that heeds no signal is killed when the time is over."""
    running = start("waits_for_a_child")
    running.terminate()

    assert running.wait(20) == 0
    child = Path("/proc", (tmp_path / "child").read_text())
    wait_for(lambda: not child.exists())


def test_a_failure_is_not_held_up_by_a_thread(start: Started) -> None:
    """A process whose service has failed for good ends within the same time as one that is told to."""
    running = start("breaks_beside_a_thread")

    assert running.wait(20) == 1


def test_the_last_word_is_that_all_has_stopped(start: Started) -> None:
    """It is said once nothing is left, and only then."""
    running = start("drains")
    running.terminate()
    _, stderr = running.communicate(timeout=20)

    assert "process.stopped" in stderr.splitlines()[-1]


def test_a_second_signal_ends_at_once(start: Started) -> None:
    """Who presses Ctrl-C twice means it."""
    running = start("dawdles")
    running.terminate()
    time.sleep(0.2)
    running.terminate()

    assert running.wait(20) == 1


def test_a_service_that_fails_ends_all_of_them_in_order(start: Started, tmp_path: Path) -> None:
    """The others drain, and the process ends with the error that began it: nothing is half dead."""
    running = start("drains", "breaks")
    _, stderr = running.communicate(timeout=20)

    assert running.returncode == 1
    assert "error: the oven is broken [oven_broken]" in stderr
    assert (tmp_path / "drained").exists()


def test_a_service_runs_once_on_a_home(start: Started, started: Started, tmp_path: Path) -> None:
    """The second process is refused, by name of service, and leaves the first alone; a killed one holds nothing."""
    first = start("drains")
    second = started(tmp_path / "program.py", tmp_path, "drains")
    _, stderr = second.communicate(timeout=20)
    assert (second.returncode, first.poll()) == (1, None)
    assert "already_running" in stderr

    first.kill()
    first.wait()
    (tmp_path / "at-work").unlink()
    third = start("drains")
    third.terminate()
    assert third.wait(20) == 0


async def test_what_may_pass_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that a full disk ends is started again until it works; meanwhile the process says it is not ready."""
    monkeypatch.setattr(process, "RESTART_CAP_S", 0.01)
    tries: list[dict[str, str]] = []

    async def recovers(platform: Platform) -> None:
        tries.append(platform.health.problems)
        if len(tries) < 4:
            raise ExceptionGroup("tasks", [TransientError("disk_full", "no space left")])
        platform.stopping.set()

    async def observes(platform: Platform) -> None:
        await platform.stopping.wait()

    await run_services([Service("baker", "", recovers), Service("other", "", observes)], tmp_path)

    assert len(tries) == 4
    assert tries[-1] == {}


async def test_a_fault_for_good_is_not_waited_out(tmp_path: Path) -> None:
    """One try, and its own error comes out."""
    tries: list[int] = []

    async def fails(_platform: Platform) -> None:
        tries.append(1)
        raise PermanentError("settings_invalid", "no such recipe")

    with pytest.raises(PermanentError, match="settings_invalid"):
        await run_services([Service("baker", "", fails)], tmp_path)
    assert len(tries) == 1


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_process_tells_how_it_is(start: Started, tmp_path: Path) -> None:
    """Its address lies in the home; it is alive, ready, and gives its metrics."""
    running = start("drains")
    wait_for((tmp_path / "run" / "drains.json").exists)
    url = json.loads((tmp_path / "run" / "drains.json").read_text())["url"]
    answers = {path: get(f"{url}/{path}") for path in ("livez", "readyz", "metrics", "other")}
    running.terminate()

    assert running.wait(20) == 0
    assert {path: status for path, (status, _) in answers.items()} == {
        "livez": 200, "readyz": 200, "metrics": 200, "other": 404,
    }  # fmt: skip
    assert json.loads(answers["readyz"][1]) == {"ready": True, "problems": {}}
    assert "python_info" in answers["metrics"][1]
