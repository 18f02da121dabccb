"""Promotion: only what is really better."""

from __future__ import annotations

import numpy as np
import pytest

from azaion_common.contracts.events import Metrics
from azaion_trainer.champion import compare, resample_weights
from azaion_trainer.evaluation import IOU_THRESHOLDS, Evaluation, Found, Matches, Sample, Truth, evaluate

CLASSES = ("car", "bus")
PER_SCENE = 3
EMPTY = Metrics(map50=0, map50_95=0, per_class={}, per_condition={}, pictures=0, evaluator="none")


def measured(
    dice: np.random.Generator, skill: float, scene_luck: np.ndarray, *, names: tuple[str, ...] = CLASSES
) -> Evaluation:
    """A simulated model: it finds an object with probability ``skill``, more or less in each scene, and errs at times."""
    samples = [_sample(dice, skill + luck) for luck in scene_luck for _ in range(PER_SCENE)]
    return evaluate(samples, names)


def _sample(dice: np.random.Generator, skill: float) -> Sample:
    boxes = np.array([[number * 60.0, 0, number * 60 + 50, 50] for number in range(5)])
    ids = np.array([0, 0, 0, 1, 1])
    seen = dice.random(5) < skill
    strays = boxes[:2] + np.array([0.0, 200.0, 0.0, 200.0])
    shift = dice.normal(0, 2.5, (5, 1))
    return Sample(
        Truth(boxes, ids, ("Norm",) * 5),
        Found(
            np.vstack([(boxes + shift)[seen], strays]),
            dice.random(int(seen.sum()) + 2),
            np.append(ids[seen], [0, 1]),
        ),
    )


def simulated(dice: np.random.Generator, skill: float, scene_luck: np.ndarray) -> Evaluation:
    """As ``measured``, for one class and without pixels: hundreds of trials need many models."""
    chance = np.repeat(skill + scene_luck, PER_SCENE)
    hit = dice.random((len(chance), 6)) < chance[:, None]
    hit[:, 4:] = False  # strays
    order = dice.permutation(hit.size)
    iou_luck = dice.random(hit.size) * 0.6 + 0.45
    hits = hit.ravel()[order] & (iou_luck[order] >= IOU_THRESHOLDS[:, None])
    pictures = np.repeat(np.arange(len(chance)), 6)[order]
    matches = Matches(hits, np.zeros_like(hits), pictures, np.full(len(chance), 4))
    return Evaluation(EMPTY, {"car": matches})


def scenes(count: int) -> list[str]:
    return [f"scene {number}" for number in range(count) for _ in range(PER_SCENE)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, 8])
def test_equal_models_are_rarely_promoted(count: int) -> None:
    """Two models of the same skill, each with its own luck in each scene: promoted in about 5 % of 200 trials.

    Three standard errors above 5 % are allowed (9.6 %).
    """
    promoted = 0
    for trial in range(200):
        dice = np.random.default_rng(trial)
        models = [simulated(dice, 0.6, dice.normal(0, 0.1, count)) for _ in range(2)]
        promoted += compare(models[0], models[1], scenes(count), seed=trial, resamples=200).promoted

    assert promoted / 200 <= 0.096


def test_a_clearly_better_model_is_promoted() -> None:
    """Nine in ten objects found against five in ten, on twelve scenes."""
    dice = np.random.default_rng(1)
    verdict = compare(measured(dice, 0.9, np.zeros(12)), measured(dice, 0.5, np.zeros(12)), scenes(12))

    assert verdict.promoted
    assert 0 < verdict.interval[0] < verdict.difference < verdict.interval[1]


def test_a_worse_model_is_not_promoted_even_with_tolerance() -> None:
    """Tolerance widens the interval's end, but the difference itself has to be positive."""
    dice = np.random.default_rng(2)
    verdict = compare(
        measured(dice, 0.5, np.zeros(12)), measured(dice, 0.9, np.zeros(12)), scenes(12), tolerance=1.0
    )

    assert not verdict.promoted
    assert verdict.difference < 0


def test_the_same_model_again_is_not_promoted() -> None:
    """Equal is not better: the difference is zero in every resample."""
    same = measured(np.random.default_rng(3), 0.7, np.zeros(10))

    verdict = compare(same, same, scenes(10))

    assert (verdict.promoted, verdict.difference, verdict.interval) == (False, 0.0, (0.0, 0.0))


def test_models_of_different_classes_are_compared_on_those_in_common() -> None:
    """A model that learnt a further class, badly, still beats a champion that is worse at the common ones."""
    dice = np.random.default_rng(4)
    champion = measured(dice, 0.4, np.zeros(12))
    better = measured(dice, 0.95, np.zeros(12))
    only_cars = Evaluation(champion.metrics, {"car": champion.matches["car"]})

    verdict = compare(better, only_cars, scenes(12))

    assert verdict.promoted
    assert "on 1 common classes" in verdict.reason


def test_without_a_common_class_there_is_nothing_to_compare() -> None:
    """The new model is taken, and the reason says so."""
    some = measured(np.random.default_rng(5), 0.5, np.zeros(6))

    verdict = compare(some, Evaluation(some.metrics, {}), scenes(6))

    assert verdict.promoted
    assert "no class in common" in verdict.reason


def test_few_scenes_are_resampled_by_picture_and_one_picture_proves_nothing() -> None:
    """The reason names what was drawn; a single picture gives the widest interval and no promotion."""
    dice = np.random.default_rng(6)
    good, bad = (measured(dice, skill, np.zeros(2)) for skill in (0.95, 0.3))

    assert "6 pictures of too few scenes" in compare(good, bad, scenes(2)).reason
    boxes = np.array([[0.0, 0, 50, 50]])
    truth = Truth(boxes, np.array([0]), ("Norm",))
    hit = evaluate([Sample(truth, Found(boxes, np.array([0.9]), np.array([0])))], CLASSES)
    miss = evaluate([Sample(truth, Found(boxes + 100, np.array([0.9]), np.array([0])))], CLASSES)
    verdict = compare(hit, miss, ["only"])
    assert (verdict.promoted, verdict.difference, verdict.interval) == (False, 1.0, (-1.0, 1.0))


def test_scenes_are_drawn_whole() -> None:
    """All pictures of a scene count equally often in a resample, and as many scenes are drawn as there are."""
    weights = resample_weights(["a", "b", "a", "c"], 50, seed=1)

    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_the_verdict_is_the_same_every_time() -> None:
    """Same evaluations, same seed: same interval."""
    dice = np.random.default_rng(8)
    models = [measured(dice, skill, np.zeros(8)) for skill in (0.7, 0.6)]

    assert compare(models[0], models[1], scenes(8), seed=5) == compare(
        models[0], models[1], scenes(8), seed=5
    )
