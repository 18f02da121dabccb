"""Letterboxing against an independent description of it, written pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from azaion_vision.letterbox import Letterbox, letterbox

_SIZES = [(432, 768), (768, 432), (640, 640), (100, 33), (33, 100), (1, 50), (719, 1281)]


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * 10_000 + width).integers(0, 256, (height, width, 3), np.uint8)


def reference(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """The definition: paste the scaled picture on a grey canvas (extra pixel right and below), then RGB / 255."""
    ratio = min(size[0] / image.shape[0], size[1] / image.shape[1])
    width, height = round(image.shape[1] * ratio), round(image.shape[0] * ratio)
    canvas = np.full((*size, 3), 114, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height))
    red_first = canvas[:, :, [2, 1, 0]].astype(np.float32)
    return np.moveaxis(red_first, 2, 0) / np.float32(255)


@pytest.mark.parametrize("image_size", _SIZES)
@pytest.mark.parametrize("size", [(640, 640), (384, 640), (320, 321)])
def test_every_pixel_equals_the_definition(image_size: tuple[int, int], size: tuple[int, int]) -> None:
    """The batch slot holds, bit for bit, the scaled picture on grey."""
    image = picture(*image_size)

    assert np.array_equal(letterbox(image, size), reference(image, size))


def test_a_slot_used_before_is_filled_completely() -> None:
    """What an earlier picture of another shape left in the slot is gone."""
    slot = np.full((3, 64, 64), np.nan, np.float32)
    letterbox(picture(64, 20), (64, 64), slot)

    letterbox(picture(20, 64), (64, 64), slot)

    assert np.array_equal(slot, reference(picture(20, 64), (64, 64)))


def test_eight_bit_slots_hold_the_same_picture() -> None:
    """A uint8 slot holds the values before the division by 255."""
    slot = np.zeros((3, 64, 96), np.uint8)

    letterbox(picture(50, 30), (64, 96), slot)

    assert np.array_equal(slot.astype(np.float32) / np.float32(255), reference(picture(50, 30), (64, 96)))


def test_no_boxes_stay_no_boxes() -> None:
    """An empty array comes back empty, with its shape."""
    place = Letterbox((640, 640)).place((432, 768))

    assert place.to_original(np.zeros((0, 4), np.float32)).shape == (0, 4)


@given(
    st.tuples(st.integers(16, 4000), st.integers(16, 4000)),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5),
)
@settings(deadline=None)
def test_boxes_return_to_where_they_were(
    image_size: tuple[int, int], fractions: list[tuple[float, float, float, float]]
) -> None:
    """A box placed into the input by the formula and brought back lies where it was, to a hundredth of a pixel."""
    height, width = image_size
    place = Letterbox((384, 640)).place(image_size)
    boxes = np.array(fractions, np.float32).reshape(-1, 4) * np.array([width, height] * 2, np.float32)

    placed = boxes * np.array(place.scale * 2, np.float32) + np.array(
        [place.pad_x, place.pad_y] * 2, np.float32
    )

    assert place.to_original(placed) == pytest.approx(boxes, abs=0.01)


def test_the_corners_of_the_picture_return_to_its_corners() -> None:
    """The rounded size is what the boxes are scaled by: a box around all that was pasted is the whole picture."""
    place = Letterbox((384, 640)).place((881, 1523))
    pasted = [place.pad_x, place.pad_y, place.pad_x + place.resized[1], place.pad_y + place.resized[0]]

    assert place.to_original(np.array([pasted], np.float32))[0] == pytest.approx([0, 0, 1523, 881], rel=1e-6)


def test_boxes_in_the_padding_are_clipped_to_the_picture() -> None:
    """A box that reaches into the grey ends at the picture's edge."""
    place = Letterbox((640, 640)).place((320, 640))

    assert place.to_original(np.array([[-5, 0, 700, 640]], np.float32)).tolist() == [[0, 0, 640, 320]]
