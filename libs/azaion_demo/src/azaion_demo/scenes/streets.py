"""Paints roads, pavements, markings and car parks onto the land."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np

from azaion_demo.scenes.geometry import Line, Points, direction
from azaion_demo.scenes.layout import LANE_M, Bay, Layout, Road
from azaion_demo.scenes.looks import Look
from azaion_demo.scenes.pen import Floats, Pen, Pixels, mixed, shaded

_PAVEMENT_M = 1.7
_WHEEL_TRACK_M = 0.85
_LINE_M = 0.14


def paint_streets(albedo: Pixels, layout: Layout, look: Look, noise: Floats, px_per_m: float) -> None:
    """Paint in the order of laying: shoulders and pavements, asphalt, wheel tracks, then the worn markings."""
    pen = Pen(albedo, px_per_m)
    for road in layout.roads:
        _paint_shoulder(pen, road, look)
    for lot in layout.lots:
        pen.polygon(lot.outline, shaded(look.asphalt, 1.07))
        pen.polygon(lot.entrance, shaded(look.asphalt, 1.07))
    for road in layout.roads:
        pen.polygon(road.axis.ribbon(-road.half_width, road.half_width), look.asphalt)
    for road in layout.roads:
        _paint_wheel_tracks(pen, road, look)
    _paint_repairs(pen, layout.roads, look)
    _blend_markings(albedo, _marking_mask(layout, noise.shape, px_per_m), look, noise)


def _paint_shoulder(pen: Pen, road: Road, look: Look) -> None:
    if road.street:
        edge = road.half_width + _PAVEMENT_M
        pen.polygon(road.axis.ribbon(-edge, edge), look.paving)
        kerb = road.half_width + 0.18
        pen.polygon(road.axis.ribbon(-kerb, kerb), shaded(look.paving, 1.16))
        _paint_joints(pen, road, look)
    else:
        edge = road.half_width + 0.7
        pen.polygon(road.axis.ribbon(-edge, edge), mixed(look.paving, look.land[0].colour, 0.45))


def _paint_joints(pen: Pen, road: Road, look: Look) -> None:
    """The joints between paving slabs, across both pavements."""
    x_y_heading = road.axis.poses(np.arange(0, road.axis.length, 1.5))
    for x, y, heading in x_y_heading:
        outwards = direction(heading + np.pi / 2)
        for side in (-1, 1):
            ends = np.outer([road.half_width + 0.2, road.half_width + _PAVEMENT_M], outwards * side)
            pen.line(ends + np.array([x, y]), shaded(look.paving, 0.9), 0.1)


def _paint_wheel_tracks(pen: Pen, road: Road, look: Look) -> None:
    """Where wheels go asphalt is polished darker, and in winter free of snow."""
    between, track = shaded(look.asphalt, 1.04), shaded(look.asphalt, 0.95)
    if look.snow:
        between, track = mixed(look.asphalt, (225, 220, 216), 0.42), shaded(look.asphalt, 0.90)
        pen.polygon(road.axis.ribbon(-road.half_width, road.half_width), between)
    for lane in road.lanes():
        for offset in (-_WHEEL_TRACK_M, _WHEEL_TRACK_M):
            half = 0.32 if not look.snow else 0.55
            pen.polygon(lane.ribbon(offset - half, offset + half), track)


def _paint_repairs(pen: Pen, roads: tuple[Road, ...], look: Look) -> None:
    """Patched stretches and sealed cracks, at places that depend on the road only."""
    if look.snow:
        return
    for road in roads:
        for number, lane in enumerate(road.lanes()):
            start = (lane.length * 0.37 + number * 23.0) % max(lane.length - 12, 1)
            tone = 0.86 if number % 2 else 1.1
            pen.polygon(
                lane.part(start, start + 4 + number * 2.0).ribbon(-1.3, 0.9), shaded(look.asphalt, tone)
            )


def _marking_mask(layout: Layout, shape: tuple[int, ...], px_per_m: float) -> Pixels:
    mask = np.zeros(shape[:2], np.uint8)
    pen = Pen(mask, px_per_m)
    for road in layout.roads:
        _mark_road(pen, road)
    junctions = _junctions(layout.roads, shape, px_per_m)
    mask[junctions > 0] = 0
    for road in layout.roads:
        if len(layout.roads) > 1 and road.street:
            _mark_crossings(pen, road, layout.roads)
    for lot in layout.lots:
        for bay in lot.bays:
            _mark_bay(pen, bay)
    return mask


def _mark_road(pen: Pen, road: Road) -> None:
    half = _LINE_M / 2
    for edge in (-road.half_width + 0.3, road.half_width - 0.3):
        if not road.street:
            pen.polygon(road.axis.ribbon(edge - half, edge + half), (255,))
    if road.lanes_each_way > 1:
        for offset in (-0.16, 0.16):
            pen.polygon(road.axis.ribbon(offset - half, offset + half), (255,))
    dashed = [0.0] if road.lanes_each_way == 1 else [-LANE_M, LANE_M]
    for offset in dashed:
        for start in np.arange(0.0, road.axis.length - 3, 6.0):
            pen.polygon(road.axis.part(start, start + 3).ribbon(offset - half, offset + half), (255,))


def _junctions(roads: tuple[Road, ...], shape: tuple[int, ...], px_per_m: float) -> Pixels:
    """Where roads overlap, and a little around: no lane markings there."""
    surfaces = []
    for road in roads:
        surface = np.zeros(shape[:2], np.uint8)
        edge = road.half_width + 1.2
        Pen(surface, px_per_m).polygon(road.axis.ribbon(-edge, edge), (255,))
        surfaces.append(surface)
    overlap = np.zeros(shape[:2], np.uint8)
    for first, second in combinations(surfaces, 2):
        overlap |= first & second
    return overlap


def _mark_crossings(pen: Pen, road: Road, roads: tuple[Road, ...]) -> None:
    """Zebra stripes and stop lines where a street meets another one."""
    for other in roads:
        if other is road:
            continue
        station = _meeting(road.axis, other.axis)
        if station is None:
            continue
        for sign in (-1, 1):
            _mark_zebra(pen, road, station + sign * (other.half_width + 3.2))
            _mark_stop_line(pen, road, station + sign * (other.half_width + 5.6), sign)


def _meeting(line: Line, other: Line) -> float | None:
    """The station at which two lines come within a metre, if they do."""
    distances = np.linalg.norm(line.points[:, None] - other.points[None], axis=2).min(axis=1)
    nearest = int(distances.argmin())
    return float(line.stations[nearest]) if distances[nearest] < 1.0 else None


def _mark_zebra(pen: Pen, road: Road, station: float) -> None:
    stretch = road.axis.part(station - 1.4, station + 1.4)
    for offset in np.arange(-road.half_width + 0.5, road.half_width - 0.5, 1.0):
        pen.polygon(stretch.ribbon(offset, offset + 0.5), (255,))


def _mark_stop_line(pen: Pen, road: Road, station: float, sign: int) -> None:
    # Traffic keeps right: towards the junction means the right side before it and the left side behind it.
    left, right = (0.2, road.half_width - 0.3) if sign < 0 else (-road.half_width + 0.3, -0.2)
    pen.polygon(road.axis.part(station - 0.2, station + 0.2).ribbon(left, right), (255,))


def _mark_bay(pen: Pen, bay: Bay) -> None:
    """The two long sides of a bay; its neighbour's lines fall onto the same place."""
    along, across = direction(bay.heading), direction(bay.heading + np.pi / 2)
    for side in (-0.5, 0.5):
        middle: Points = bay.centre + across * side * bay.width
        pen.line(np.stack([middle - along * bay.length / 2, middle + along * bay.length / 2]), (255,), 0.12)


def _blend_markings(albedo: Pixels, mask: Pixels, look: Look, noise: Floats) -> None:
    """Paint wears off in patches."""
    rows, columns = np.nonzero(mask)
    worn = np.clip(0.86 + 0.16 * np.roll(noise, 31, axis=0)[rows, columns], 0.25, 1.0)
    share = (mask[rows, columns] / 255 * worn * look.marking_strength)[:, None]
    painted = albedo[rows, columns] * (1 - share) + np.array(look.marking, np.float32) * share
    albedo[rows, columns] = cv2.convertScaleAbs(painted).reshape(-1, 3)
