"""Variants of a picture and its boxes. Pure, and decided by nothing but the picture, the recipe and the seed."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azaion_augmentor import geometry
from azaion_augmentor.geometry import Boxes
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.transforms import AffineMatrix, Canvas, Generators, Matrix, Picture, pixel_transforms


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """One variant: its picture, its boxes (k, 4), and which of the given boxes (k,) those are."""

    picture: Picture
    boxes: Boxes
    kept: NDArray[np.intp]


class Augmenter:
    """Draws variants by a recipe. Making one costs milliseconds, so make one per process."""

    def __init__(self, recipe: Recipe) -> None:
        """Raises PermanentError ``recipe_invalid`` when albumentations does not know what the recipe asks for."""
        self._recipe = recipe
        self._digest = recipe.digest
        self._affine = AffineMatrix(recipe.geometry.affine)
        self._pixels = pixel_transforms(recipe)

    def draw(self, canvas: Canvas, boxes: Boxes, *, picture_sha256: str, seed: int, index: int) -> Drawn:
        """Variant ``index`` (from 1) of a picture; the boxes do not influence how the picture looks.

        Args:
            canvas: the picture, (height, width, 4), red first; left as it is.
            boxes: (n, 4) ``cx cy w h``, relative to the picture.
            picture_sha256: identity of the stored picture.
            seed: the user's, for another set of variants.
            index: which variant.
        """
        random_generators = generators(picture_sha256, self._digest, seed, index)
        size = (canvas.shape[0], canvas.shape[1])
        matrix = self._matrix(size, random_generators)
        moved, kept = geometry.clip(geometry.move(boxes, matrix, size), self._recipe.boxes)
        return Drawn(self._repaint(geometry.warp(canvas, matrix), random_generators), moved, kept)

    def _matrix(self, size: tuple[int, int], random_generators: Generators) -> Matrix:
        flipped = random_generators[1].random() < self._recipe.geometry.horizontal_flip_p
        affine = self._affine.draw(size, random_generators)
        return affine @ geometry.flip(size[1]) if flipped else affine

    def _repaint(self, picture: Picture, random_generators: Generators) -> Picture:
        for transform in self._pixels:
            transform.set_random_state(*random_generators)
            picture = transform(image=picture)["image"]
        return picture


def generators(picture_sha256: str, recipe_digest: str, seed: int, index: int) -> Generators:
    """The two random generators that albumentations draws from, fresh for each variant.

    They follow from these four values alone: not from the process, the order of the work or earlier variants.
    """
    text = f"{picture_sha256}/{recipe_digest}/{seed}/{index}"
    start = int.from_bytes(hashlib.sha256(text.encode()).digest())
    return np.random.default_rng(start), random.Random(start)  # noqa: S311 - variety, not secrecy
