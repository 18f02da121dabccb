"""``azaion infer``: run a model on a video, pictures, a camera or a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from azaion_common.core.printable import printable
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime.settings import home_from
from azaion_inferencer.old_spellings import modern
from azaion_vision.options import Precision, RuntimeName

if TYPE_CHECKING:
    from azaion_inferencer.inference import Inferred

LATEST = "latest"
_SIGNALLED = 128
"""What shells add to a signal's number."""

Source = Annotated[
    str,
    typer.Argument(
        help="Video file, picture, folder of pictures, f%03d.jpg, camera index, or URL.", show_default=False
    ),
]
ModelOption = Annotated[str, typer.Option("--model", help="FILE.onnx, FILE.azpkg, or latest.")]
Key = Annotated[
    Path | None, typer.Option("--key", help="Fleet key file, for a sealed package.", show_default=False)
]
Every = Annotated[
    int | None,
    typer.Option(min=1, help="Infer every n-th frame. [4; each one of a folder]", show_default=False),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Leave out what the model is less sure of. [what the model says for each class; 0.25]",
        show_default=False,
    ),
]
Save = Annotated[
    Path | None,
    typer.Option("--save", help="Annotated video (.mp4), or a new folder for pictures.", show_default=False),
]
Lines = Annotated[
    Path | None,
    typer.Option(
        "--lines",
        help="Detections as JSON lines, one a frame; of a live source they are appended.",
        show_default=False,
    ),
]
GiveUpAfter = Annotated[
    float | None,
    typer.Option(min=0, help="Seconds to wait for a live source. [for ever]", show_default=False),
]
KeepGib = Annotated[
    float,
    typer.Option("--keep-gib", min=0.01, help="Room for --save of a live source; then the oldest go."),
]
Window = Annotated[bool, typer.Option("--window", help="Show the frames (needs pygame-ce).")]
Runtime = Annotated[RuntimeName, typer.Option(help="What executes the model.")]
InPrecision = Annotated[Precision, typer.Option(help="What OpenVINO computes in; bf16 is twice as fast.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the runtime. [all cores]")]
AsJson = Annotated[bool, typer.Option("--json", help="End with one JSON object.")]
CatalogueOption = Annotated[
    Path | None, typer.Option("--catalogue", help="Class catalogue, for its colours.", show_default=False)
]


Home = Annotated[
    Path | None,
    typer.Option(help="Folder of --model latest. [env AZAION_HOME; ./azaion-home]", show_default=False),
]


class InferCommand(TyperCommand):
    """Takes the spellings of 0.1 too, with a note."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with_value = {
            name
            for param in self.params
            if isinstance(param, TyperOption) and not param.is_flag and param.nargs == 1
            for name in param.opts
        }
        spelt = modern(args, with_value)
        for note in spelt.notes:
            typer.echo(f"note: {note}", err=True)
        return list(super().parse_args(ctx, spelt.arguments))


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("infer", cls=InferCommand)(infer)


def infer(
    source: Source,
    *,
    model: ModelOption = LATEST,
    key: Key = None,
    every: Every = None,
    confidence: Confidence = None,
    save: Save = None,
    lines: Lines = None,
    window: Window = False,
    runtime: Runtime = "auto",
    precision: InPrecision = "f32",
    threads: Threads = None,
    catalogue: CatalogueOption = None,
    home: Home = None,
    give_up_after: GiveUpAfter = None,
    keep_gib: KeepGib = 16.0,
    as_json: AsJson = False,
) -> None:
    """Find objects in SOURCE and write an annotated video, JSON lines, or show a window.

    Ctrl-C ends a run in order: what was found is kept. A live source is waited for when it is lost.
    """
    # Array libraries and runtimes take half a second to import, which no other command should pay for.
    from azaion_inferencer.inference import Request, infer_source  # noqa: PLC0415

    request = Request(
        source=source,
        model=None if model == LATEST else Path(model),
        home=home_from(home),
        fleet_key=key,
        every=every,
        confidence=confidence,
        save=save,
        lines=lines,
        window=window,
        runtime=runtime,
        precision=precision,
        threads=threads,
        catalogue=catalogue,
        give_up_after_s=give_up_after,
        keep_gib=keep_gib,
    )
    _report(infer_source(request, _tell), as_json=as_json)


def _report(inferred: Inferred, *, as_json: bool) -> None:
    """The summary of a run; raises typer.Exit with a signal's exit code when one ended it."""
    from azaion_inferencer.summary import as_line  # noqa: PLC0415 - as above

    if as_json:
        print_json(inferred.facts)
    else:
        typer.echo(as_line(inferred.facts))
    if inferred.interrupted_by is not None:
        raise typer.Exit(_SIGNALLED + inferred.interrupted_by)


def _tell(_code: str, sentence: str) -> None:
    typer.echo(printable(sentence), err=True)
