"""Average precision, held to pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from azaion_common.core.errors import PermanentError
from azaion_trainer.evaluation import Found, Matches, Sample, Truth, average_precision, evaluate, match_class

CLASSES = ("car", "bus", "tree")


def some_samples(seed: int, *, pictures: int = 25, classes: int = 3, crowded: bool = False) -> list[Sample]:
    """Random truth; detections are shifted copies with some missed, some doubled and some made up."""
    dice = np.random.default_rng(seed)
    return [_sample(dice, classes, 60 if crowded else 8) for _ in range(pictures)]


def _sample(dice: np.random.Generator, classes: int, most: int) -> Sample:
    count = int(dice.integers(0, most))
    corners = dice.uniform(0, 400, (count, 2))
    boxes = np.hstack([corners, corners + dice.uniform(10, 120, (count, 2))])
    ids = dice.integers(0, classes, count)
    picked = (
        dice.integers(0, max(count, 1), int(dice.integers(0, 2 * count + 3))) if count else np.zeros(0, int)
    )
    found = boxes[picked] + dice.normal(0, 6, (len(picked), 4))
    made_up = dice.uniform(0, 400, (3, 2))
    found = np.vstack([found, np.hstack([made_up, made_up + dice.uniform(5, 90, (3, 2))])])
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    wrong = np.concatenate(
        [np.where(dice.random(len(picked)) < 0.8, ids[picked], 0), dice.integers(0, classes, 3)]
    )
    scores = dice.integers(1, 100, len(found)) / 100  # with ties
    conditions = tuple(dice.choice(["Norm", "Night"]) for _ in range(count))
    return Sample(Truth(boxes, ids, conditions), Found(found, scores, wrong.astype(np.int64)))


def coco_precision(
    samples: list[Sample], classes: int, ignored: list[np.ndarray[Any, Any]] | None = None
) -> Any:
    """The (10, classes) AP of COCOeval with 300 detections; NaN without objects."""
    coco = COCO()
    annotations: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for picture, sample in enumerate(samples, 1):
        for number, (box, class_id) in enumerate(zip(sample.truth.boxes, sample.truth.classes, strict=True)):
            skip = int(ignored[picture - 1][number]) if ignored else 0
            entry = _entry(box, int(class_id), picture) | {
                "id": len(annotations) + 1,
                "ignore": skip,
                "iscrowd": 0,
            }
            annotations.append(entry)
        found = sample.found
        detections += [
            _entry(box, int(class_id), picture) | {"score": float(score)}
            for box, class_id, score in zip(found.boxes, found.classes, found.scores, strict=True)
        ]
    coco.dataset = {
        "images": [{"id": picture} for picture in range(1, len(samples) + 1)],
        "categories": [{"id": number + 1} for number in range(classes)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
        evaluation.params.maxDets = [1, 100, 300]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        if ignored:
            _keep_ignore_flags(evaluation)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return np.where(precision > -1, precision, np.nan).mean(axis=1)


def _keep_ignore_flags(evaluation: Any) -> None:
    """COCOeval overwrites ``ignore`` with ``iscrowd``; the area range is its other way to ignore an object."""
    for annotation in evaluation.cocoGt.dataset["annotations"]:
        if annotation["ignore"]:
            annotation["area"] = 1e12


def _entry(box: Any, class_id: int, picture: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(each) for each in box)
    size = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    return {"image_id": picture, "category_id": class_id + 1, **size}


def ours(samples: list[Sample], classes: int) -> Any:
    ones = np.ones((1, len(samples)))
    return np.stack(
        [average_precision(match_class(samples, each), ones)[0] for each in range(classes)], axis=1
    )


@pytest.mark.parametrize("seed", range(6))
def test_precision_equals_pycocotools(seed: int) -> None:
    """At each IoU threshold and for each class, within 1e-6; ties, doubles and empty pictures among them."""
    samples = some_samples(seed)

    np.testing.assert_allclose(ours(samples, 3), coco_precision(samples, 3), atol=1e-6)


def test_precision_equals_pycocotools_on_crowded_pictures() -> None:
    """With more than a hundred detections in a picture, where the limit of 300 matters."""
    samples = some_samples(99, pictures=6, classes=1, crowded=True)
    dice = np.random.default_rng(0)
    noise = dice.uniform(0, 400, (400, 2))
    extra = np.hstack([noise, noise + 30])
    samples = [
        Sample(
            sample.truth,
            Found(
                np.vstack([sample.found.boxes, extra]),
                np.concatenate([sample.found.scores, dice.random(400)]),
                np.concatenate([sample.found.classes, np.zeros(400, np.int64)]),
            ),
        )
        for sample in samples
    ]

    np.testing.assert_allclose(ours(samples, 1), coco_precision(samples, 1), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_objects_of_other_conditions_are_ignored_as_in_pycocotools(seed: int) -> None:
    """Found or not, they count neither for nor against a condition."""
    samples = [each for each in some_samples(seed, pictures=40) if "Night" in each.truth.conditions]
    ignored = [np.array([condition != "Night" for condition in each.truth.conditions]) for each in samples]
    expected = coco_precision(samples, 3, ignored)

    measured = [
        average_precision(match_class(samples, each, "Night"), np.ones((1, len(samples))))[0]
        for each in range(3)
    ]

    np.testing.assert_allclose(np.stack(measured, axis=1), expected, atol=1e-6)
    per_condition = evaluate(samples, CLASSES).metrics.per_condition
    assert per_condition["Night"].map50_95 == pytest.approx(float(np.nanmean(expected)), abs=1e-6)


def test_an_object_that_counts_is_preferred_to_an_ignored_one() -> None:
    """A detection right on an ignored object still finds the counting one that it overlaps by 0.6, as in COCO."""
    boxes = np.array([[0.0, 0, 100, 60], [0, 0, 100, 100]])
    truth = Truth(boxes, np.zeros(2, np.int64), ("Night", "Norm"))
    sample = Sample(truth, Found(boxes[1:], np.array([0.9]), np.zeros(1, np.int64)))
    expected = coco_precision([sample], 1, [np.array([False, True])])[:, 0]

    measured = average_precision(match_class([sample], 0, "Night"), np.ones((1, 1)))[0]

    np.testing.assert_allclose(measured, expected, atol=1e-6)
    assert measured[:2].tolist() == pytest.approx([1.0, 1.0])


def perfect(classes: list[int], *, found: bool = True) -> Sample:
    boxes = np.array([[number * 50.0, 0, number * 50 + 40, 40] for number in range(len(classes))]).reshape(
        -1, 4
    )
    ids = np.array(classes, dtype=np.int64)
    seen = Found(boxes, np.full(len(classes), 0.9), ids) if found else Found(boxes[:0], np.zeros(0), ids[:0])
    return Sample(Truth(boxes, ids, ("Norm",) * len(classes)), seen)


def test_perfect_detections_score_one_and_none_score_zero() -> None:
    """The two ends of the scale, for classes that have objects; the third has none and no figure."""
    metrics = evaluate([perfect([0, 1]), perfect([0]), perfect([1], found=False)], CLASSES).metrics

    assert metrics.per_class["car"].map50_95 == pytest.approx(1.0)
    assert metrics.per_class["bus"].map50_95 == pytest.approx(51 / 101)
    assert "tree" not in metrics.per_class
    assert metrics.map50 == pytest.approx((1 + 51 / 101) / 2)
    assert metrics.per_class["car"].objects == 2


def test_a_side_without_objects_cannot_be_measured() -> None:
    """It is refused, not scored as zero."""
    with pytest.raises(PermanentError, match="no labelled object") as caught:
        evaluate([perfect([])], CLASSES)

    assert caught.value.code == "test_side_has_no_objects"


def test_counting_a_picture_twice_equals_having_it_twice() -> None:
    """Weights are what a resampled set of pictures is."""
    samples = [_distinct_scores(sample, number) for number, sample in enumerate(some_samples(3, pictures=8))]
    counts = [2, 0, 1, 3, 1, 0, 1, 2]
    repeated = [sample for sample, count in zip(samples, counts, strict=True) for _ in range(count)]

    for class_id in range(3):
        weighted = average_precision(match_class(samples, class_id), np.array([counts], float))[0]
        real = average_precision(match_class(repeated, class_id), np.ones((1, len(repeated))))[0]
        np.testing.assert_allclose(weighted, real, atol=0.02)


def _distinct_scores(sample: Sample, number: int) -> Sample:
    shift = np.arange(len(sample.found.scores)) * 1e-5 + number * 1e-7
    return Sample(sample.truth, Found(sample.found.boxes, sample.found.scores + shift, sample.found.classes))


def test_rows_without_objects_have_no_precision() -> None:
    """A resample that misses a class says nothing about it."""
    matches: Matches = match_class([perfect([0]), perfect([])], 0)

    assert np.isnan(average_precision(matches, np.array([[0.0, 1.0]]))).all()
