"""The demo's result as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azaion_common.core.errors import PermanentError
from azaion_demo.run import Outcome


def summarise(outcome: Outcome, report: Path) -> dict[str, Any]:
    """Everything that a script wants to know of a finished demo."""
    state = outcome.state
    if state.trained is None or state.exported is None or state.published is None or state.dataset is None:
        raise PermanentError("demo_incomplete", "the loop has not come to its end")
    metrics, parity, published = state.trained.metrics, state.exported.parity, state.published
    return {
        "home": str(outcome.home),
        "report": str(report),
        "video": str(outcome.video),
        "detections": str(outcome.detections),
        "dataset_id": state.dataset.dataset_id,
        "model_id": state.trained.model_id,
        "map50": metrics.map50,
        "map50_95": metrics.map50_95,
        "per_class": {name: value.model_dump() for name, value in metrics.per_class.items()},
        "per_condition": {name: value.model_dump() for name, value in metrics.per_condition.items()},
        "parity": parity.model_dump(include={"matched", "expected", "max_score_difference", "min_iou"}),
        "package": {
            "small_bytes": published.small.size_bytes,
            "big_bytes": published.big.size_bytes,
            "sha256": published.package_sha256,
        },
        "pictures": {"saved": len(state.saved), "quarantined": len(state.quarantined)},
        "frames": {
            name: outcome.inference["frames"][name] for name in ("read", "inferred", "with_detections")
        },
        "seconds": outcome.seconds,
    }
