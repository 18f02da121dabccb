"""Paints a vehicle into a sprite: a small picture with alpha, front towards +x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from azaion_demo.scenes.dice import within
from azaion_demo.scenes.pen import Colour, Pen, Pixels, mixed, shaded
from azaion_demo.scenes.vehicles import Vehicle, VehicleClass

Span = tuple[float, float]

_GLASS: Colour = (62, 52, 44)
_SHEEN: Colour = (128, 112, 98)
_HEADLAMP: Colour = (236, 240, 240)
_TAIL_LAMP: Colour = (36, 30, 178)
_SUPERSAMPLING = 2
_MARGIN_M = 0.3
_ESTATE_SHARE = 0.55
_SUNROOF_SHARE = 0.22
_OPEN_BED_SHARE = 0.25
_WHITE_ROOF_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class Sprite:
    """BGRA pixels, alpha not premultiplied, centred on the vehicle, at ``px_per_m``."""

    pixels: Pixels
    px_per_m: float


@lru_cache(maxsize=1024)
def paint_vehicle(vehicle: Vehicle, px_per_m: float, *, snowed: bool) -> Sprite:
    """The sprite of a vehicle, painted at twice ``px_per_m`` and averaged down to it."""
    fine = px_per_m * _SUPERSAMPLING
    half = np.array([vehicle.length_m, vehicle.width_m]) / 2 + _MARGIN_M
    columns, rows = (2 * np.ceil(half * fine)).astype(int)
    colours = np.empty((rows, columns, 3), np.uint8)
    colours[:] = shaded(vehicle.paint, 0.5)
    origin = -np.array([columns, rows]) / (2 * fine)
    _PAINTERS[vehicle.kind](Pen(colours, fine, origin), vehicle)
    if snowed:
        _cover_with_snow(Pen(colours, fine, origin), vehicle)
    alpha = np.zeros((rows, columns), np.uint8)
    Pen(alpha, fine, origin).polygon(vehicle.outline, (255,))
    painted = np.dstack([_rounded_light(colours, vehicle, fine), alpha])
    size = (columns // _SUPERSAMPLING, rows // _SUPERSAMPLING)
    return Sprite(np.asarray(cv2.resize(painted, size, interpolation=cv2.INTER_AREA), np.uint8), px_per_m)


def _rounded_light(colours: Pixels, vehicle: Vehicle, px_per_m: float) -> Pixels:
    """Bodies curve away at their sides: darken towards both."""
    rows = colours.shape[0]
    across = np.abs((np.arange(rows) + 0.5) / px_per_m - rows / (2 * px_per_m)) / (vehicle.width_m / 2)
    strength = 0.30 if vehicle.kind is VehicleClass.CAR else 0.16
    light = 1.04 - strength * np.clip(across, 0, 1) ** 4
    return np.asarray(np.clip(colours * light[:, None, None], 0, 255), np.uint8)


def _area(pen: Pen, xs: Span, halves: Span, colour: Colour) -> None:
    """A trapezoid about the centre line: half its width at either x."""
    (x0, x1), (half0, half1) = xs, halves
    pen.polygon(np.array([[x0, -half0], [x1, -half1], [x1, half1], [x0, half0]]), colour)


def _pair(pen: Pen, xs: Span, ys: Span, colour: Colour) -> None:
    """The same rectangle on both sides."""
    for side in (-1, 1):
        corners = np.array([[xs[0], ys[0]], [xs[1], ys[0]], [xs[1], ys[1]], [xs[0], ys[1]]])
        pen.polygon(corners * [1, side], colour)


def _paint_car(pen: Pen, car: Vehicle) -> None:
    length, half, paint = car.length_m, car.width_m / 2, car.paint
    rear_glass = -0.40 if within(car.style, _ESTATE_SHARE) else -0.27
    pen.polygon(car.outline, paint)
    _area(pen, (0.24 * length, 0.47 * length), (half * 0.72, half * 0.6), shaded(paint, 1.10))
    _area(pen, ((rear_glass - 0.09) * length, 0.26 * length), (half * 0.84, half * 0.84), shaded(_GLASS, 0.9))
    _area(pen, (0.08 * length, 0.25 * length), (half * 0.70, half * 0.86), _GLASS)
    _area(pen, (0.15 * length, 0.19 * length), (half * 0.70, half * 0.76), _SHEEN)
    _area(pen, ((rear_glass - 0.08) * length, rear_glass * length), (half * 0.8, half * 0.68), _GLASS)
    _area(pen, (rear_glass * length, 0.10 * length), (half * 0.68, half * 0.68), shaded(paint, 1.12))
    _pair(pen, (-0.12 * length, -0.10 * length), (half * 0.66, half * 0.86), paint)
    if within(car.style * 3 % 1, _SUNROOF_SHARE):
        _area(pen, (-0.10 * length, 0.04 * length), (half * 0.45, half * 0.45), (40, 36, 34))
    _pair(pen, (0.44 * length, 0.49 * length), (half * 0.52, half * 0.9), _HEADLAMP)
    _pair(pen, (-0.495 * length, -0.465 * length), (half * 0.5, half * 0.92), _TAIL_LAMP)
    pen.line(car.outline, shaded(paint, 0.55), 0.07, closed=True)


def _paint_truck(pen: Pen, truck: Vehicle) -> None:
    front, rear, half = truck.length_m / 2, -truck.length_m / 2, truck.width_m / 2
    cab_rear = front - truck.cab_length_m
    pen.polygon(truck.outline, (48, 46, 46))
    _area(pen, (cab_rear, front - 0.05), (half * 0.9, half * 0.86), truck.paint)
    _area(pen, (front - 0.75, front - 0.3), (half * 0.78, half * 0.84), _GLASS)
    _area(pen, (front - 0.56, front - 0.46), (half * 0.74, half * 0.78), _SHEEN)
    _area(pen, (cab_rear + 0.05, front - 0.85), (half * 0.74, half * 0.6), shaded(truck.paint, 1.14))
    _pair(pen, (front - 0.16, front - 0.02), (half * 0.5, half * 0.8), _HEADLAMP)
    _paint_load(pen, truck, rear + 0.04, cab_rear - 0.28)
    _pair(pen, (rear, rear + 0.14), (half * 0.6, half * 0.95), _TAIL_LAMP)


def _paint_load(pen: Pen, truck: Vehicle, rear: float, front: float) -> None:
    """A closed box or tarpaulin with ribs, or an open bed with its load."""
    half, paint = truck.width_m / 2 - 0.05, truck.second_paint
    _area(pen, (rear, front), (half, half), shaded(paint, 0.8))
    _area(pen, (rear + 0.14, front - 0.14), (half - 0.14, half - 0.14), paint)
    if within(truck.style, _OPEN_BED_SHARE):
        _area(pen, (rear + 0.2, front - 0.2), (half - 0.2, half - 0.2), (58, 74, 92))
        _area(pen, (rear + 0.7, front - 0.8), (half - 0.5, half - 0.4), (84, 116, 146))
        return
    for x in np.arange(rear + 0.6, front - 0.3, 0.62):
        pen.line(np.array([[x, -half + 0.12], [x, half - 0.12]]), shaded(paint, 0.88), 0.09)
    _area(pen, (rear + 0.2, front - 0.2), (0.1, 0.1), shaded(paint, 1.08))


def _paint_bus(pen: Pen, bus: Vehicle) -> None:
    front, rear, half = bus.length_m / 2, -bus.length_m / 2, bus.width_m / 2
    pen.polygon(bus.outline, bus.paint)
    _pair(pen, (rear + 0.5, front - 0.8), (half * 0.84, half * 0.95), shaded(_GLASS, 1.1))
    _area(pen, (front - 0.55, front - 0.08), (half * 0.88, half * 0.84), _GLASS)
    _area(pen, (front - 0.36, front - 0.26), (half * 0.8, half * 0.8), _SHEEN)
    roof = mixed(bus.paint, (240, 240, 240), 0.75 if within(bus.style, _WHITE_ROOF_SHARE) else 0.12)
    _area(pen, (rear + 0.35, front - 0.75), (half * 0.78, half * 0.78), roof)
    for place in (-0.22, 0.18):
        x = place * bus.length_m
        _area(pen, (x - 0.85, x + 0.85), (half * 0.5, half * 0.5), shaded(roof, 0.62))
        _area(pen, (x - 0.8, x + 0.72), (half * 0.46, half * 0.46), (200, 202, 202))
        _area(pen, (x - 0.3, x + 0.2), (half * 0.3, half * 0.3), (120, 120, 120))
    for place in (-0.38, -0.02, 0.34):
        x = place * bus.length_m
        _area(pen, (x - 0.32, x + 0.32), (half * 0.28, half * 0.28), shaded(roof, 0.78))
    _area(pen, (rear + 0.05, rear + 0.3), (half * 0.7, half * 0.7), (52, 50, 50))
    _pair(pen, (rear, rear + 0.14), (half * 0.75, half * 0.95), _TAIL_LAMP)
    _pair(pen, (front - 0.16, front - 0.03), (half * 0.55, half * 0.8), _HEADLAMP)
    pen.line(bus.outline, shaded(bus.paint, 0.6), 0.07, closed=True)


def _cover_with_snow(pen: Pen, vehicle: Vehicle) -> None:
    """Snow lies on the flat parts and slides off the glass of the front."""
    snow: Colour = (236, 231, 226)
    half_length, half = vehicle.length_m / 2, vehicle.width_m / 2
    if vehicle.kind is VehicleClass.CAR:
        _area(pen, (-0.30 * vehicle.length_m, 0.07 * vehicle.length_m), (half * 0.62, half * 0.60), snow)
        bonnet = (0.29 * vehicle.length_m, 0.42 * vehicle.length_m)
        _area(pen, bonnet, (half * 0.6, half * 0.5), shaded(snow, 0.97))
        return
    front = half_length - (2.4 if vehicle.kind is VehicleClass.TRUCK else 3.2)
    _area(pen, (-half_length * 0.9, front), (half * 0.72, half * 0.66), snow)


_PAINTERS: dict[VehicleClass, Callable[[Pen, Vehicle], None]] = {
    VehicleClass.CAR: _paint_car,
    VehicleClass.TRUCK: _paint_truck,
    VehicleClass.BUS: _paint_bus,
}
