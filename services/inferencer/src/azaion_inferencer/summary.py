"""What a run says at its end: one object for a machine, one line for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azaion_inferencer.model_slot import LoadedModel
from azaion_inferencer.pipeline import Outcome


def as_object(outcome: Outcome, loaded: LoadedModel, written: Sequence[Path]) -> dict[str, Any]:
    """Counts, times in seconds, and where the results are."""
    return {
        "model_id": loaded.model_id,
        "input_size": list(loaded.model.input_size),
        "frames": outcome.ledger.as_dict() | {"with_detections": outcome.with_detections},
        "detections": dict(outcome.detections.most_common()),
        "seconds": {"wall": round(outcome.wall_s, 3), "runtime": round(outcome.runtime_s, 3)},
        "written": [str(path) for path in written],
    }


def as_line(facts: dict[str, Any]) -> str:
    """The same in one line."""
    frames, wall_s = facts["frames"], facts["seconds"]["wall"]
    found = ", ".join(f"{count} {name}" for name, count in facts["detections"].items()) or "nothing"
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in frames["dropped"].items())
    written = f" -> {', '.join(facts['written'])}" if facts["written"] else ""
    return (
        f"{frames['read']} frames read, {frames['inferred']} inferred, {frames['skipped']} skipped{dropped} "
        f"in {wall_s:.1f} s; found {found} in {frames['with_detections']} frames{written}"
    )
