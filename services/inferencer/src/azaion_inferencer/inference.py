"""One run from a request to its summary: which source, model and outputs are meant, put together and closed again."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.home import check_target
from azaion_inferencer.adapters.annotated_pictures import AnnotatedPictures
from azaion_inferencer.adapters.annotated_video import AnnotatedVideo
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.line_file import LineFile
from azaion_inferencer.adapters.pictures import SUFFIXES
from azaion_inferencer.adapters.recording import Recording
from azaion_inferencer.adapters.sources import open_source
from azaion_inferencer.adapters.window import Window
from azaion_inferencer.model_file import read_model_file
from azaion_inferencer.model_slot import LoadedModel, ModelSlot, proven
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import FrameSource, Sink, Tell
from azaion_inferencer.progress import progress
from azaion_inferencer.rotation import Limits
from azaion_inferencer.summary import as_object
from azaion_vision.options import Precision, RuntimeName
from azaion_vision.runtimes import load
from azaion_vision.runtimes.outputs import Thresholds

FILM_SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})
_OTHER_FILMS = frozenset(
    {".avi", ".mkv", ".webm", ".wmv", ".flv", ".ts", ".mts", ".mpg", ".mpeg", ".gif", ".h264", ".ogv", ".3gp"}
)
_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be inferred, with what, and where the results go."""

    source: str
    model: Path | None
    """None: the newest release of ``home``."""
    home: Path
    fleet_key: Path | None = None
    every: int | None = None
    confidence: float | None = None
    """None: what the model says for each class, and 0.25 where it says nothing."""
    save: Path | None = None
    lines: Path | None = None
    window: bool = False
    runtime: RuntimeName = "auto"
    precision: Precision = "f32"
    threads: int | None = None
    catalogue: Path | None = None
    give_up_after_s: float | None = None
    """Of a live source: how long to wait for it. None: for ever."""
    keep_gib: float = 16.0
    """Of a live source: how much the films or pictures of ``save`` may take together."""


@dataclass(frozen=True)
class Inferred:
    """What a run did, and which signal ended it, if one did."""

    facts: dict[str, Any]
    interrupted_by: signal.Signals | None


@dataclass(frozen=True)
class _Output:
    sink: JsonLines | AnnotatedVideo | AnnotatedPictures | Recording
    path: Path
    unit: str

    def __str__(self) -> str:
        return f"{self.path} ({self.sink.written} {self.unit})"


def infer_source(request: Request, tell: Tell) -> Inferred:
    """Run to the end of the source and give the summary. What was found stays, however the run ends, and is told.

    Raises:
        PermanentError, TransientError: of source, model or outputs.
    """
    _check_outputs(request)
    source, every = open_source(
        request.source, request.every, give_up_after_s=request.give_up_after_s, tell=tell
    )
    stop = Event()
    outputs: list[_Output] = []
    caught: list[signal.Signals] = []
    try:
        with ExitStack() as opened, _serving(request) as slot:
            loaded = slot.current
            outputs += _outputs(request, source, tell)
            sinks = [_opened(opened, output.sink) for output in outputs]
            if request.window:
                sinks.append(_opened(opened, Window("azaion infer", stop)))
            with _interruptible(source, stop, caught), progress(source) as on_progress:
                outcome = run(source, slot, sinks, every=every, stop=stop, on_progress=on_progress)
    except BaseException:
        _tell_kept(outputs, tell)
        raise
    interrupted_by = caught[0] if caught else None
    if interrupted_by is not None:
        _tell_kept(outputs, tell)
    written = [output.path for output in outputs]
    return Inferred(as_object(outcome, loaded, source, written, interrupted_by), interrupted_by)


def _opened(stack: ExitStack, sink: Sink) -> Sink:
    stack.enter_context(sink)
    return sink


def _tell_kept(outputs: Sequence[_Output], tell: Tell) -> None:
    kept = [str(output) for output in outputs if output.sink.written]
    if kept:
        tell("run.kept", f"kept what there is: {', '.join(kept)}")


@contextmanager
def _serving(request: Request) -> Iterator[ModelSlot]:
    """The slot with the model that is meant: a file's, or the newest release, which may change on the way."""
    if request.model is not None:
        with ModelSlot(_loaded(request, request.model)) as slot:
            yield slot
        return
    from azaion_inferencer import latest  # noqa: PLC0415 - a file needs none of what follows releases: half a second

    given: dict[str, object] = {
        "runtime": request.runtime,
        "precision": request.precision,
        "threads": request.threads,
    }
    chosen = {} if request.confidence is None else {"confidence": request.confidence}
    with latest.serving_latest_blocking(request.home, given | chosen) as slot:
        yield slot


def _loaded(request: Request, path: Path) -> LoadedModel:
    file = read_model_file(path, request.fleet_key)
    model = load(
        file.content,
        runtime=request.runtime,
        threads=request.threads,
        precision=request.precision,
        thresholds=file.thresholds if request.confidence is None else Thresholds(request.confidence),
    )
    colours = slot_colours(Catalogue.load(request.catalogue)) if request.catalogue else file.colours
    return proven(LoadedModel(file.model_id, model, colours))


def slot_colours(catalogue: Catalogue) -> dict[int, str]:
    """The colour of every slot in use: a class keeps its colour in each condition."""
    return {
        catalogue.slot(entry.id, condition): entry.colour
        for entry in catalogue.classes
        for condition in catalogue.conditions
    }


def _check_outputs(request: Request) -> None:
    """Refuse before anything is opened what would destroy an input, or be something else than it is called."""
    inputs = [Path(request.source), *filter(None, [request.model, request.fleet_key, request.catalogue])]
    for output in filter(None, [request.save, request.lines]):
        check_target(request.home, output)
        if any(_is_same(output, each) for each in inputs):
            raise PermanentError(
                "output_is_input", f"{output} would be written over", hint="name another file"
            )
    if request.save is not None and request.lines is not None and _is_same(request.save, request.lines):
        raise PermanentError("output_is_input", f"{request.save} cannot be film and lines at once")
    suffix = request.save.suffix.lower() if request.save is not None else ""
    if suffix in _OTHER_FILMS:
        raise PermanentError(
            "film_unsupported", f"films are written as MP4, not as {suffix}", hint="name it FILE.mp4"
        )
    if suffix in SUFFIXES:
        raise PermanentError(
            "film_unsupported",
            f"{request.save} is called like a picture",
            hint="name a folder for pictures, or FILE.mp4",
        )


def _is_same(one: Path, other: Path) -> bool:
    return one.absolute() == other.absolute() or (one.exists() and other.exists() and one.samefile(other))


def _outputs(request: Request, source: FrameSource, tell: Tell) -> Iterator[_Output]:
    if request.save is not None:
        yield _saved(request, request.save, source, tell)
    if request.lines is not None:
        yield _Output(_lines(request.lines, source, tell), request.lines, "lines")


def _saved(request: Request, path: Path, source: FrameSource, tell: Tell) -> _Output:
    keep_bytes = int(request.keep_gib * _GIB)
    if path.suffix.lower() not in FILM_SUFFIXES:
        limit = keep_bytes if source.live else None
        return _Output(AnnotatedPictures(path, keep_bytes=limit, tell=tell), path, "pictures")
    if source.live:
        limits = Limits(file_bytes=_GIB, file_age_s=3600, series_bytes=keep_bytes)
        return _Output(Recording(path, lambda: source.rate, limits, tell), path, "frames")
    return _Output(AnnotatedVideo(path, lambda: source.rate, tell), path, "frames")


def _lines(path: Path, source: FrameSource, tell: Tell) -> JsonLines:
    """Of a file anew, of a live source further on: what was seen cannot be seen again."""
    if not source.live:
        return JsonLines(LineFile.fresh(path), tell=tell)
    file = LineFile.continued(path)
    if file.repaired_bytes:
        tell("results.repaired", f"{file.repaired_bytes} torn bytes at the end of {path} were taken away")
    return JsonLines(file, when_full="drop", tell=tell)


@contextmanager
def _interruptible(source: FrameSource, stop: Event, caught: list[signal.Signals]) -> Iterator[None]:
    """Ctrl-C, and being asked to terminate, end the run in order: what was read is inferred and written.

    A second signal ends it at once. Signals belong to the main thread: elsewhere they are left alone.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(signal.Signals(number))
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
