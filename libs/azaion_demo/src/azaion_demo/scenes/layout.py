"""Where things are: a random but plausible plan of roads, car parks, houses, trees and fields, in metres.

Nothing is drawn here. A coarse raster of claims keeps houses off roads and trees off houses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import cv2
import numpy as np
from numpy.random import Generator

from azaion_demo.scenes.dice import chance
from azaion_demo.scenes.geometry import Line, Points, direction, rectangle

LANE_M = 3.4
_CLAIM_PX_PER_M = 2.0


class Theme(StrEnum):
    """What a place is mostly made of."""

    COUNTRY = "country"
    SUBURB = "suburb"
    CAR_PARK = "car-park"
    DEPOT = "depot"
    TOWN = "town"


@dataclass(frozen=True, eq=False)
class Road:
    """A road with one or two lanes each way; a street also has kerbs, pavements and lamps."""

    axis: Line
    lanes_each_way: int
    street: bool

    @property
    def half_width(self) -> float:
        return self.lanes_each_way * LANE_M + 0.5

    def lanes(self) -> list[Line]:
        """The centre lines of all lanes in driving direction (traffic keeps right)."""
        offsets = [(number + 0.5) * LANE_M for number in range(self.lanes_each_way)]
        return [side.shifted(offset) for side in (self.axis, self.axis.reversed()) for offset in offsets]


@dataclass(frozen=True, eq=False)
class Bay:
    """A marked place to park, pointing along ``heading``."""

    centre: Points
    heading: float
    length: float
    width: float


@dataclass(frozen=True, eq=False)
class Lot:
    """Paved ground with bays."""

    outline: Points
    entrance: Points
    bays: tuple[Bay, ...]


@dataclass(frozen=True, eq=False)
class Roof:
    """A building from above; ``tint`` in [0, 1) picks its colour."""

    centre: Points
    length: float
    width: float
    heading: float
    height: float
    gabled: bool
    tint: float


@dataclass(frozen=True, eq=False)
class Tree:
    """A crown; ``tint`` in [0, 1) picks its colour."""

    centre: Points
    radius: float
    tint: float


@dataclass(frozen=True, eq=False)
class Patch:
    """A field; ``kind`` in [0, 1) picks its surface, rows run along ``heading``."""

    outline: Points
    heading: float
    kind: float


@dataclass(frozen=True, eq=False)
class Layout:
    """The whole plan of a place of ``extent`` (width, height) metres."""

    extent: tuple[float, float]
    patches: tuple[Patch, ...]
    roads: tuple[Road, ...]
    lots: tuple[Lot, ...]
    roofs: tuple[Roof, ...]
    trees: tuple[Tree, ...]
    lamps: tuple[Points, ...]


class Claims:
    """Which ground is taken."""

    def __init__(self, extent: tuple[float, float]) -> None:
        width, height = (int(side * _CLAIM_PX_PER_M) + 1 for side in extent)
        self._taken = np.zeros((height, width), np.uint8)

    def take(self, outline: Points) -> None:
        cv2.fillPoly(self._taken, [np.rint(outline * _CLAIM_PX_PER_M).astype(np.int32)], 255)

    def is_free(self, outline: Points) -> bool:
        """True if the ground lies at least partly within the place and nothing stands on it."""
        mask = np.zeros_like(self._taken)
        cv2.fillPoly(mask, [np.rint(outline * _CLAIM_PX_PER_M).astype(np.int32)], 255)
        return bool(mask.any()) and not cv2.bitwise_and(mask, self._taken).any()

    def try_take(self, outline: Points) -> bool:
        """Take the ground if all of it is free."""
        free = self.is_free(outline)
        if free:
            self.take(outline)
        return free


def plan_layout(rng: Generator, extent: tuple[float, float], theme: Theme) -> Layout:
    """A plan of a place with roads through its middle."""
    claims = Claims(extent)
    roads = _plan_roads(rng, extent, theme)
    for road in roads:
        margin = road.half_width + (2.4 if road.street else 1.0)
        claims.take(road.axis.ribbon(-margin, margin))
    lots = _plan_lots(rng, roads, claims, theme)
    roofs = _plan_roofs(rng, roads, claims, theme)
    return Layout(
        extent=extent,
        patches=_plan_patches(rng, extent, roads[0]),
        roads=roads,
        lots=lots,
        roofs=roofs,
        trees=_plan_trees(rng, extent, roads, claims, theme),
        lamps=_plan_lamps(roads, lots),
    )


def _bent_line(rng: Generator, through: Points, heading: float, reach: float, bend: float) -> Line:
    """A line through a point that bends slowly, ``reach`` metres to each side."""
    along = np.arange(-reach, reach + 1.0)
    phase, wave = rng.uniform(0, 2 * np.pi), rng.uniform(110, 180)
    angles = heading + bend * (np.sin(along / wave * 2 * np.pi + phase) - np.sin(phase))
    steps = np.column_stack([np.cos(angles), np.sin(angles)])
    points = np.cumsum(steps, axis=0)
    return Line(points - points[len(points) // 2] + through)


def _plan_roads(rng: Generator, extent: tuple[float, float], theme: Theme) -> tuple[Road, ...]:
    width, height = extent
    street = theme is not Theme.COUNTRY
    long_map = width > 1.2 * height
    centre = np.array([width / 2, height / 2]) + rng.uniform(-6, 6, 2)
    heading = rng.uniform(-0.12, 0.12) if long_map else rng.uniform(0, 2 * np.pi)
    bend = rng.uniform(0.05, 0.18) if street else rng.uniform(0.15, 0.4)
    main = _bent_line(rng, centre, heading, max(extent) * 0.75, bend)
    wide = theme in (Theme.TOWN, Theme.COUNTRY) and chance(rng, 0.5)
    roads = [Road(main, 2 if wide else 1, street)]
    crossings = [-0.3, 0.02, 0.3] if long_map else [rng.uniform(-0.06, 0.06)]
    if theme is Theme.COUNTRY and chance(rng, 0.4):
        crossings = []
    for place in crossings:
        x, y, along = main.poses(np.array([main.length / 2 + place * width]))[0]
        turn = np.pi / 2 + rng.uniform(-0.3, 0.3)
        roads.append(
            Road(_bent_line(rng, np.array([x, y]), along + turn, max(extent) * 0.75, 0.06), 1, street)
        )
    return tuple(roads)


def _beside(road: Road, station: float, side: int, distance: float) -> tuple[Points, float]:
    """The point ``distance`` beyond the road's edge at a station, and the road's heading there."""
    x, y, heading = road.axis.poses(np.array([station]))[0]
    outwards = direction(heading + side * np.pi / 2)
    return np.array([x, y]) + outwards * (road.half_width + distance), float(heading)


def _plan_lots(rng: Generator, roads: tuple[Road, ...], claims: Claims, theme: Theme) -> tuple[Lot, ...]:
    wanted = {Theme.CAR_PARK: 3, Theme.DEPOT: 3, Theme.TOWN: 4, Theme.SUBURB: 1, Theme.COUNTRY: 0}[theme]
    lots: list[Lot] = []
    for _ in range(wanted * 12):
        road, side = roads[rng.integers(len(roads))], int(rng.choice([-1, 1]))
        station = road.axis.length / 2 + rng.uniform(-45, 45)
        large = theme is Theme.DEPOT or chance(rng, 0.3)
        lot = _lot(road, station, side, bays=int(rng.integers(5, 9 if large else 13)), large=large)
        if len(lots) < wanted and claims.try_take(lot.outline):
            claims.take(lot.entrance)
            lots.append(lot)
    return tuple(lots)


def _lot(road: Road, station: float, side: int, *, bays: int, large: bool) -> Lot:
    """Two rows of car bays with an aisle between them, or one row of long bays with a wide aisle."""
    bay_length, bay_width, aisle, rows = (11.0, 3.6, 8.0, 1) if large else (5.2, 2.6, 6.4, 2)
    depth, length = rows * bay_length + aisle + 1.0, bays * bay_width + 1.0
    centre, heading = _beside(road, station, side, 3.2 + depth / 2)
    across = heading + side * np.pi / 2
    places = []
    for row in range(rows):
        sign = 1 if row == 0 else -1
        row_centre = centre + direction(across) * sign * (depth / 2 - 0.5 - bay_length / 2)
        for number in range(bays):
            offset = (number - (bays - 1) / 2) * bay_width
            places.append(Bay(row_centre + direction(heading) * offset, across, bay_length, bay_width))
    gate = centre + direction(heading) * length * 0.32 - direction(across) * (depth / 2 + 2.4)
    return Lot(rectangle(centre, length, depth, heading), rectangle(gate, 6.5, 6.4, heading), tuple(places))


def _plan_roofs(rng: Generator, roads: tuple[Road, ...], claims: Claims, theme: Theme) -> tuple[Roof, ...]:
    tries = {Theme.COUNTRY: 8, Theme.CAR_PARK: 60, Theme.DEPOT: 60, Theme.SUBURB: 160, Theme.TOWN: 260}[theme]
    roofs = []
    for _ in range(tries):
        hall = theme in (Theme.CAR_PARK, Theme.DEPOT) and chance(rng, 0.5)
        length, width = (
            (rng.uniform(22, 34), rng.uniform(14, 20)) if hall else (rng.uniform(9, 15), rng.uniform(7.5, 10))
        )
        road = roads[rng.integers(len(roads))]
        setback = rng.uniform(4.5, 8) + (
            rng.integers(0, 3) * 19 if theme is not Theme.COUNTRY else rng.uniform(0, 15)
        )
        station, side = rng.uniform(0, road.axis.length), int(rng.choice([-1, 1]))
        centre, heading = _beside(road, station, side, setback + width / 2)
        heading += rng.choice([0.0, 0.0, np.pi / 2]) if not hall else 0.0
        if claims.try_take(rectangle(centre, length + 3, width + 3, heading)):
            height = rng.uniform(5, 8) if hall else rng.uniform(4, 7)
            roofs.append(
                Roof(centre, length, width, heading, height, not hall and chance(rng, 0.8), rng.random())
            )
    return tuple(roofs)


def _plan_trees(
    rng: Generator, extent: tuple[float, float], roads: tuple[Road, ...], claims: Claims, theme: Theme
) -> tuple[Tree, ...]:
    groves = 3 if theme is Theme.COUNTRY else 1
    spots = [rng.uniform((0, 0), extent, (int(extent[0] * extent[1] / 260), 2))]
    spots += [rng.normal(rng.uniform((0, 0), extent), 9.0, (24, 2)) for _ in range(groves)]
    for road in roads:
        along = np.arange(rng.uniform(0, 9), road.axis.length, rng.uniform(8, 12))
        verge = road.half_width + (3.6 if road.street else 2.6)
        spots.append(road.axis.shifted(verge if chance(rng, 0.5) else -verge).poses(along)[:, :2])
    trees = []
    for spot in np.concatenate(spots):
        radius = rng.uniform(1.3, 3.2)
        if claims.try_take(rectangle(spot, 1.1 * radius, 1.1 * radius, 0.0)):
            trees.append(Tree(spot, radius, rng.random()))
    return tuple(trees)


def _plan_patches(rng: Generator, extent: tuple[float, float], road: Road) -> tuple[Patch, ...]:
    """Strips of land across a grid that is turned like the main road."""
    heading = float(road.axis.headings[len(road.axis.headings) // 2])
    along, across = direction(heading), direction(heading + np.pi / 2)
    reach = float(np.hypot(*extent)) / 2
    centre = np.array(extent) / 2
    cuts = np.concatenate([[-reach], np.sort(rng.uniform(-reach * 0.6, reach * 0.6, 2)), [reach]])
    patches = []
    for left, right in pairwise(cuts):
        for far, near in ((-reach, 0.0), (0.0, reach)):
            middle = centre + along * (left + right) / 2 + across * (far + near) / 2
            outline = rectangle(middle, right - left, near - far, heading)
            patches.append(Patch(outline, heading + rng.choice([0.0, np.pi / 2]), rng.random()))
    return tuple(patches)


def _plan_lamps(roads: tuple[Road, ...], lots: tuple[Lot, ...]) -> tuple[Points, ...]:
    lamps: list[Points] = [
        (lot.outline[corner] + lot.outline.mean(axis=0)) / 2 for lot in lots for corner in (0, 2)
    ]
    for road in roads:
        if road.street:
            for number, station in enumerate(np.arange(6.0, road.axis.length, 19.0)):
                side = 1 if number % 2 else -1
                lamps.append(
                    road.axis.shifted(side * (road.half_width + 0.4)).poses(np.array([station]))[0, :2]
                )
    return tuple(lamps)
