"""Whether a new model replaces the champion: only if it is better, and not by luck of the test pictures.

Both models are measured on the same test pictures. A paired bootstrap draws whole groups (scenes) with replacement,
because pictures of one scene are not independent, and looks at the difference in mAP50-95 each time. With few groups
that interval is too narrow, so it is widened as T. Hesterberg proposes ("What Teachers Should Know about the
Bootstrap", 2014, section 4.2: expanded percentile interval). With fewer than five groups there is nothing to
resample, so pictures are drawn instead; the reason then says so.

The rule: the difference is positive, and the lower end of its 90 % interval lies above ``-tolerance``. With tolerance
0 a model that is truly equal is promoted in at most about 5 % of cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from azaion_trainer.evaluation import Evaluation, Floats, average_precision

RESAMPLES = 1000
CONFIDENCE = 0.9
MIN_GROUPS = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison says: challenger minus champion, mAP50-95 over the classes that both know."""

    promoted: bool
    reason: str
    difference: float
    interval: tuple[float, float]


FIRST = Verdict(promoted=True, reason="the first model", difference=0.0, interval=(0.0, 0.0))


def compare(
    challenger: Evaluation,
    champion: Evaluation,
    groups: Sequence[str],
    *,
    tolerance: float = 0.0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Verdict:
    """Compare two evaluations of the same pictures, whose scenes ``groups`` names in the same order."""
    common = [name for name in challenger.matches if name in champion.matches]
    common = [name for name in common if challenger.matches[name].objects.any()]
    if not common:
        return Verdict(True, "no class in common with the champion", 0.0, (0.0, 0.0))  # noqa: FBT003
    by_group = len(set(groups)) >= MIN_GROUPS
    units = groups if by_group else [str(number) for number in range(len(groups))]
    weights = np.vstack([np.ones((1, len(units))), resample_weights(units, resamples, seed)])
    differences = _mean_precision(challenger, common, weights) - _mean_precision(champion, common, weights)
    difference, interval = float(differences[0]), _interval(differences[1:], len(set(units)))
    promoted = difference > 0 and interval[0] > -tolerance
    scope = "" if len(common) == len(challenger.matches) else f" on {len(common)} common classes"
    drawn = f"{len(set(units))} {'scenes' if by_group else 'pictures of too few scenes'}"
    reason = (
        f"mAP50-95 {difference:+.4f} (90 % interval {interval[0]:+.4f} to {interval[1]:+.4f}, {drawn}){scope}"
    )
    return Verdict(promoted, reason, difference, interval)


def resample_weights(units: Sequence[str], resamples: int, seed: int) -> Floats:
    """How often each picture counts in each resample, (resamples, pictures): units are drawn with replacement."""
    _, unit_of = np.unique(np.array(units), return_inverse=True)
    count = int(unit_of.max()) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights: Floats = draws[:, unit_of].astype(np.float64)
    return weights


def _mean_precision(evaluation: Evaluation, names: Sequence[str], weights: Floats) -> Floats:
    """mAP50-95 of each row of weights over those of the classes that have objects in it; NaN if none has."""
    per_class = np.stack(
        [average_precision(evaluation.matches[name], weights).mean(axis=1) for name in names]
    )
    present = ~np.isnan(per_class)
    counts = present.sum(axis=0)
    sums = np.where(present, per_class, 0.0).sum(axis=0)
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def _interval(differences: Floats, units: int) -> tuple[float, float]:
    """The expanded percentile interval; all that is possible when there is only one unit."""
    usable = differences[~np.isnan(differences)]
    if units < 2 or not len(usable):  # noqa: PLR2004 - one unit shows no spread
        return -1.0, 1.0
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    tail = NormalDist().cdf(-math.sqrt(units / (units - 1)) * _student_quantile(z, units - 1))
    low, high = np.quantile(usable, [tail, 1 - tail])
    return float(low), float(high)


def _student_quantile(z: float, freedom: int) -> float:
    """Student's t quantile from the normal one (Abramowitz and Stegun 26.7.5), good to 2 % from 3 degrees on."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(z + sum(term / freedom**power for power, term in enumerate(terms, start=1)))
