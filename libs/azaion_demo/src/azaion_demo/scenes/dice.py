"""Chance, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import Generator

_Option = TypeVar("_Option")


def chance(rng: Generator, share: float) -> bool:
    """True in ``share`` of the cases."""
    return bool(rng.random() < share)


def within(draw: float, share: float) -> bool:
    """True for ``share`` of the draws in [0, 1): a choice that was made earlier and is now looked up."""
    return draw < share


def pick(options: Sequence[_Option], draw: float) -> _Option:
    """The option that a draw in [0, 1) falls on."""
    return options[int(draw * len(options))]
