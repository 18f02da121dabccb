"""``azaion infer``: run a model on a video, pictures, a camera or a stream."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from azaion_common.catalogue import Catalogue
from azaion_common.detection.runtimes import Precision, RuntimeName, load
from azaion_common.detection.runtimes.outputs import Thresholds
from azaion_common.errors import PermanentError
from azaion_inferencer.adapters.annotated_pictures import AnnotatedPictures
from azaion_inferencer.adapters.annotated_video import AnnotatedVideo
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.sources import open_source
from azaion_inferencer.adapters.window import Window
from azaion_inferencer.model_file import ModelFile, read_model_file
from azaion_inferencer.model_slot import LoadedModel, ModelSlot, warmed
from azaion_inferencer.pipeline import Outcome, run
from azaion_inferencer.ports import FrameSource, Sink
from azaion_inferencer.progress import progress
from azaion_inferencer.summary import as_line, as_object

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})
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
    summary_json: Annotated[bool, typer.Option("--summary-json", help="End with one JSON object.")] = False,
) -> None:
    """Find objects in SOURCE and write an annotated video, JSON lines, or show a window."""
    frames, step = open_source(source, every)
    named = _model(model, key)
    thresholds = Thresholds(confidence)
    loaded = warmed(
        LoadedModel(
            named.model_id,
            load(named.content, runtime=runtime, threads=threads, precision=precision, thresholds=thresholds),
            slot_colours(Catalogue.load(catalogue)) if catalogue else {},
        )
    )
    stop = Event()
    with ExitStack() as open_outputs, ModelSlot(loaded) as slot:
        outputs = _outputs(frames, save, json_lines, stop if window else None)
        sinks = [open_outputs.enter_context(sink) for sink in outputs]
        with _interruptible(frames, stop), progress(frames) as on_progress:
            outcome = run(frames, slot, sinks, every=step, stop=stop, on_progress=on_progress)
    _conclude(outcome, loaded, [path for path in (save, json_lines) if path], as_json=summary_json)


def slot_colours(catalogue: Catalogue) -> dict[int, str]:
    """The colour of every slot in use: a class keeps its colour in each condition."""
    return {
        catalogue.slot(entry.id, condition): entry.colour
        for entry in catalogue.classes
        for condition in catalogue.conditions
    }


def _model(reference: str, key: Path | None) -> ModelFile:
    if reference == LATEST:
        raise PermanentError("model_missing", "no model is named", hint="name one with --model FILE")
    return read_model_file(Path(reference), key)


def _outputs(
    frames: FrameSource, save: Path | None, json_lines: Path | None, closing_window: Event | None
) -> Iterator[Sink]:
    if save is not None and save.suffix.lower() in VIDEO_SUFFIXES:
        yield AnnotatedVideo(save, frames.rate)
    elif save is not None:
        yield AnnotatedPictures(save)
    if json_lines is not None:
        yield JsonLines(json_lines)
    if closing_window is not None:
        yield Window("azaion infer", closing_window)


@contextmanager
def _interruptible(frames: FrameSource, stop: Event) -> Iterator[None]:
    """Ctrl-C is how a live source ends: what was recorded is kept. Of a file nothing would be whole, so it aborts."""
    if not frames.live:
        yield
        return

    def end(*_: object) -> None:
        stop.set()
        frames.stop()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _conclude(outcome: Outcome, loaded: LoadedModel, written: list[Path], *, as_json: bool) -> None:
    facts = as_object(outcome, loaded, written)
    sys.stdout.write((json.dumps(facts, ensure_ascii=False) if as_json else as_line(facts)) + "\n")
