"""``KEY=VALUE`` is checked when it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from azaion_common.core.errors import PermanentError
from azaion_trainer.asking import check_own, check_theirs, parse_settings
from azaion_trainer.ports import KnownSettings

KNOWN = KnownSettings(
    settings={"lr0": "a number from 0 to 1", "mosaic": "a number from 0 to 1"},
    architectures=("yolo11n", "yolo11s"),
    problems={},
)


def refusal(*pairs: str, problems: dict[str, str] | None = None) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        typed(pairs, KnownSettings(KNOWN.settings, KNOWN.architectures, problems or {}))
    return caught.value


def typed(pairs: Sequence[str], known: KnownSettings) -> dict[str, Any]:
    settings = parse_settings(pairs)
    check_own(settings)
    check_theirs(settings, known)
    return settings


def test_what_is_right_is_taken_with_its_type() -> None:
    """Numbers as people write them, words, lists; a device is a word whatever it looks like."""
    pairs = ["epochs=5", "lr0=1e-3", "mosaic=0", "device=0", "budget_hours=0.5", "architecture=yolo11s"]
    assert typed([*pairs, "weights=a.pt"], KNOWN) == {
        "epochs": 5, "lr0": 0.001, "mosaic": 0, "device": "0", "budget_hours": 0.5, "architecture": "yolo11s",
        "weights": "a.pt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "named"),
    [
        ("epochs=nan", "epochs=nan"),
        ("epochs=.inf", "finite"),
        ("lr0=-inf", "finite"),
        ("epochs=0", "greater than or equal to 1"),
        ("epochs=2.5", "epochs"),
        ("epochs=many", "whole number"),
        ("epochs=true", "takes a number"),
        ("imgsz=100", "multiple of 32"),
        ("imgsz=64000", "less than or equal to 4096"),
        ("batch=0", "batch"),
        ("seed=-1", "seed"),
        ("threads=0", "threads"),
        ("device=gpu", "device"),
        ("budget_hours=0", "budget_hours"),
        ("architecture=yolo11z", "no architecture yolo11z"),
    ],
)
def test_a_value_that_a_setting_does_not_take_is_refused(pair: str, named: str) -> None:
    """Types, ranges, numbers that are none."""
    error = refusal(pair)

    assert error.code == "setting_invalid"
    assert named in error.message


@pytest.mark.parametrize(
    ("pair", "meant"),
    [("epohcs=3", "epochs"), ("lr=0.1", "lr0"), ("Mosaic=1", "mosaic"), ("img_sz=320", "imgsz")],
)
def test_a_misspelt_name_leads_to_the_one_that_was_meant(pair: str, meant: str) -> None:
    """Ours and the toolchain's alike."""
    error = refusal(pair)

    assert (error.code, error.hint) == ("setting_unknown", f"did you mean {meant}?")


def test_a_name_like_no_other_leads_to_the_list() -> None:
    """There is nothing to guess."""
    assert refusal("foo=3").hint == "azaion train --list lists them all"


def test_what_the_toolchain_objects_to_is_passed_on() -> None:
    """In its own words."""
    assert refusal("lr0=2", problems={"lr0": "lr0 takes a number from 0 to 1, not 2"}).message.startswith(
        "lr0 takes"
    )


def test_a_setting_that_is_given_twice_is_refused() -> None:
    """Nobody knows which one is meant."""
    assert refusal("epochs=3", "epochs=4").code == "setting_malformed"
