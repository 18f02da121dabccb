"""When to train."""

from __future__ import annotations

import pytest

from azaion_trainer.schedule import ScheduleRules, Situation, decide

RULES = ScheduleRules(min_new_pictures=100, quiet_s=60)


@pytest.mark.parametrize(
    ("situation", "train", "reason"),
    [
        (Situation(new=100, waiting=0, quiet_for_s=60, busy=False), True, "100 new or changed pictures"),
        (Situation(new=99, waiting=0, quiet_for_s=60, busy=False), False, "99 of 100 new pictures"),
        (Situation(new=0, waiting=0, quiet_for_s=9999, busy=False), False, "0 of 100 new pictures"),
        (
            Situation(new=150, waiting=1, quiet_for_s=60, busy=False),
            False,
            "1 pictures are not augmented yet",
        ),
        (Situation(new=150, waiting=0, quiet_for_s=59, busy=False), False, "quiet for 59 of 60 s"),
        (Situation(new=150, waiting=0, quiet_for_s=60, busy=True), False, "a training is queued or running"),
    ],
)
def test_training_starts_with_enough_new_augmented_pictures_and_silence(
    situation: Situation, reason: str, *, train: bool
) -> None:
    """Each condition alone holds a training back, and the reason says which."""
    decision = decide(situation, RULES)

    assert decision.train == train
    assert reason in decision.reason


def test_a_minimum_of_zero_means_only_when_asked() -> None:
    """However many pictures there are."""
    situation = Situation(new=10_000, waiting=0, quiet_for_s=1e9, busy=False)

    assert not decide(situation, ScheduleRules(min_new_pictures=0, quiet_s=0)).train
