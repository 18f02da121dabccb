"""One run from a request to its summary: which source, model and outputs are meant, put together and closed again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any

from anyio.from_thread import start_blocking_portal

from azaion_common.catalogue import Catalogue
from azaion_common.detection.options import Precision, RuntimeName
from azaion_common.detection.runtimes import load
from azaion_common.detection.runtimes.outputs import Thresholds
from azaion_inferencer.adapters.annotated_pictures import AnnotatedPictures
from azaion_inferencer.adapters.annotated_video import AnnotatedVideo
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.sources import open_source
from azaion_inferencer.adapters.window import Window
from azaion_inferencer.latest import serving_latest
from azaion_inferencer.model_file import read_model_file
from azaion_inferencer.model_slot import LoadedModel, ModelSlot, warmed
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import FrameSource, Sink
from azaion_inferencer.progress import progress
from azaion_inferencer.settings import InferencerSettings
from azaion_inferencer.summary import as_object

_VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be inferred, with what, and where the results go."""

    source: str
    model: Path | None
    """None: the newest release of ``home``."""
    home: Path
    fleet_key: Path | None = None
    every: int | None = None
    confidence: float = 0.25
    save: Path | None = None
    json_lines: Path | None = None
    window: bool = False
    runtime: RuntimeName = "auto"
    precision: Precision = "f32"
    threads: int | None = None
    catalogue: Path | None = None


def infer_source(request: Request) -> dict[str, Any]:
    """Run to the end of the source and give the summary.

    Raises:
        PermanentError, TransientError: nothing half-made is left behind.
    """
    source, every = open_source(request.source, request.every)
    stop = Event()
    with ExitStack() as outputs, _serving(request) as slot:
        loaded = slot.current
        sinks = [outputs.enter_context(sink) for sink in _sinks(request, source, stop)]
        with _interruptible(source, stop), progress(source) as on_progress:
            outcome = run(source, slot, sinks, every=every, stop=stop, on_progress=on_progress)
    written = [path for path in (request.save, request.json_lines) if path]
    return as_object(outcome, loaded, written)


@contextmanager
def _serving(request: Request) -> Iterator[ModelSlot]:
    """The slot with the model that is meant: a file's, or the newest release, which may change on the way."""
    if request.model is not None:
        with ModelSlot(_loaded(request, request.model)) as slot:
            yield slot
        return
    settings = InferencerSettings.load(request.home, "inferencer").model_copy(
        update={
            "confidence": request.confidence,
            "runtime": request.runtime,
            "precision": request.precision,
            "threads": request.threads,
        }
    )
    # Releases are followed by an event loop in a thread of its own: this thread belongs to the frames.
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving_latest(request.home, settings)) as slot,
    ):
        yield slot


def _loaded(request: Request, path: Path) -> LoadedModel:
    file = read_model_file(path, request.fleet_key)
    model = load(
        file.content,
        runtime=request.runtime,
        threads=request.threads,
        precision=request.precision,
        thresholds=Thresholds(request.confidence),
    )
    colours = slot_colours(Catalogue.load(request.catalogue)) if request.catalogue else {}
    return warmed(LoadedModel(file.model_id, model, colours))


def slot_colours(catalogue: Catalogue) -> dict[int, str]:
    """The colour of every slot in use: a class keeps its colour in each condition."""
    return {
        catalogue.slot(entry.id, condition): entry.colour
        for entry in catalogue.classes
        for condition in catalogue.conditions
    }


def _sinks(request: Request, source: FrameSource, stop: Event) -> Iterator[Sink]:
    if request.save is not None and request.save.suffix.lower() in _VIDEO_SUFFIXES:
        yield AnnotatedVideo(request.save, source.rate)
    elif request.save is not None:
        yield AnnotatedPictures(request.save)
    if request.json_lines is not None:
        yield JsonLines(request.json_lines)
    if request.window:
        yield Window("azaion infer", stop)


@contextmanager
def _interruptible(source: FrameSource, stop: Event) -> Iterator[None]:
    """Ctrl-C is how a live source ends: what was recorded is kept. Of a file nothing would be whole, so it aborts.

    Being asked to terminate is the same as Ctrl-C. Signals belong to the main thread: elsewhere they are left alone.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if not source.live:
            raise KeyboardInterrupt
        stop.set()
        source.stop()

    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
