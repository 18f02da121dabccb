"""What a run says at its end: one object for a machine, one line for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import Any

from azaion_common.core.printable import printable
from azaion_inferencer.model_slot import LoadedModel
from azaion_inferencer.pipeline import Outcome
from azaion_inferencer.ports import FrameSource


def as_object(
    outcome: Outcome,
    loaded: LoadedModel,
    source: FrameSource,
    written: Sequence[Path],
    interrupted_by: Signals | None = None,
) -> dict[str, Any]:
    """Counts, times in seconds, and where the results are.

    ``source`` tells what is known only of some: ``starts_at_s``, what a recording's own clock said at its first frame,
    and ``left_out``, files of a folder that are pictures of a kind that is not read.
    """
    starts_at_s = getattr(source, "starts_at_s", 0.0)
    left_out = getattr(source, "left_out", ())
    return {
        "model_id": loaded.model_id,
        "input_size": list(loaded.model.input_size),
        "frames": outcome.ledger.as_dict() | {"with_detections": outcome.with_detections},
        "detections": dict(outcome.detections.most_common()),
        "seconds": {"wall": round(outcome.wall_s, 3), "runtime": round(outcome.runtime_s, 3)},
        "written": [str(path) for path in written],
        **({"starts_at_s": round(starts_at_s, 3)} if starts_at_s else {}),
        **({"left_out": [path.name for path in left_out]} if left_out else {}),
        **({"interrupted_by": interrupted_by.name} if interrupted_by else {}),
    }


def as_line(facts: dict[str, Any]) -> str:
    """The same in one line for a terminal."""
    frames, wall_s = facts["frames"], facts["seconds"]["wall"]
    found = (
        ", ".join(f"{count} {printable(name)}" for name, count in facts["detections"].items()) or "nothing"
    )
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in frames["dropped"].items())
    left_out = f"; {len(facts['left_out'])} pictures of other kinds left out" if "left_out" in facts else ""
    written = f" -> {', '.join(facts['written'])}" if facts["written"] else ""
    return (
        f"{frames['read']} frames read, {frames['inferred']} inferred, {frames['skipped']} skipped{dropped} "
        f"in {wall_s:.1f} s; found {found} in {frames['with_detections']} frames{left_out}{written}"
    )
