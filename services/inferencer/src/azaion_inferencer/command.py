"""``azaion infer``: run a model on a video, pictures, a camera or a stream."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from azaion_common.detection.options import Precision, RuntimeName
from azaion_common.runtime.settings import home_from

LATEST = "latest"

Source = Annotated[
    str,
    typer.Argument(help="Video file, picture, folder of pictures, camera index, or URL.", show_default=False),
]
ModelOption = Annotated[str, typer.Option("--model", help="FILE.onnx, FILE.azpkg, or latest.")]
Key = Annotated[
    Path | None, typer.Option("--key", help="Fleet key file, for a sealed package.", show_default=False)
]
Every = Annotated[
    int | None,
    typer.Option(min=1, help="Infer every n-th frame. [4; each one of a folder]", show_default=False),
]
Confidence = Annotated[float, typer.Option(min=0, max=1, help="Leave out what the model is less sure of.")]
Save = Annotated[
    Path | None,
    typer.Option("--save", help="Annotated video (.mp4), or a new folder for pictures.", show_default=False),
]
Json = Annotated[
    Path | None,
    typer.Option("--json", "--json-lines", help="Detections, one line a frame.", show_default=False),
]
CatalogueOption = Annotated[
    Path | None, typer.Option("--catalogue", help="Class catalogue, for its colours.", show_default=False)
]


Home = Annotated[
    Path | None,
    typer.Option(help="Folder of --model latest. [env AZAION_HOME; ./azaion-home]", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("infer")(infer)


def infer(
    source: Source,
    *,
    model: ModelOption = LATEST,
    key: Key = None,
    every: Every = None,
    confidence: Confidence = 0.25,
    save: Save = None,
    json_lines: Json = None,
    window: Annotated[bool, typer.Option("--window", help="Show the frames (needs pygame-ce).")] = False,
    runtime: Annotated[RuntimeName, typer.Option(help="What executes the model.")] = "auto",
    precision: Annotated[
        Precision, typer.Option(help="What OpenVINO computes in; bf16 is twice as fast.")
    ] = "f32",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the runtime. [all cores]")] = None,
    catalogue: CatalogueOption = None,
    home: Home = None,
    summary_json: Annotated[bool, typer.Option("--summary-json", help="End with one JSON object.")] = False,
) -> None:
    """Find objects in SOURCE and write an annotated video, JSON lines, or show a window."""
    # Array libraries and runtimes take half a second to import, which no other command should pay for.
    from azaion_inferencer.inference import Request, infer_source  # noqa: PLC0415
    from azaion_inferencer.summary import as_line  # noqa: PLC0415

    request = Request(
        source=source,
        model=None if model == LATEST else Path(model),
        home=home_from(home),
        fleet_key=key,
        every=every,
        confidence=confidence,
        save=save,
        json_lines=json_lines,
        window=window,
        runtime=runtime,
        precision=precision,
        threads=threads,
        catalogue=catalogue,
    )
    facts = infer_source(request)
    sys.stdout.write((json.dumps(facts, ensure_ascii=False) if summary_json else as_line(facts)) + "\n")
