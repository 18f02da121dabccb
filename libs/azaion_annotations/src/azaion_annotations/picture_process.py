"""A picture that is decoded in a process of its own: it may cost what the limits say, and then it is killed.

For what is unusual but legal: gigantic, of many scans, arithmetic coding. It costs a tenth of a second more than in a
thread. One at a time in a process, so that memory is that of one picture. ``python -m`` this module is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from azaion_annotations.picture_limits import MIB, PictureLimits, too_large
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.core.lifeline import die_with_parent

_WALL_FACTOR = 3
"""A busy machine gives a process a part of its processors."""
_HEADROOM_BYTES = 64 * MIB
_MAX_DEATHS = 3
_ONE_AT_A_TIME = Lock()


class PictureProcess:
    """Inspects costly pictures, one after the other, from any thread."""

    def __init__(self, limits: PictureLimits) -> None:
        self._limits = limits
        self._running: subprocess.Popen[bytes] | None = None
        self._closed = False

    def inspect(self, data: bytes) -> dict[str, Any]:
        """The facts of the picture in ``data``, by name.

        Raises:
            PermanentError: ``picture_too_slow``, ``picture_too_large``, ``picture_crashes_decoder``, and as ``look``
                and ``describe``.
            TransientError: ``decoder_closed``, ``decoder_unavailable``.
        """
        with _ONE_AT_A_TIME:
            for _ in range(_MAX_DEATHS):
                answer = self._try(data)
                if answer is not None:
                    return _facts(answer)
        raise PermanentError("picture_crashes_decoder", f"{_MAX_DEATHS} processes died of the picture")

    def close(self) -> None:
        """Kill what is running; what is asked for from now on is refused, too."""
        self._closed = True
        if self._running is not None:
            self._running.kill()

    def _try(self, data: bytes) -> dict[str, Any] | None:
        """What the process says; None when it died without a word."""
        with self._start() as process:
            try:
                self._running = process
                if self._closed:
                    process.kill()
                said, _ = process.communicate(data, timeout=_WALL_FACTOR * self._limits.timeout_s)
            except subprocess.TimeoutExpired:
                raise _too_slow(self._limits.timeout_s) from None
            finally:
                process.kill()
                self._running = None
        if self._closed:
            raise decoder_closed()
        if process.returncode == -signal.SIGXCPU:
            raise _too_slow(self._limits.timeout_s)
        answer: dict[str, Any] | None = json.loads(said) if process.returncode == 0 else None
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [sys.executable, "-m", __name__, json.dumps(asdict(self._limits)), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C on the terminal is for the parent
            )
        except OSError as error:
            raise TransientError(
                "decoder_unavailable", f"no process can be started: {error.strerror}"
            ) from error


def _facts(answer: dict[str, Any]) -> dict[str, Any]:
    if refusal := answer.get("refusal"):
        raise PermanentError(refusal["code"], refusal["message"], hint=refusal["hint"])
    facts: dict[str, Any] = answer["facts"]
    return facts


def decoder_closed() -> TransientError:
    return TransientError("decoder_closed", "the picture was not decoded: the service stops")


def _too_slow(timeout_s: int) -> PermanentError:
    return PermanentError(
        "picture_too_slow",
        f"decoding the picture takes more than {timeout_s} s of a processor",
        hint="store it anew with another program, or raise the setting picture_timeout_s",
    )


def main() -> None:
    """Read a picture from stdin, write what there is to say of it to stdout."""
    limits, parent_pid = PictureLimits(**json.loads(sys.argv[1])), int(sys.argv[2])
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # a supervisor tells all processes to stop; the parent decides
    die_with_parent(parent_pid)
    from azaion_annotations.pictures import describe, look  # noqa: PLC0415 - it imports this module

    data = sys.stdin.buffer.read()
    try:
        structure = look(data, limits)
        _limit(structure.memory_bytes, limits.timeout_s)
        answer = {"facts": asdict(describe(structure))}
    except MemoryError:
        answer = _refusal(
            too_large(
                "pixels that take more memory than is foreseen",
                str(limits.max_picture_bytes),
                "max_picture_bytes",
            )
        )
    except PermanentError as error:
        answer = _refusal(error)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


def _refusal(error: PermanentError) -> dict[str, Any]:
    return {"refusal": {"code": error.code, "message": error.message, "hint": error.hint}}


def _limit(memory_bytes: int, timeout_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (timeout_s, timeout_s + 1))
    with contextlib.suppress(FileNotFoundError):  # no /proc: no Linux
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + memory_bytes + _HEADROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
