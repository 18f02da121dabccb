"""`python -m azaion_ultralytics`: read one job, do it, say how it ended."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from azaion_ultralytics.devices import share_the_cores
from azaion_ultralytics.errors import classify
from azaion_ultralytics.lifeline import die_with_parent, read_job_line, stop_on_signals, take_stdout
from azaion_ultralytics.offline import go_offline
from azaion_ultralytics.protocol import (
    Channel,
    DescribeJob,
    ExportJob,
    Job,
    PredictJob,
    TrainJob,
    ValidateJob,
    parse_job,
)


def main() -> int:
    """0 after a result line, 1 after an error line."""
    channel = take_stdout()
    stop_on_signals(channel)
    try:
        job = parse_job(read_job_line())
        die_with_parent()
        go_offline()
        share_the_cores()
        channel.emit("result", **perform(job, channel))
    except Exception as error:  # noqa: BLE001 -- the last place: every failure becomes a line with a code
        traceback.print_exc()
        channel.last_words(classify(error))
        return 1
    return 0


def perform(job: Job, channel: Channel) -> dict[str, Any]:
    """Do the job and return the fields of its result line. Imports only what the operation needs."""
    from azaion_ultralytics import torchvision_nms  # noqa: F401 -- before anything imports torchvision

    match job:
        case TrainJob():
            from azaion_ultralytics.train import train

            return train(job, channel)
        case ValidateJob():
            from azaion_ultralytics.validate import validate

            return validate(job, channel)
        case PredictJob():
            from azaion_ultralytics.predict import predict

            return predict(job, channel)
        case ExportJob():
            from azaion_ultralytics.export import export

            return export(job, channel)
        case DescribeJob():
            from azaion_ultralytics.describe import describe

            return describe(job, channel)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # everything is on the disk; tearing torch down takes a second and can crash
