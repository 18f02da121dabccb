"""What the inferencer counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from azaion_inferencer.pipeline import Outcome

FRAMES = Counter(
    "azaion_inferencer_frames", "Frames, by what became of them; why, for those dropped", ["fate", "reason"]
)
WITH_DETECTIONS = Counter("azaion_inferencer_frames_with_detections", "Frames with a detection")
DETECTIONS = Counter("azaion_inferencer_detections", "Detections, by class", ["class_name"])
LINES_DROPPED = Counter(
    "azaion_inferencer_lines_dropped", "Lines of detections that there was no room for on the disk"
)
STAGE_SECONDS = Histogram(
    "azaion_inferencer_stage_seconds",
    "Time in one stage: decoding a frame, inferring a batch, writing a batch",
    ["stage"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
MODEL = Gauge("azaion_inferencer_model_info", "1 for the model that serves", ["model", "release"])
REFUSED = Counter(
    "azaion_inferencer_releases_refused", "Announced releases that were refused, by reason", ["code"]
)
for fate in ("read", "inferred", "skipped"):
    FRAMES.labels(fate, "")  # 0 until there is one: a rise can only be seen from a number
FRAMES.labels("dropped", "behind")
for code in ("release_forged", "release_unsigned", "release_key_unknown", "release_outdated"):
    REFUSED.labels(code)
for stage in ("decode", "infer", "write"):
    STAGE_SECONDS.labels(stage)


class FrameCounter:
    """Adds to the counters what has happened on a source since it was last told."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], int] = {}

    def __call__(self, outcome: Outcome) -> None:
        ledger = outcome.ledger
        for fate, count in (
            ("read", ledger.read),
            ("inferred", ledger.inferred),
            ("skipped", ledger.skipped),
        ):
            FRAMES.labels(fate, "").inc(self._news((fate,), count))
        for reason, count in list(ledger.dropped.items()):
            FRAMES.labels("dropped", reason).inc(self._news(("dropped", reason), count))
        for name, count in list(outcome.detections.items()):
            DETECTIONS.labels(name).inc(self._news(("class", name), count))
        WITH_DETECTIONS.inc(self._news(("with",), outcome.with_detections))

    def _news(self, what: tuple[str, ...], count: int) -> int:
        before, self._told[what] = self._told.get(what, 0), count
        return count - before


def observe_stage(stage: str, seconds: float) -> None:
    """A stage of the pipeline took so long."""
    STAGE_SECONDS.labels(stage).observe(seconds)


def show_model(model_id: str, release: int) -> None:
    """This model serves now, and no other."""
    MODEL.clear()
    MODEL.labels(model_id, str(release)).set(1)
