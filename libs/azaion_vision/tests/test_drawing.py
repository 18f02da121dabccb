"""Drawing: what a person sees in the annotated picture."""

from __future__ import annotations

import numpy as np

from azaion_vision.detections import Detections
from azaion_vision.drawing import draw

RED_IN_BGR = [0, 0, 255]


def one_box(*corners: float, class_id: int = 0) -> Detections:
    return Detections.from_rows(np.array([[*corners, 0.9, class_id]], np.float32))


def test_nothing_found_leaves_the_picture_alone() -> None:
    """Without detections no pixel changes."""
    image = draw(np.full((50, 80, 3), 7, np.uint8), Detections.empty(), {}, {})

    assert (image == 7).all()


def test_a_box_has_the_colour_of_its_class() -> None:
    """The frame is drawn on the box's edge in the catalogue's colour, and its middle stays visible."""
    image = draw(np.zeros((200, 300, 3), np.uint8), one_box(100, 100, 200, 180), {0: "car"}, {0: "#ff0000"})

    assert image[140, 100].tolist() == RED_IN_BGR
    assert image[180, 150].tolist() == RED_IN_BGR
    assert image[140, 150].tolist() == [0, 0, 0]


def test_a_label_at_the_edge_stays_in_the_picture() -> None:
    """A box in the upper right corner still has its whole label: the picture there is mostly the class colour."""
    image = draw(np.zeros((200, 300, 3), np.uint8), one_box(290, 0, 300, 30), {0: "car"}, {0: "#ff0000"})

    assert (image[2:10, 260:295] == RED_IN_BGR).all(axis=2).mean() > 0.3


def test_an_unknown_class_is_drawn_too() -> None:
    """A class without name and colour is still visible."""
    image = draw(np.zeros((100, 100, 3), np.uint8), one_box(20, 40, 80, 90, class_id=7), {}, {})

    assert image.any()


def test_classes_without_a_colour_are_told_apart() -> None:
    """Two classes that no catalogue gave a colour are drawn in different ones."""
    first, second = (
        draw(np.zeros((100, 100, 3), np.uint8), one_box(20, 40, 80, 90, class_id=n), {}) for n in (0, 1)
    )

    assert first[90, 50].tolist() != second[90, 50].tolist()
