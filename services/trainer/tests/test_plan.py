"""What is chosen for a machine, and how long it is going to take."""

from __future__ import annotations

from typing import Any

import pytest

from azaion_common.contracts.events.models import Hardware
from azaion_trainer.parameters import TrainingWishes
from azaion_trainer.plan import Prospect, TrainingPlan, duration, plan_training

CPU = Hardware(device="cpu", name="Testor 9000", threads=2)
GPU = Hardware(device="0", name="NVIDIA Test", threads=16)


def planned(
    hardware: Hardware = CPU, *, speed: float = 20.0, train: int = 1000, valid: int = 100, **wishes: Any
) -> TrainingPlan:
    wanted = TrainingWishes.model_validate({"batch": 16, "architecture": "yolo11n", **wishes})
    return plan_training(wanted, Prospect(hardware, 320, speed), train_files=train, valid_pictures=valid)


def test_a_training_of_a_fresh_home_ends_within_an_hour_on_a_cpu() -> None:
    """Nothing was set: as many epochs as fit, the budget is said, and so is the machine."""
    plan = planned()

    assert 10 <= plan.parameters.epochs < 120
    assert plan.estimated_seconds <= 3600
    assert "on the CPU (Testor 9000, 2 threads)" in plan.notes[0]
    assert "60 min (budget_hours), of 120 epochs" in plan.notes[1]


def test_a_training_of_a_fresh_home_on_a_gpu_has_all_its_epochs() -> None:
    """There is no budget but one that is set."""
    plan = planned(GPU, speed=900)

    assert plan.parameters.epochs == 120
    assert plan.notes[0].startswith("on the GPU 0 (NVIDIA Test): 120 epochs of 1000 pictures at 320 px")
    assert len(plan.notes) == 1


@pytest.mark.parametrize("hours", [0.1, 1, 24])
@pytest.mark.parametrize("train", [50, 5_000, 3_000_000])
def test_a_budget_holds_whatever_the_size_of_the_data(hours: float, train: int) -> None:
    """Fewer epochs, and where even few are too many, epochs that draw some of the pictures."""
    plan = planned(train=train, valid=100, budget_hours=hours)

    assert plan.estimated_seconds <= hours * 3600 * 1.01
    assert plan.parameters.epochs == 120 or plan.estimated_seconds > hours * 3600 * 0.7


def test_epochs_that_are_said_are_kept_however_long_they_take() -> None:
    """And how long that is, is said before."""
    plan = planned(epochs=500, train=10_000)

    assert plan.parameters.epochs == 500
    assert plan.parameters.overrides == {}
    assert "about 3.6 days" in plan.notes[0]


def test_a_draw_that_is_said_is_kept() -> None:
    """The budget then only decides about the number of epochs."""
    plan = planned(budget_hours=0.01, overrides={"epoch_pictures": 96})

    assert plan.parameters.overrides == {"epoch_pictures": 96}
    assert plan.parameters.epochs == 4


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "40 s"), (200, "3 min"), (5300, "88 min"), (9000, "2.5 h"), (2e5, "2.3 days")]
)
def test_durations_are_said_in_one_unit(seconds: float, text: str) -> None:
    """The one that a person would use."""
    assert duration(seconds) == text
