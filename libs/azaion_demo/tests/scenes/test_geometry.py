"""What the plane geometry under the labels promises."""

import numpy as np
import pytest

from azaion_demo.scenes.geometry import Line, clipped, polygon_area, rectangle, rotated, rounded_rectangle

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])


@pytest.mark.parametrize(
    ("shift", "area"), [((0, 0), 16), ((-1, 0), 12), ((8, 8), 4), ((9, -3), 1), ((20, 0), 0), ((-4.5, 2), 0)]
)
def test_clipping_keeps_the_part_inside(shift: tuple[float, float], area: float) -> None:
    """A polygon clipped to a 10x10 window has the area that lies in it."""
    assert polygon_area(clipped(SQUARE + shift, 10, 10)) == pytest.approx(area)


def test_clipping_a_turned_shape_cuts_its_far_corner_off() -> None:
    """The box of what is left is smaller than the box of the whole, clipped."""
    diamond = rotated(SQUARE - 2, np.pi / 4) + np.array([0, 5])

    inside = clipped(diamond, 1.0, 10.0)

    assert inside[:, 0].min() == pytest.approx(0)
    assert inside[:, 0].max() == pytest.approx(1)
    assert np.ptp(inside[:, 1]) == pytest.approx(2 * 8**0.5)


def test_a_rectangle_lies_along_its_heading() -> None:
    """Length goes along the heading, clockwise from +x."""
    corners = rectangle(np.array([5.0, 5.0]), 4, 2, np.pi / 2)

    assert corners.min(axis=0) == pytest.approx([4, 3])
    assert corners.max(axis=0) == pytest.approx([6, 7])


def test_a_rounded_rectangle_has_the_size_of_its_sharp_one() -> None:
    """Rounding corners takes area, not length."""
    outline = rounded_rectangle(4.5, 1.8, 0.6, 0.4)

    assert np.ptp(outline, axis=0) == pytest.approx([4.5, 1.8])
    assert 0.9 < polygon_area(outline) / (4.5 * 1.8) < 1


def test_a_line_shifts_to_its_right() -> None:
    """Heading along +x with y downwards, the right is +y; reversed it is the other side."""
    line = Line(np.array([[0.0, 0.0], [5.0, 0.0], [10.0, 0.0]]))

    assert line.shifted(2).points[:, 1] == pytest.approx([2, 2, 2])
    assert line.reversed().shifted(2).points[:, 1] == pytest.approx([-2, -2, -2])
    assert line.poses(np.array([2.5]))[0] == pytest.approx([2.5, 0, 0])
