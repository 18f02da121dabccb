"""Why pictures fall into so few groups, and what would make more of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from azaion_trainer.groups import GroupingRules, Picture, find_groups
from azaion_trainer.split import MIN_GROUPS

APART = -1
"""A distance or gap that nothing keeps to: the rule is off."""
NARROWER = (8, 6, 4, 2, 0)


def reasons(pictures: Sequence[Picture], rules: GroupingRules) -> str:
    """How many groups each rule makes by itself."""
    alike = len(find_groups(pictures, replace(rules, gap_s=APART)))
    near = len(find_groups(pictures, replace(rules, hash_distance=APART)))
    timed = sum(bool(each.media_name) and each.media_time_s is not None for each in pictures)
    return (
        f"by their looks alone (hash_distance {rules.hash_distance}) there are {alike}, by recordings and times alone"
        f" (gap_s {rules.gap_s:g}; {timed} of {len(pictures)} pictures state theirs) {near}"
    )


def way_out(pictures: Sequence[Picture], rules: GroupingRules) -> str:
    """What to do, the settings by name, with the number of groups that a narrower one would leave."""
    more = "add pictures of other places or times"
    for distance in NARROWER:
        if distance < rules.hash_distance:
            groups = len(find_groups(pictures, replace(rules, hash_distance=distance)))
            if groups >= MIN_GROUPS:
                return (
                    f"{more}, with names that state recording and time; or, where a fixed camera sees different things"
                    f" in a like picture, set trainer.hash_distance to {distance}: that makes {groups} groups"
                )
    if len(find_groups(pictures, replace(rules, hash_distance=APART))) < len(pictures):
        return f"{more}; or set trainer.gap_s below {rules.gap_s:g}: seconds from which on frames of one recording differ"
    return f"{more}: these are all but the same"
