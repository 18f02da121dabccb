"""The child in which a model that was never run here is run for the first time: ``python -m azaion_inferencer.trial``.

A job (one JSON line) and the model's bytes come on stdin, an outcome (one JSON line) goes to stdout. The child ends
itself at its deadline, whatever native code it is in, and cannot have more memory than it is given.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azaion_common.core.errors import AzaionError, PermanentError
from azaion_vision.options import Accelerator, Precision, RuntimeName

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class TrialJob:
    """Which model to run and how, for how long at most, with how much memory beyond what the program itself needs."""

    model_id: str
    runtime: RuntimeName
    precision: Precision
    accelerator: Accelerator
    threads: int | None
    deadline_s: float
    memory_bytes: int

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Do the job on stdin."""
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what runtimes print is no outcome
    job = TrialJob(**json.loads(sys.stdin.buffer.readline()))
    _confine(job.deadline_s)
    outcome = _outcome(job, sys.stdin.buffer.read())
    os.write(answers, json.dumps(outcome).encode() + b"\n")
    os._exit(0)  # a runtime's own end may hang, or crash


def _outcome(job: TrialJob, content: bytes) -> dict[str, Any]:
    # Runtimes are imported before memory is counted: what they need is not the model's doing.
    from azaion_inferencer import model_slot  # noqa: PLC0415
    from azaion_vision import runtimes  # noqa: PLC0415

    try:
        runtimes.warm_import(job.runtime, job.accelerator)
        _limit_memory(job.memory_bytes)
        model = runtimes.load(
            content,
            runtime=job.runtime,
            threads=job.threads,
            precision=job.precision,
            accelerator=job.accelerator,
        )
        model_slot.proven(model_slot.LoadedModel(job.model_id, model))
    except MemoryError:
        return _refusal(PermanentError("model_too_large", "the model needs more memory than it is given"))
    except AzaionError as error:
        return _refusal(error)
    return {"ok": True}


def _refusal(error: AzaionError) -> dict[str, Any]:
    return {"ok": False, "code": error.code, "message": error.message, "hint": error.hint}


def _confine(deadline_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, deadline_s)  # SIGALRM ends the process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the model in the clear
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):  # where memory runs out for all, this is the process to end
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(memory_bytes: int) -> None:
    """Private writable memory (``RLIMIT_DATA``): address space is no measure, as GPU drivers reserve more than there is."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        used = 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmData:")))
        resource.setrlimit(resource.RLIMIT_DATA, (used + memory_bytes, used + memory_bytes))


if __name__ == "__main__":
    main()
