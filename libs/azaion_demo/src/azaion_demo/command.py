"""``azaion demo``: the whole loop on one machine, with one command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime.settings import home_from


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(demo)


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder of labelled pictures (YOLO, COCO, VOC, CVAT). [drawn scenes]")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Video to run the model on. [a drawn clip, or the test pictures]")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Checkpoint (.pt) to start from. [from scratch]")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder that holds everything. [env AZAION_HOME; ./azaion-home]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")] = False,  # noqa: FBT002
) -> None:
    """Run the whole loop on this machine: pictures in, boxes on a video and a report page out.

    Ctrl-C stops it with all its services; the same command goes on where it was.
    """
    # What the demo needs is imported here: `azaion --help` need not wait for it.
    from azaion_common.core.deadline import Deadline  # noqa: PLC0415
    from azaion_demo.ending import ending_with_signals  # noqa: PLC0415
    from azaion_demo.inputs import checked  # noqa: PLC0415
    from azaion_demo.report import write_report  # noqa: PLC0415
    from azaion_demo.run import run  # noqa: PLC0415
    from azaion_demo.stages import Stages  # noqa: PLC0415
    from azaion_demo.summary import summarise  # noqa: PLC0415

    inputs = checked(data, video, weights)
    console = Console(stderr=True)
    with Stages(console) as stages:
        outcome = asyncio.run(ending_with_signals(run(home_from(home), inputs, stages), Deadline()))
        with stages.whole("report"):
            report = asyncio.run(write_report(outcome))
    summary = summarise(outcome, report)
    if as_json:
        print_json(summary)
    else:
        _tell(console, summary)


def _tell(console: Console, summary: dict[str, object]) -> None:
    console.print(f"\nmAP50 {summary['map50']:.3f} on pictures that the model never saw", highlight=False)
    for name in ("report", "video", "detections"):
        console.print(f"{name:<11}{summary[name]}", highlight=False, soft_wrap=True)
