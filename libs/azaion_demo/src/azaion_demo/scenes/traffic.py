"""Who drives and who is parked where, at any time; nobody ever touches anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from azaion_demo.scenes.dice import chance
from azaion_demo.scenes.geometry import Line, Points, direction
from azaion_demo.scenes.layout import Bay, Layout, Road
from azaion_demo.scenes.vehicles import Vehicle, VehicleClass, random_vehicle

_CLEARANCE_M = 0.3
_CIRCLES = 5
_NEAR_M = 12.0
_JUNCTION_M = 8.5
_LONG_BAY_M = 8.0


@dataclass(frozen=True, eq=False)
class Track:
    """A vehicle on a line; it starts anew at the line's start when it has passed its end."""

    vehicle: Vehicle
    line: Line
    start_m: float
    speed_m_s: float

    @property
    def parked(self) -> bool:
        return self.speed_m_s == 0

    def poses(self, times_s: Points) -> Points:
        """x, y (metres) and heading (radians) at each time; (T, 3)."""
        return self.line.poses((self.start_m + self.speed_m_s * times_s) % self.line.length)


def plan_traffic(rng: Generator, layout: Layout, times_s: Points) -> tuple[Track, ...]:
    """Tracks of which no two come closer than a hand's breadth at any of ``times_s`` (T,), T >= 1."""
    admitted: list[Track] = []
    covers: list[Points] = []
    radii: list[float] = []
    for track in _candidates(rng, layout):
        cover = _cover(track, times_s)
        radius = track.vehicle.width_m / 2 + _CLEARANCE_M
        if covers and _closest(cover, np.stack(covers), np.array(radii) + radius) < 0:
            continue
        admitted.append(track)
        covers.append(cover)
        radii.append(radius)
    return tuple(admitted)


def _cover(track: Track, times_s: Points) -> Points:
    """Centres of circles of half the vehicle's width that together cover it; (T, circles, 2)."""
    poses = track.poses(times_s)
    reach = (track.vehicle.length_m - track.vehicle.width_m * 0.8) / 2
    along = np.linspace(-reach, reach, _CIRCLES)
    headings = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    return poses[:, None, :2] + headings[:, None] * along[None, :, None]


def _closest(cover: Points, others: Points, reach: Points) -> float:
    """The smallest gap over all times between one cover (T, C, 2) and others (N, T, C, 2); negative if they touch."""
    middle = np.linalg.norm(others.mean(axis=2) - cover.mean(axis=1), axis=2)
    near = np.nonzero(middle.min(axis=1) < _NEAR_M)[0]
    if not near.size:
        return np.inf
    gaps = np.linalg.norm(others[near][:, :, :, None] - cover[None, :, None], axis=4)
    return float((gaps.min(axis=(1, 2, 3)) - reach[near]).min())


def _candidates(rng: Generator, layout: Layout) -> Iterator[Track]:
    """Parked vehicles first: they have no way around those that drive."""
    for lot in layout.lots:
        for bay in lot.bays:
            if chance(rng, 0.68):
                yield _in_bay(rng, bay)
    for road in layout.roads:
        if road.street and road.lanes_each_way == 1:
            yield from _at_kerb(rng, road, layout)
    for road in layout.roads:
        for lane in road.lanes():
            yield from _in_lane(rng, lane)


def _parked(vehicle: Vehicle, centre: Points, heading: float) -> Track:
    along = direction(heading)
    return Track(vehicle, Line(np.stack([centre - along, centre + along])), start_m=1.0, speed_m_s=0.0)


def _in_bay(rng: Generator, bay: Bay) -> Track:
    long_bay = bay.length > _LONG_BAY_M
    kinds = [VehicleClass.TRUCK, VehicleClass.BUS] if long_bay else [VehicleClass.CAR]
    vehicle = random_vehicle(rng, kinds[rng.integers(len(kinds))])
    slack = (bay.length - vehicle.length_m) / 2
    centre = bay.centre + direction(bay.heading) * rng.uniform(-0.6, 0.6) * max(slack, 0.1)
    backed_in = np.pi if chance(rng, 0.4) else 0.0
    return _parked(vehicle, centre, bay.heading + backed_in + rng.normal(0, 0.025))


def _at_kerb(rng: Generator, road: Road, layout: Layout) -> Iterator[Track]:
    """Half on the pavement, away from junctions."""
    for side in (-1, 1):
        line = road.axis.shifted(side * (road.half_width + 0.45))
        for station in np.arange(rng.uniform(0, 8), line.length - 8, 6.6):
            x, y, heading = line.poses(np.array([station]))[0]
            place = np.array([x, y])
            if chance(rng, 0.28) and not _at_junction(place, road, layout):
                turned = 0.0 if side > 0 else np.pi
                yield _parked(
                    random_vehicle(rng, VehicleClass.CAR), place, heading + turned + rng.normal(0, 0.02)
                )


def _at_junction(place: Points, road: Road, layout: Layout) -> bool:
    others = [other for other in layout.roads if other is not road]
    gates = [lot.entrance.mean(axis=0) for lot in layout.lots]
    return any(
        np.linalg.norm(other.axis.points - place, axis=1).min() < other.half_width + _JUNCTION_M
        for other in others
    ) or any(np.linalg.norm(gate - place) < _JUNCTION_M for gate in gates)


def _in_lane(rng: Generator, lane: Line) -> Iterator[Track]:
    """One speed per lane keeps its order; the gaps are what differs."""
    speed = rng.uniform(6.0, 11.0)
    position = rng.uniform(0, 12)
    while position < lane.length - 12:
        kind = VehicleClass(rng.choice(3, p=[0.38, 0.34, 0.28]))
        vehicle = random_vehicle(rng, kind)
        position += vehicle.length_m / 2
        yield Track(vehicle, lane.shifted(rng.uniform(-0.25, 0.25)), position, speed)
        position += vehicle.length_m / 2 + 3.5 + rng.exponential(9.0)
