"""What a model has to reach, and what is said of a small test side."""

from __future__ import annotations

import pytest

from azaion_common.contracts.events import Metrics
from azaion_trainer.gate import GateRules, objection, remark

RULES = GateRules(min_map50=0.1, min_test_groups=5, few_test_groups="warn")
STRICT = GateRules(min_map50=0.1, min_test_groups=5, few_test_groups="refuse")


def measured(map50: float) -> Metrics:
    return Metrics(map50=map50, map50_95=map50 / 2, per_class={}, per_condition={}, pictures=6, evaluator="x")


@pytest.mark.parametrize(
    ("map50", "groups", "rules", "stands"),
    [
        (0.0, 9, RULES, False),
        (0.099, 9, RULES, False),
        (0.1, 9, RULES, True),
        (0.9, 4, RULES, True),
        (0.9, 4, STRICT, False),
        (0.9, 5, STRICT, True),
    ],
)
def test_a_model_stands_from_the_floor_on(
    map50: float, groups: int, rules: GateRules, *, stands: bool
) -> None:
    """And, where that is asked for, only with enough scenes on the test side."""
    assert (objection(measured(map50), groups, rules) is None) == stands


def test_a_small_test_side_is_named_with_its_setting() -> None:
    """How many scenes, how many pictures, how many there ought to be."""
    assert remark(5, 6, RULES) is None
    assert remark(1, 6, RULES) == (
        "the test side has only 1 scene (6 pictures), fewer than 5 (min_test_groups): its figures are mostly luck"
    )
