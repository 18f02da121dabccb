"""What a model has to reach whatever it is compared with, and what its verdict rests on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from azaion_common.contracts.events import Metrics


@dataclass(frozen=True, slots=True)
class GateRules:
    """``few_test_groups`` says what follows when the test side has fewer than ``min_test_groups`` scenes."""

    min_map50: float
    min_test_groups: int
    few_test_groups: Literal["warn", "refuse"]


def objection(metrics: Metrics, test_groups: int, rules: GateRules) -> str | None:
    """Why a model is not promoted whatever the champion does, if there is a reason."""
    if metrics.map50 < rules.min_map50:
        return (
            f"mAP50 {metrics.map50:.3f} is below the floor of {rules.min_map50:g} (min_map50):"
            " train longer, on more pictures, or from weights"
        )
    if rules.few_test_groups == "refuse" and test_groups < rules.min_test_groups:
        return remark(test_groups, metrics.pictures, rules)
    return None


def remark(test_groups: int, test_pictures: int, rules: GateRules) -> str | None:
    """What is to be said of a test side that is too small to judge by, if it is."""
    if test_groups >= rules.min_test_groups:
        return None
    return (
        f"the test side has only {test_groups} scene{'' if test_groups == 1 else 's'} ({test_pictures} pictures),"
        f" fewer than {rules.min_test_groups} (min_test_groups): its figures are mostly luck"
    )
