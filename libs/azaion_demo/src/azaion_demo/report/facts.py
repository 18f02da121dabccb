"""From a finished loop to what the page says. Pure: no file is read and nothing is drawn here."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from azaion_common.contracts.events import ClassMetrics, EpochMetrics, ImageQuarantined
from azaion_demo.loop_state import LoopState
from azaion_demo.report import wording
from azaion_demo.report.charts import Chart, Series, line_chart
from azaion_demo.report.clip_score import ClipScore, score
from azaion_demo.report.evidence import Evidence, Finished, InferredFrame
from azaion_demo.run import Outcome
from azaion_demo.stages import STAGES

SHOWN_QUARANTINED = 12
_LOSSES = ("box", "cls", "dfl")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name."""

    value: str
    name: str
    full: str = ""
    """The whole of a shortened value."""


@dataclass(frozen=True, slots=True)
class Step:
    """A station of the loop, and what it hands on."""

    name: str
    does: str
    output: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an accuracy table."""

    name: str
    colour: str
    objects: int
    map50: float
    map50_95: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar; ``share`` of the longest one, 0-1."""

    name: str
    text: str
    share: float


@dataclass(frozen=True, slots=True)
class Link:
    """A station of the lineage: its digest and what is known of it."""

    name: str
    digest: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What could not be used: counts by reason, and the first few by name."""

    total: int
    reasons: tuple[tuple[str, int], ...]
    first: tuple[ImageQuarantined, ...]

    @property
    def more(self) -> int:
        return self.total - len(self.first)


@dataclass(frozen=True, slots=True)
class Command:
    """What to type next, and what for."""

    purpose: str
    line: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All texts, numbers and charts of the page."""

    sentence: str
    figures: tuple[Figure, ...]
    steps: tuple[Step, ...]
    quarantine: Quarantine
    epochs: str
    curves: tuple[Chart, ...]
    classes: tuple[Row, ...]
    conditions: tuple[Row, ...]
    lineage: tuple[Link, ...]
    clip: ClipScore | None
    timeline: Chart | None
    timings: tuple[Bar, ...]
    total: str
    commands: tuple[Command, ...]


def facts_of(outcome: Outcome, evidence: Evidence) -> Facts:
    """Everything that the page says about ``outcome``."""
    done, metrics = evidence.finished, evidence.finished.trained.metrics
    points = done.trained.curves or tuple(progress.epoch for progress in outcome.state.epochs)
    colours = dict(zip(done.trained.class_names, done.trained.class_colours, strict=False))
    clip = score(evidence.frames, evidence.truth)
    return Facts(
        sentence=_sentence(outcome, done),
        figures=_figures(outcome, done),
        steps=_steps(outcome, done),
        quarantine=_quarantine(outcome.state),
        epochs=_epochs(done, points),
        curves=_curves(points),
        classes=_rows(metrics.per_class, colours),
        conditions=_rows(metrics.per_condition, {}),
        lineage=_lineage(done),
        clip=clip,
        timeline=_timeline(evidence.frames, evidence.truth),
        timings=_timings(outcome.seconds),
        total=wording.duration(_total_s(outcome.seconds)),
        commands=_commands(outcome),
    )


def _sentence(outcome: Outcome, done: Finished) -> str:
    names = wording.listing([row.name for row in _rows(done.trained.metrics.per_class, {})])
    pictures = wording.count(len(outcome.state.saved), "labelled picture")
    return (
        f"{pictures} became a sealed, running detector for {names} "
        f"in {wording.duration(_total_s(outcome.seconds))}."
    )


def _figures(outcome: Outcome, done: Finished) -> tuple[Figure, ...]:
    metrics = done.trained.metrics
    return (
        Figure(f"{metrics.map50:.3f}", f"mAP50 on {wording.count(metrics.pictures, 'unseen picture')}"),
        Figure(f"{metrics.map50_95:.3f}", "mAP50-95 on the same"),
        Figure(wording.grouped(len(outcome.state.saved)), "pictures taken in"),
        Figure(done.trained.model_id, "model"),
        Figure(wording.duration(_total_s(outcome.seconds)), "in all"),
    )


def _steps(outcome: Outcome, done: Finished) -> tuple[Step, ...]:
    state, counts, frames = outcome.state, done.dataset.counts, outcome.inference["frames"]
    copies = sum(len(batch.variants) for batch in state.augmented.values())
    epochs = done.trained.curves[-1].epoch if done.trained.curves else done.training.epochs
    return (
        Step("Annotate", _origin(outcome), wording.count(state.settled_pictures, "message")),
        Step("Ingest", "checked, stored by content", wording.count(len(state.saved), "picture")),
        Step("Augment", "each picture and its variants", wording.count(copies, "file")),
        Step("Split", f"{wording.count(counts.groups, 'group')}, 3 sides", f"{counts.train} / {counts.valid} / {counts.test}"),
        Step("Train", wording.count(epochs, "epoch"), f"mAP50 {done.trained.metrics.map50:.2f}"),
        Step("Export", done.exported.target.upper(), f"parity {done.exported.parity.matched}/{done.exported.parity.expected}"),
        Step("Seal, publish", f"release {done.published.release}", wording.size(done.published.package_size_bytes)),
        Step("Infer", wording.count(int(frames["inferred"]), "frame"), f"objects in {wording.grouped(int(frames['with_detections']))}"),
    )  # fmt: skip


def _origin(outcome: Outcome) -> str:
    return "drawn scenes" if outcome.material.drawn else outcome.material.pictures.name


def _quarantine(state: LoopState) -> Quarantine:
    reasons = Counter(event.reason for event in state.quarantined)
    first = tuple(state.quarantined[:SHOWN_QUARANTINED])
    return Quarantine(len(state.quarantined), tuple(reasons.most_common()), first)


def _epochs(done: Finished, points: Sequence[EpochMetrics]) -> str:
    training = done.training
    last = points[-1].epoch if points else training.epochs
    return (
        f"{done.trained.architecture} at {training.imgsz} pixels, batches of {training.batch}, "
        f"{wording.count(last, 'epoch')} in {wording.duration(done.trained.train_seconds)}"
        f"{f', on the {done.trained.hardware}' if done.trained.hardware else ''}"
    )


def _curves(points: Sequence[EpochMetrics]) -> tuple[Chart, ...]:
    charts = (
        line_chart(
            "Loss",
            [
                Series("train", _sums(points, ""), "series-1"),
                Series("validation", _sums(points, "val_"), "series-2"),
            ],
            x_name="epoch",
        ),
        line_chart(
            "Accuracy on the validation side",
            [
                Series("mAP50", _values(points, "map50"), "series-1"),
                Series("mAP50-95", _values(points, "map50_95"), "series-2"),
            ],
            x_name="epoch",
            y_high=1.0,
        ),
    )
    return tuple(chart for chart in charts if chart is not None)


def _sums(points: Sequence[EpochMetrics], prefix: str) -> list[tuple[float, float]]:
    """Loss of each epoch that has all its parts: their sum is what training makes smaller."""
    names = [prefix + name for name in _LOSSES]
    return [
        (float(point.epoch), sum(point.loss[name] for name in names))
        for point in points
        if all(name in point.loss for name in names)
    ]


def _values(points: Sequence[EpochMetrics], name: str) -> list[tuple[float, float]]:
    return [(float(point.epoch), point.metrics[name]) for point in points if name in point.metrics]


def _rows(figures: Mapping[str, ClassMetrics], colours: Mapping[str, str]) -> tuple[Row, ...]:
    """What the test side has objects of, most first."""
    rows = [
        Row(name, colours.get(name, ""), each.objects, each.map50, each.map50_95)
        for name, each in figures.items()
        if each.objects
    ]
    return tuple(sorted(rows, key=lambda row: (-row.objects, row.name)))


def _lineage(done: Finished) -> tuple[Link, ...]:
    dataset, trained, exported, published = done.dataset, done.trained, done.exported, done.published
    lineage = trained.lineage
    base = lineage.base_weights_sha256
    return (
        Link("Dataset", dataset.dataset_id, (wording.count(dataset.counts.train_files, "training file"),)),
        Link("Run", done.training.run_id, (f"from weights {wording.short(base)}" if base else "from scratch",)),
        Link("Model", trained.checkpoint.sha256, (f"{trained.architecture}, {wording.size(trained.checkpoint.size_bytes)}",)),
        Link("Export", exported.artifact.sha256, (f"{exported.target}, {wording.size(exported.artifact.size_bytes)}",)),
        Link("Package", published.package_sha256, (f"release {published.release}",)),
    )  # fmt: skip


def _timeline(frames: Sequence[InferredFrame], truth: Sequence[Sequence[object]]) -> Chart | None:
    """Objects over the frames: found, and where the truth is known how many there are."""
    found = [(float(frame.frame), float(len(frame.detections))) for frame in frames]
    there = [
        (float(frame.frame), float(len(truth[frame.frame]))) for frame in frames if frame.frame < len(truth)
    ]
    lines = [Series("found", found, "series-1"), Series("really there", there, "series-2")]
    x_name = "picture" if any(frame.image for frame in frames) else "frame"
    return line_chart(f"Objects in each inferred {x_name}", lines, x_name=x_name)


def _timings(seconds: Mapping[str, float]) -> tuple[Bar, ...]:
    known = [(STAGES[name], seconds[name]) for name in STAGES if name in seconds]
    longest = max((value for _, value in known), default=0.0) or 1.0
    return tuple(Bar(name, wording.duration(value), value / longest) for name, value in known)


def _total_s(seconds: Mapping[str, float]) -> float:
    return seconds.get("total") or sum(seconds.values())


def _commands(outcome: Outcome) -> tuple[Command, ...]:
    home = shlex.quote(str(outcome.home))
    return (
        Command("Start the services of this home again, until Ctrl-C", f"azaion up --home {home}"),
        Command("Run the newest release on a video, while they run", f"azaion infer VIDEO --home {home} --save out.mp4"),
        Command("Bring in more pictures", f"azaion annotations import FOLDER --home {home}"),
        Command("Train on all of them; a better model becomes the next release", f"azaion train --wait --home {home}"),
        Command("Prove again that the split does not leak", f"azaion dataset verify --home {home}"),
        Command("The same with your own data, in a home of its own", "azaion demo --data FOLDER --home ANOTHER"),
    )  # fmt: skip
