"""From which score on a detection is worth showing."""

from __future__ import annotations

import numpy as np
import pytest

from azaion_trainer.evaluation import Found, Sample, Truth
from azaion_trainer.thresholds import best_thresholds


def pictures(right: list[float], wrong: list[float], *, missed: int = 0, class_id: int = 0) -> list[Sample]:
    """A picture for each score: an object that was found, one that was not, or a box where there is nothing."""
    box = np.array([[10.0, 10, 50, 50]])
    none, ids = np.zeros((0, 4)), np.array([class_id])
    there, nothing = Truth(box, ids, ("Norm",)), Truth(none, ids[:0], ())
    unseen = Found(none, np.zeros(0), ids[:0])
    return [
        *(Sample(there, Found(box, np.array([score]), ids)) for score in right),
        *(Sample(nothing, Found(box, np.array([score]), ids)) for score in wrong),
        *[Sample(there, unseen)] * missed,
    ]


def test_the_threshold_lies_between_what_is_right_and_what_is_wrong() -> None:
    """In the middle of the stretch where F1 is best, so that a little more or less changes nothing."""
    samples = pictures([0.8] * 12, [0.2] * 12)

    assert best_thresholds(samples, ("car",)) == {"car": pytest.approx(0.5, abs=0.02)}


def test_a_hesitant_model_shows_what_it_is_rarely_wrong_about() -> None:
    """A model whose right boxes score 0.1 to 0.3 is not silent: 0.25 would hide most of them."""
    samples = pictures(list(np.linspace(0.1, 0.3, 20)), [0.06] * 10)

    assert best_thresholds(samples, ("car",))["car"] < 0.12


def test_each_class_has_its_own() -> None:
    """One is sure of itself, the other is not."""
    samples = [
        *pictures([0.9] * 12, [0.6] * 30),
        *pictures([0.3] * 12, [0.08] * 30, class_id=1),
    ]

    found = best_thresholds(samples, ("car", "bus"))
    assert found["car"] > 0.6
    assert found["bus"] < 0.3


def test_a_class_of_few_objects_takes_the_threshold_of_all() -> None:
    """Three objects say nothing."""
    samples = [*pictures([0.8] * 40, [0.4] * 40), *pictures([0.1] * 3, [], class_id=1)]

    found = best_thresholds(samples, ("car", "bus"))
    assert found["bus"] == pytest.approx(found["car"], abs=0.05)


def test_a_model_that_finds_nothing_has_none() -> None:
    """Nor one that was shown nothing."""
    assert best_thresholds(pictures([], [0.5] * 3, missed=12), ("car",)) == {}
    assert best_thresholds([], ("car",)) == {}
