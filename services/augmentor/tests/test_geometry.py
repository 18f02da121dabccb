import random

import albumentations
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_augmentor import geometry
from azaion_augmentor.recipe import Affine, BoxRule
from azaion_augmentor.transforms import AffineMatrix, HueSaturationValue

Picture = NDArray[np.uint8]
KEEP_ALL = BoxRule(min_area=0, min_visibility=0)
ALWAYS = Affine(p=1, scale=(0.8, 1.2), rotate_deg=(-35, 35), shear_deg=(-10, 10))


def _drawn(seed: int, size: tuple[int, int]) -> NDArray[np.float64]:
    return AffineMatrix(ALWAYS).draw(size, (np.random.default_rng(seed), random.Random(seed)))


@pytest.mark.parametrize("seed", range(5))
def test_one_warp_equals_the_flip_and_affine_of_albumentations(
    picture: Picture, canvas: Picture, seed: int
) -> None:
    """Flip and affine in one step give the pixels and boxes that albumentations gives in two."""
    boxes = np.array([(0.5, 0.5, 0.2, 0.1), (0.3, 0.6, 0.1, 0.3), (0.62, 0.4, 0.05, 0.05)])
    theirs = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=1),
            albumentations.Affine(p=1, scale=(0.8, 1.2), rotate=(-35, 35), shear=(-10, 10)),
        ],
        bbox_params=albumentations.BboxParams("yolo", label_fields=["labels"], clip=True),
    )
    theirs.transforms[1].set_random_seed(seed)
    expected = theirs(image=picture, bboxes=boxes, labels=list(range(len(boxes))))
    matrix = _drawn(seed, (200, 320)) @ geometry.flip(320)

    moved = geometry.warp(canvas, matrix)
    found, kept = geometry.clip(geometry.move(boxes, matrix, (200, 320)), KEEP_ALL)

    assert np.allclose(found, expected["bboxes"], atol=1e-3)
    assert list(kept) == [int(label) for label in expected["labels"]]
    difference = np.abs(moved.astype(int) - expected["image"].astype(int))
    assert np.quantile(difference, 0.99) <= 2


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("flipped", [False, True])
def test_a_box_stays_on_its_object(seed: int, *, flipped: bool) -> None:
    """A painted rectangle lies, after the warp, exactly in the box that moved with it."""
    canvas = np.zeros((300, 400, 4), np.uint8)
    canvas[120:180, 150:250] = 255
    box = np.array([(200 / 400, 150 / 300, 100 / 400, 60 / 300)])
    matrix = _drawn(seed, (300, 400)) @ (geometry.flip(400) if flipped else np.eye(3))

    painted = cv2.boundingRect(geometry.warp(canvas, matrix)[..., 0])
    found, _ = geometry.clip(geometry.move(box, matrix, (300, 400)), KEEP_ALL)

    left, top = (found[0, :2] - found[0, 2:] / 2) * (400, 300)
    right, bottom = (found[0, :2] + found[0, 2:] / 2) * (400, 300)
    assert np.allclose(
        (left, top, right, bottom),
        (painted[0], painted[1], painted[0] + painted[2], painted[1] + painted[3]),
        atol=1.5,
    )


def test_a_flip_alone_is_exact(picture: Picture, canvas: Picture) -> None:
    """Without an affine transform no pixel is interpolated."""
    boxes = np.array([(0.2, 0.3, 0.1, 0.2)])

    assert np.array_equal(geometry.warp(canvas, geometry.flip(320)), picture[:, ::-1])
    assert np.allclose(geometry.move(boxes, geometry.flip(320), (200, 320)), [(0.8, 0.3, 0.1, 0.2)])


def test_boxes_are_clipped_and_filtered() -> None:
    """Boxes end at the picture; what is outside, too small or mostly outside is dropped."""
    boxes = np.array(
        [
            (0.0, 0.5, 0.2, 0.2),  # half outside: clipped
            (1.5, 0.5, 0.2, 0.2),  # outside
            (0.5, 0.5, 0.005, 0.005),  # too small
            (-0.09, 0.5, 0.2, 0.2),  # 5 % inside
            (0.5, 0.5, 0.004, 0.1),  # thin, but large enough
        ]
    )

    clipped, kept = geometry.clip(boxes, BoxRule(min_area=1e-4, min_visibility=0.1))

    assert list(kept) == [0, 4]
    assert np.allclose(clipped, [(0.05, 0.5, 0.1, 0.2), (0.5, 0.5, 0.004, 0.1)])


@pytest.mark.parametrize("matrix", [np.eye(3), geometry.flip(320)])
def test_no_boxes_are_no_special_case(matrix: NDArray[np.float64]) -> None:
    """A background picture has an empty list of boxes before and after."""
    found, kept = geometry.clip(geometry.move(np.empty((0, 4)), matrix, (200, 320)), KEEP_ALL)

    assert found.shape == (0, 4)
    assert kept.shape == (0,)


@pytest.mark.parametrize("shifts", [(12.7, -20.3, 9.9), (-20.0, 30.0, -20.0), (0.0, 0.0, 5.0)])
def test_our_hue_shift_equals_that_of_albumentations(
    picture: Picture, shifts: tuple[float, float, float]
) -> None:
    """The faster arithmetic gives the same picture."""
    picture[:50, :50] = 128  # grey must stay grey
    hue, saturation, value = shifts
    parameters = {"hue_shift": hue, "sat_shift": saturation, "val_shift": value}

    ours = HueSaturationValue(p=1).apply(picture, **parameters)

    theirs = albumentations.HueSaturationValue(p=1).apply(picture.copy(), **parameters)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() == 0
