"""Cars, trucks and buses as seen from above: what there is, how big it is, and its exact outline."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.random import Generator

from azaion_demo.scenes.geometry import Points, rounded_rectangle
from azaion_demo.scenes.pen import Colour

CLASS_NAMES = ("car", "truck", "bus")

_CAR_PAINT: tuple[Colour, ...] = (
    (236, 236, 236), (196, 194, 190), (122, 118, 114), (44, 42, 42), (48, 44, 160), (140, 74, 36),
    (96, 56, 28), (66, 88, 42), (150, 178, 196), (52, 128, 200), (40, 40, 110), (224, 222, 216),
)  # fmt: skip
_CAB_PAINT: tuple[Colour, ...] = ((232, 232, 232), (150, 80, 40), (50, 50, 170), (60, 130, 210), (90, 90, 94))
_LOAD_PAINT: tuple[Colour, ...] = (
    (228, 230, 230),
    (206, 206, 202),
    (150, 156, 158),
    (146, 120, 84),
    (92, 124, 96),
)
_BUS_PAINT: tuple[Colour, ...] = (
    (40, 176, 232),
    (44, 52, 196),
    (176, 112, 40),
    (110, 160, 64),
    (36, 120, 226),
)


class VehicleClass(IntEnum):
    """The labelled classes; ids are those of the default catalogue."""

    CAR = 0
    TRUCK = 1
    BUS = 2


@dataclass(frozen=True)
class Vehicle:
    """One vehicle's build. ``style`` in [0, 1) picks details such as body shape or load."""

    kind: VehicleClass
    length_m: float
    width_m: float
    height_m: float
    paint: Colour
    second_paint: Colour
    style: float

    @cached_property
    def outline(self) -> Points:
        """The body's outline in metres, centred, front towards +x; (N, 2)."""
        if self.kind is VehicleClass.CAR:
            return rounded_rectangle(self.length_m, self.width_m, 0.62, 0.42)
        if self.kind is VehicleClass.BUS:
            return rounded_rectangle(self.length_m, self.width_m, 0.34, 0.24)
        return _truck_outline(self)

    @property
    def cab_length_m(self) -> float:
        return 1.9


def _truck_outline(truck: Vehicle) -> Points:
    """A load of full width behind a slightly narrower cab with rounded front."""
    front, rear, half = truck.length_m / 2, -truck.length_m / 2, truck.width_m / 2
    cab, load_end = half * 0.92, front - truck.cab_length_m - 0.25
    turn = np.linspace(0, np.pi / 2, 5)
    corner = np.column_stack([np.sin(turn), np.cos(turn)]) * 0.3 + [front - 0.3, cab - 0.3]
    right = np.concatenate([[[rear, half], [load_end, half], [load_end, cab]], corner])
    return np.concatenate([right, right[::-1] * [1, -1]])


def random_vehicle(rng: Generator, kind: VehicleClass) -> Vehicle:
    """A vehicle of a class with a random size, paint and style."""
    low, high, width, height = {
        VehicleClass.CAR: (4.15, 4.95, 1.82, 1.4),
        VehicleClass.TRUCK: (6.6, 7.4, 2.45, 3.1),
        VehicleClass.BUS: (9.1, 9.9, 2.5, 3.0),
    }[kind]
    first, second = {
        VehicleClass.CAR: (_CAR_PAINT, _CAR_PAINT),
        VehicleClass.TRUCK: (_CAB_PAINT, _LOAD_PAINT),
        VehicleClass.BUS: (_BUS_PAINT, _LOAD_PAINT),
    }[kind]
    return Vehicle(
        kind=kind,
        length_m=rng.uniform(low, high),
        width_m=width * rng.uniform(0.97, 1.03),
        height_m=height,
        paint=first[rng.integers(len(first))],
        second_paint=second[rng.integers(len(second))],
        style=rng.random(),
    )
