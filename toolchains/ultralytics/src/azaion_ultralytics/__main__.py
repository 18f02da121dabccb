"""`python -m azaion_ultralytics`: read one job, do it, say how it ended."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Any

from azaion_ultralytics.devices import give_way, share_the_cores
from azaion_ultralytics.errors import classify
from azaion_ultralytics.lifeline import die_with_parent, read_job_line, stop_on_signals, take_stdout
from azaion_ultralytics.offline import go_offline
from azaion_ultralytics.protocol import OPERATIONS, Channel, Job, parse_job


def main() -> int:
    """0 after a result line, 1 after an error line."""
    channel = take_stdout()
    stop_on_signals(channel)
    try:
        job = parse_job(read_job_line())
        die_with_parent()
        go_offline()
        share_the_cores()
        give_way(getattr(job, "niceness", 0))
        channel.emit("result", **perform(job, channel))
    except Exception as error:  # noqa: BLE001 -- the last place: every failure becomes a line with a code
        traceback.print_exc()
        channel.last_words(classify(error))
        return 1
    return 0


def perform(job: Job, channel: Channel) -> dict[str, Any]:
    """Do the job and return the fields of its result line. Imports only what the operation needs."""
    from azaion_ultralytics import torchvision_nms  # noqa: F401 -- before anything imports torchvision

    name = next(name for name, kind in OPERATIONS.items() if kind is type(job))
    operation = getattr(import_module(f"azaion_ultralytics.{name}"), name)
    result: dict[str, Any] = operation(job, channel)
    return result


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # everything is on the disk; tearing torch down takes a second and can crash
