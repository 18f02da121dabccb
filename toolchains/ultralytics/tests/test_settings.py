"""The one list of training settings: names, types, ranges."""

from __future__ import annotations

import math
from typing import Any

import pytest

from azaion_ultralytics.settings import SETTINGS, architectures, problems


@pytest.mark.parametrize(
    "overrides",
    [
        {"lr0": 0.01, "lrf": 1, "optimizer": "AdamW", "cos_lr": True, "nbs": 8, "patience": 0},
        {"mosaic": 0, "scale": [0.5, 8], "degrees": 90.0, "freeze": 11, "cache": "ram", "close_mosaic": 0},
        {
            "scale": 0.3,
            "freeze": [0, 1, 2],
            "cache": False,
            "amp": False,
            "val_period": 0,
            "epoch_pictures": 96,
        },
    ],
)
def test_what_ultralytics_takes_is_taken(overrides: dict[str, Any]) -> None:
    """Settings of the recipes among them."""
    assert problems(overrides) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("foo", 3),
        ("lr0", math.nan),
        ("lr0", math.inf),
        ("lr0", "nan"),
        ("lr0", 2),
        ("lr0", True),
        ("lr0", None),
        ("mosaic", 2),
        ("nbs", 0),
        ("nbs", 8.5),
        ("cos_lr", 1),
        ("cos_lr", "yes"),
        ("optimizer", "adamw9"),
        ("cache", "tape"),
        ("scale", [2, 1]),
        ("scale", [0.5]),
        ("scale", -0.1),
        ("freeze", -1),
        ("freeze", ["model"]),
        ("epoch_pictures", 1.5),
        ("val_period", -1),
        ("project", "/elsewhere"),
    ],
)
def test_what_it_does_not_take_is_named_with_what_it_takes(name: str, value: object) -> None:
    """A name that is none, another type, a number out of range, a number that is none."""
    (problem,) = problems({name: value, "lrf": 0.5}).values()

    assert name in problem
    assert name not in SETTINGS or SETTINGS[name].takes() in problem


def test_every_setting_is_one_of_ultralytics_and_its_default_fits() -> None:
    """The list cannot drift away from the version that is installed."""
    from ultralytics.utils import DEFAULT_CFG_DICT

    own = {"val_period", "epoch_pictures"}
    defaults = {name: DEFAULT_CFG_DICT[name] for name in SETTINGS.keys() - own}

    assert problems({name: value for name, value in defaults.items() if value is not None}) == {}


def test_architectures_are_detectors_in_their_sizes() -> None:
    """Each can be made; other tasks are left out."""
    from ultralytics.nn.tasks import yaml_model_load

    names = architectures()

    assert {"yolo11n", "yolo11x", "yolov8s", "yolov8n-p2", "yolov10n", "yolo26n"} <= set(names)
    assert not [name for name in names if "seg" in name or "cls" in name]
    for name in names:
        assert yaml_model_load(f"{name}.yaml")["nc"] > 0
