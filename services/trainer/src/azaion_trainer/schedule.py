"""When to train without being asked: enough new pictures, all of them augmented, and nothing new for a while."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScheduleRules:
    """``min_new_pictures`` 0 means: train only when asked."""

    min_new_pictures: int
    quiet_s: float


@dataclass(frozen=True, slots=True)
class Situation:
    """What the trainer knows of its pictures. ``waiting`` of the new ones are not augmented yet."""

    new: int
    waiting: int
    quiet_for_s: float
    busy: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to train now, with the reason for the log."""

    train: bool
    reason: str


def decide(situation: Situation, rules: ScheduleRules) -> Decision:
    """Pure: the first thing that speaks against training now, or the go-ahead."""
    against = _against(situation, rules)
    if against:
        return Decision(train=False, reason=against)
    return Decision(train=True, reason=f"{situation.new} new or changed pictures")


def _against(situation: Situation, rules: ScheduleRules) -> str | None:
    if rules.min_new_pictures == 0:
        return "training starts only when asked"
    if situation.busy:
        return "a training is queued or running"
    if situation.new < rules.min_new_pictures:
        return f"{situation.new} of {rules.min_new_pictures} new pictures"
    if situation.waiting:
        return f"{situation.waiting} pictures are not augmented yet"
    if situation.quiet_for_s < rules.quiet_s:
        return f"pictures still arrive: quiet for {situation.quiet_for_s:.0f} of {rules.quiet_s:.0f} s"
    return None
