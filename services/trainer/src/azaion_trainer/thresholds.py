"""From which score on a detection is worth showing: for each class, where F1 is best on pictures set aside for that.

Precision and recall are those at IoU 0.5, over all pictures together. F1 is flat around its best score on a good model
and jumps on few objects, so the middle of the stretch around the best one is taken that is as good within a hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from azaion_trainer.evaluation import Floats, Matches, Sample, match_class

SCORES: Floats = np.round(np.linspace(0.05, 0.95, 91), 2)
AS_GOOD = 0.01
FEW_OBJECTS = 10
"""A class with fewer objects gets the threshold of all classes together."""


def best_thresholds(samples: Sequence[Sample], class_names: Sequence[str]) -> dict[str, float]:
    """By class name, 0.05 to 0.95; a class is missing where nothing of it, or of any class, was ever found right."""
    matches = {name: match_class(samples, number) for number, name in enumerate(class_names)}
    counts = {name: _counts(each) for name, each in matches.items()}
    of_all = _best(_f1(*map(sum, zip(*counts.values(), strict=True)))) if counts else None  # type: ignore[arg-type]
    chosen = {}
    for name, (right, shown, objects) in counts.items():
        threshold = of_all if objects < FEW_OBJECTS else _best(_f1(right, shown, objects))
        if threshold is not None:
            chosen[name] = threshold
    return chosen


def _counts(matches: Matches) -> tuple[Floats, Floats, int]:
    """Right ones and all that are shown, from each of ``SCORES`` on, and the objects that there are."""
    hits = matches.hits[0] & ~matches.ignored[0]
    counting = matches.scores[~matches.ignored[0]]
    right, shown = (_at_least(each) for each in (matches.scores[hits], counting))
    return right, shown, int(matches.objects.sum())


def _at_least(scores: Floats) -> Floats:
    ascending = np.sort(scores)
    counts: Floats = (len(ascending) - np.searchsorted(ascending, SCORES, side="left")).astype(np.float64)
    return counts


def _f1(right: Floats, shown: Floats, objects: int) -> Floats:
    """2TP / (detections + objects), which is the harmonic mean of precision and recall."""
    values: Floats = 2 * right / np.maximum(shown + objects, 1)
    return values


def _best(f1: Floats) -> float | None:
    best = int(np.argmax(f1))
    if f1[best] <= 0:
        return None
    good = f1 >= f1[best] - AS_GOOD
    low, high = best, best
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(good) - 1 and good[high + 1]:
        high += 1
    return float(SCORES[(low + high) // 2])
