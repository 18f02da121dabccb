"""Toolchains: a child's lines, its typed errors, its crashes, and that it never outlives its purpose."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from azaion_common.core.errors import AzaionError, PermanentError, TransientError
from azaion_common.platform.toolchain import STDERR_LINES, Toolchain

CHILD = """
import json, os, signal, subprocess, sys, threading, time

def say(**line):
    print(json.dumps(line), flush=True)

job = json.loads(sys.stdin.readline())
match job["do"]:
    case "work":
        for done in (1, 2):
            say(type="progress", done=done)
        say(type="result", answer=job["number"] * 2)
    case "refuse":
        say(type="error", code="dataset_unreadable", message="no such data", transient=job["transient"])
        sys.exit(1)
    case "babble":
        print("hello, I am a library", flush=True)
        time.sleep(60)
    case "untyped":
        say(progress=3)
    case "die":
        print("\\n".join(f"line {number}" for number in range(1000)), file=sys.stderr)
        os.kill(os.getpid(), signal.SIGSEGV)
    case "end":
        print("gave up", file=sys.stderr)
    case "shout":
        sys.stderr.write("x" * 5_000_000)
        say(type="result")
    case "hang":
        say(type="progress", pid=os.getpid())
        sys.stdin.read()  # ends when the parent is gone
    case "linger":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(type="result", pid=os.getpid())
        time.sleep(60)
    case "breed":
        say(type="progress", pid=subprocess.Popen(["sleep", "60"]).pid)
        time.sleep(60)
    case "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(type="progress", pid=os.getpid())
        time.sleep(60)
"""

Line = Mapping[str, Any]


@pytest.fixture
def toolchain(tmp_path: Path) -> Toolchain:
    program = tmp_path / "child.py"
    program.write_text(CHILD)
    return Toolchain([sys.executable, str(program)])


async def refusal(toolchain: Toolchain, **job: object) -> AzaionError:
    with pytest.raises(AzaionError) as caught:
        await toolchain.run(job)
    return caught.value


def is_running(pid: int) -> bool:
    """False for a zombie too."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while is_running(pid):
            await asyncio.sleep(0.02)


async def test_progress_comes_in_order_and_the_result_last(toolchain: Toolchain) -> None:
    """Every line but the last goes to ``on_line``; the last one is what ``run`` returns."""
    lines: list[Line] = []

    async def keep(line: Line) -> None:
        lines.append(line)

    result = await toolchain.run({"do": "work", "number": 21}, keep)

    assert result == {"type": "result", "answer": 42}
    assert [line["done"] for line in lines] == [1, 2]


@pytest.mark.parametrize("kind", [TransientError, PermanentError])
async def test_the_childs_error_keeps_its_code_and_kind(
    toolchain: Toolchain, kind: type[AzaionError]
) -> None:
    """An error line becomes the same error here: same code, same message, transient or not."""
    error = await refusal(toolchain, do="refuse", transient=kind is TransientError)

    assert isinstance(error, kind)
    assert (error.code, error.message) == ("dataset_unreadable", "no such data")


@pytest.mark.parametrize("job", ["babble", "untyped"])
async def test_what_is_no_protocol_line_is_refused(toolchain: Toolchain, job: str) -> None:
    """A library that prints to stdout is a fault of the toolchain, told with the line; the child is ended."""
    error = await refusal(toolchain, do=job)

    assert isinstance(error, PermanentError)
    assert error.code == "toolchain_garbled"


async def test_a_crash_is_a_transient_error_with_the_last_words(toolchain: Toolchain) -> None:
    """A child that a signal ends (out of memory, a bug in a driver) may fare better the next time."""
    error = await refusal(toolchain, do="die")

    assert isinstance(error, TransientError)
    assert error.code == "toolchain_crashed"
    assert f"-{signal.SIGSEGV.value}" in error.message
    assert "line 999" in error.message
    assert error.message.count("line") <= STDERR_LINES


async def test_an_end_without_a_result_is_a_crash(toolchain: Toolchain) -> None:
    """Exit status 0 alone proves nothing."""
    error = await refusal(toolchain, do="end")

    assert (type(error), error.code) == (TransientError, "toolchain_crashed")
    assert "gave up" in error.message


async def test_a_child_that_talks_a_lot_does_not_block(toolchain: Toolchain) -> None:
    """Five megabytes on stderr neither fill a pipe nor the memory."""
    assert await toolchain.run({"do": "shout"}) == {"type": "result"}


async def test_a_toolchain_that_is_not_installed_says_so(tmp_path: Path) -> None:
    """The message names what is missing."""
    error = await refusal(Toolchain([str(tmp_path / "none" / "python")]))

    assert (type(error), error.code) == (PermanentError, "toolchain_missing")
    assert str(tmp_path / "none") in error.message


async def test_a_child_that_lingers_after_its_result_is_ended(
    toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for is there: nobody waits for ever for a child to end by itself."""
    monkeypatch.setattr("azaion_common.platform.toolchain.LEAVE_S", 0.1)
    monkeypatch.setattr("azaion_common.platform.toolchain.TERMINATE_S", 0.1)

    result = await toolchain.run({"do": "linger"})

    assert not is_running(result["pid"])


@pytest.mark.parametrize("job", ["hang", "deaf", "breed"])
async def test_cancelling_ends_the_child(
    toolchain: Toolchain, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked first, and killed when it does not listen; nothing is left running."""
    monkeypatch.setattr("azaion_common.platform.toolchain.TERMINATE_S", 0.5)
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def note(line: Line) -> None:
        started.set_result(line["pid"])

    run = asyncio.create_task(toolchain.run({"do": job}, note))
    pid = await started
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    await gone(pid)


async def test_an_error_of_the_listener_ends_the_child(toolchain: Toolchain) -> None:
    """When what a line leads to fails, the child is not left alone with its work."""
    pids: list[int] = []

    async def fail(line: Line) -> None:
        pids.append(line["pid"])
        raise PermanentError("ledger_corrupt", "cannot note the epoch")

    with pytest.raises(PermanentError, match="ledger_corrupt"):
        await toolchain.run({"do": "hang"}, fail)

    assert not is_running(pids[0])


PARENT = """
import asyncio, sys
from azaion_common.platform.toolchain import Toolchain

async def show(line):
    print(line["pid"], flush=True)

asyncio.run(Toolchain([sys.executable, sys.argv[1]]).run({"do": "hang"}, show))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_the_child_dies_with_its_parent(
    toolchain: Toolchain, tmp_path: Path, end: signal.Signals, started: Callable[..., subprocess.Popen[str]]
) -> None:
    """A parent that is killed leaves no child behind: its end of stdin closes."""
    (tmp_path / "parent.py").write_text(PARENT)
    parent = started(tmp_path / "parent.py", tmp_path / "child.py")
    assert parent.stdout is not None
    child = int(await asyncio.to_thread(parent.stdout.readline))
    assert is_running(child)

    os.kill(parent.pid, end)

    await gone(child)
