"""What the inferencer counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Gauge

from azaion_inferencer.pipeline import Outcome

FRAMES = Gauge("azaion_inferencer_frames", "Frames of the current source, by what became of them", ["fate"])
WITH_DETECTIONS = Gauge(
    "azaion_inferencer_frames_with_detections", "Frames of the current source with a detection"
)
RUNTIME_SECONDS = Gauge(
    "azaion_inferencer_runtime_seconds", "Time spent inside the model on the current source"
)


def show(outcome: Outcome) -> None:
    """Bring the gauges in line with a run."""
    FRAMES.labels("read").set(outcome.ledger.read)
    FRAMES.labels("inferred").set(outcome.ledger.inferred)
    FRAMES.labels("skipped").set(outcome.ledger.skipped)
    WITH_DETECTIONS.set(outcome.with_detections)
    RUNTIME_SECONDS.set(outcome.runtime_s)
