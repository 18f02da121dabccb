"""What is chosen for the machine that a training runs on, and how long that is going to take. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from azaion_common.contracts.events.models import Hardware
from azaion_trainer.parameters import TrainingParameters, TrainingWishes

EPOCHS = 120
FEWEST_EPOCHS = 10
"""Where the budget holds fewer epochs of all pictures, an epoch becomes a draw of some of them."""
IMGSZ, IMGSZ_ON_CPU = 640, 320
CPU_BUDGET_HOURS = 1.0
OVERHEAD = 1.25
"""Loading, checkpoints and the optimiser, beside the steps whose speed was measured."""
MEASURING = 0.35
"""What measuring a picture costs, of what training on it does: no way back, no update."""
EPOCH_PICTURES = "epoch_pictures"
"""The toolchain's name for how many pictures an epoch draws; 0 or missing: all."""
CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a training would run on, at which picture size, and how many pictures a second it takes there."""

    hardware: Hardware
    imgsz: int
    pictures_per_second: float


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A training as it is going to be, its duration, and what is worth saying of the choice."""

    parameters: TrainingParameters
    estimated_seconds: float
    notes: tuple[str, ...]


def plan_training(
    wishes: TrainingWishes, prospect: Prospect, *, train_files: int, valid_pictures: int
) -> TrainingPlan:
    """Fill in what ``wishes`` leave open: as much training as the budget holds, if there is one."""
    on_cpu = prospect.hardware.device == CPU
    budget_s = _budget_s(wishes, on_cpu=on_cpu)
    measuring = MEASURING * valid_pictures if wishes.overrides.get("val_period", 1) else 0.0
    drawn = wishes.overrides.get(EPOCH_PICTURES)
    pictures = min(train_files, drawn) if isinstance(drawn, int) and drawn > 0 else train_files
    most = wishes.epochs or EPOCHS
    if wishes.picture_passes is not None:
        most = max(1, min(most, round(wishes.picture_passes / max(pictures, 1))))
    epochs, overrides = most, dict(wishes.overrides)
    if budget_s is not None:
        affordable = budget_s * prospect.pictures_per_second / OVERHEAD
        epochs = max(1, min(most, int(affordable / max(pictures + measuring, 1))))
        if epochs < min(FEWEST_EPOCHS, most) and not drawn:
            epochs = min(FEWEST_EPOCHS, most)
            pictures = min(pictures, max(wishes.batch, int(affordable / epochs - measuring)))
            overrides[EPOCH_PICTURES] = pictures
    estimate = epochs * (pictures + measuring) * OVERHEAD / prospect.pictures_per_second
    parameters = TrainingParameters.model_validate(
        {**wishes.model_dump(), "epochs": epochs, "imgsz": prospect.imgsz, "overrides": overrides}
    )
    notes = [_note(prospect, parameters, pictures, estimate)]
    if budget_s is not None and (
        epochs < most or EPOCH_PICTURES in overrides.keys() - wishes.overrides.keys()
    ):
        notes.append(
            f"as much as fits into {duration(budget_s)} (budget_hours), of {most} epochs of {train_files} files"
        )
    return TrainingPlan(parameters, estimate, tuple(notes))


def duration(seconds: float) -> str:
    """``40 s``, ``3 min``, ``1.5 h``, ``2.3 days``."""
    for limit, unit_s, unit, digits in ((90, 1, "s", 0), (5400, 60, "min", 0), (172_800, 3600, "h", 1)):
        if seconds < limit:
            return f"{seconds / unit_s:.{digits}f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def _budget_s(wishes: TrainingWishes, *, on_cpu: bool) -> float | None:
    if wishes.budget_hours is not None:
        return wishes.budget_hours * 3600
    return CPU_BUDGET_HOURS * 3600 if on_cpu and wishes.epochs is None else None


def _note(prospect: Prospect, parameters: TrainingParameters, pictures: int, estimate: float) -> str:
    return (
        f"on the {prospect.hardware}: {parameters.epochs} epochs of {pictures} pictures at {parameters.imgsz} px,"
        f" {prospect.pictures_per_second:.3g} pictures a second: about {duration(estimate)}"
    )
