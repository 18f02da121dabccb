"""albumentations as the source of random parameters and of most pixel transforms.

Two transforms take nearly all the time of the default recipe, and only their arithmetic is replaced here, by faster
arithmetic with the same result: the affine warp (see ``geometry``) and the shift of hue, saturation and value.
"""

from __future__ import annotations

import random
import warnings
from typing import Any

import albumentations
import cv2
import numpy as np
from albucore import sz_lut  # type: ignore[import-untyped]
from numpy.typing import NDArray

from azaion_augmentor.recipe import Affine, PixelTransform, Recipe
from azaion_common.core.errors import PermanentError

Picture = NDArray[np.uint8]
"""(height, width, 3), red first, as albumentations expects it."""

Canvas = NDArray[np.uint8]
"""(height, width, 4), red first; the fourth channel is unused, but OpenCV warps four twice as fast as three."""

Matrix = NDArray[np.float64]


class HueSaturationValue(albumentations.HueSaturationValue):  # type: ignore[misc]  # albumentations has no types
    """The same shift through one table per channel; three times as fast, equal to the last bit."""

    def apply(self, img: Picture, hue_shift: float, sat_shift: float, val_shift: float, **_: Any) -> Picture:
        levels = np.arange(256)
        hue = np.mod(levels.astype(np.int16) + hue_shift, 180).astype(np.uint8)
        saturation, value = (_shifted(levels, shift) for shift in (sat_shift, val_shift))
        saturation[0] = 0  # grey stays grey
        channels = cv2.split(cv2.cvtColor(img, cv2.COLOR_RGB2HSV))
        tables = (hue, saturation, value)
        shifted = [sz_lut(channel, table) for channel, table in zip(channels, tables, strict=True)]
        return _picture(cv2.cvtColor(cv2.merge(shifted), cv2.COLOR_HSV2RGB))


class AffineMatrix:
    """Draws the matrix that ``albumentations.Affine`` would draw, and leaves the warp to us."""

    def __init__(self, affine: Affine) -> None:
        self._affine = albumentations.Affine(
            p=affine.p, scale=affine.scale, rotate=affine.rotate_deg, shear=affine.shear_deg
        )

    def draw(self, size: tuple[int, int], random_generators: Generators) -> Matrix:
        """A 3x3 matrix in pixels, corners at whole numbers, for a picture of ``size`` (height, width)."""
        self._affine.set_random_state(*random_generators)
        if not self._affine.should_apply():
            return np.eye(3)
        drawn = self._affine.get_params_dependent_on_data({"shape": (*size, 3)}, {})
        return np.asarray(drawn["bbox_matrix"], np.float64)


Generators = tuple[np.random.Generator, random.Random]

_OURS = {"HueSaturationValue": HueSaturationValue}


def pixel_transforms(recipe: Recipe) -> list[Any]:
    """The recipe's image-only transforms, ready to be called with ``image=``.

    Raises:
        PermanentError: ``recipe_invalid`` for a name or a parameter that albumentations does not know.
    """
    return [_pixel_transform(step) for step in recipe.pixels]


def _pixel_transform(step: PixelTransform) -> Any:
    kind = _OURS.get(step.transform) or getattr(albumentations, step.transform, None)
    if not (isinstance(kind, type) and issubclass(kind, albumentations.ImageOnlyTransform)):
        raise PermanentError(
            "recipe_invalid", f"pixels: '{step.transform}' is no image-only transform of albumentations"
        )
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in step.parameters.items()
    }
    try:
        with warnings.catch_warnings(action="error"):  # parameters that it does not know are only warned of
            return kind(p=step.p, **parameters)
    except (ValueError, TypeError, Warning) as error:
        reason = " ".join(str(error).split())
        raise PermanentError("recipe_invalid", f"pixels: {step.transform}: {reason}") from error


def _shifted(levels: NDArray[np.int_], shift: float) -> Picture:
    return _picture(np.clip(levels + int(shift), 0, 255))  # albumentations drops the fraction, too


def _picture(array: NDArray[Any]) -> Picture:
    """An array of whole levels, 0 to 255, typed as what it is."""
    picture: Picture = array.astype(np.uint8, copy=False)
    return picture
