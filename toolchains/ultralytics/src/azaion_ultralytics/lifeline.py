"""The life of the child process: its private stdout, its end when the parent ends, its prompt stop on SIGTERM.

Stopping is abrupt on purpose. Every file that matters is written atomically (`checkpoints`), so there is nothing to
tidy up, and waiting for the current batch could take longer than the two seconds that a supervisor allows.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from types import FrameType

from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.protocol import Channel

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)
STOPPING = (signal.SIGTERM, signal.SIGINT)
MAX_JOB_BYTES = 64 * 2**20
INTERRUPTED = ToolchainError(
    "interrupted", "stopped by a signal; the same job goes on from its last checkpoint", transient=True
)


def take_stdout() -> Channel:
    """Keep the real stdout for JSON lines; whatever anybody prints from now on, in C too, goes to stderr."""
    descriptor = os.dup(sys.stdout.fileno())  # os.dup's copies are not inherited by grandchildren
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Channel(descriptor)


def read_job_line() -> bytes:
    """The first line of stdin. Read from the descriptor: a buffered stdin would block the interpreter's exit.

    Raises:
        ToolchainError: ``bad_job`` when stdin ends or runs over 64 MiB before the line does.
    """
    received = bytearray()
    while (end := received.find(b"\n")) < 0:
        chunk = os.read(0, 65536)
        if not chunk or len(received) > MAX_JOB_BYTES:
            raise ToolchainError("bad_job", "stdin holds no complete line with a job")
        received += chunk
    return bytes(received[:end])


def die_with_parent() -> None:
    """Exit at once when stdin ends, and have the kernel kill this process when the parent's thread dies (Linux)."""
    _be_killed_with_parent()
    threading.Thread(target=_exit_at_end_of_stdin, name="stdin", daemon=True).start()


def _be_killed_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit_at_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def stop_on_signals(channel: Channel) -> None:
    """On SIGTERM or SIGINT: one error line, exit 1.

    The signal is seen by a thread through Python's wakeup descriptor, because a Python handler would wait until the
    main thread is back from a long call into torch.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in STOPPING:
        signal.signal(number, _leave_to_the_thread)
    os.register_at_fork(after_in_child=_begin_as_worker)
    threading.Thread(target=_exit_after_signal, args=(reading, channel), name="signals", daemon=True).start()


def _leave_to_the_thread(number: int, frame: FrameType | None) -> None:
    """Installing any handler is what makes Python write to the wakeup descriptor."""


def _begin_as_worker() -> None:
    # A data loader's worker shares the GPU's memory: it must not outlive the trainer, which may end in any way.
    _be_killed_with_parent()
    # It shares the pipe, too: its SIGTERM must not stop the trainer.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit_after_signal(reading: int, channel: Channel) -> None:
    # Every signal with a handler comes through here: torch has one for SIGCHLD, the end of a data loader's worker.
    while os.read(reading, 1)[0] not in STOPPING:
        pass
    channel.last_words(INTERRUPTED)
    os._exit(1)
