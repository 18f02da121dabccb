"""The demo's recipes follow from what there is to train on."""

from __future__ import annotations

import pytest

from azaion_demo.recipe import FROM_SCRATCH, ORDINARY_OBJECTS, recipe_for


def test_without_weights_it_trains_from_scratch() -> None:
    """However large the objects are."""
    assert recipe_for([0.01], pretrained=False) is FROM_SCRATCH


def test_objects_of_ordinary_size_need_no_enlargement() -> None:
    """Blood cells fill a good part of their picture."""
    assert recipe_for([0.16, 0.15, 0.05], pretrained=True) is ORDINARY_OBJECTS


@pytest.mark.parametrize(("size", "largest"), [(0.05, 4.0), (0.034, 5.9), (0.001, 8.0)])
def test_tiny_objects_are_enlarged_within_limits(size: float, largest: float) -> None:
    """The smaller they are, the more they are enlarged now and then, so that a closer camera finds them too."""
    assert recipe_for([size], pretrained=True).overrides["scale"] == [0.5, largest]


def test_a_folder_without_boxes_has_a_recipe_too() -> None:
    """Nothing is divided by nothing."""
    assert recipe_for([], pretrained=True) is ORDINARY_OBJECTS
