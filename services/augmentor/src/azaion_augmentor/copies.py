"""One stored picture to its original and all variants, encoded and labelled. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from azaion_augmentor.augment import Augmenter
from azaion_augmentor.geometry import Boxes
from azaion_augmentor.pictures import decode, encode_jpeg
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.tasks import Made, Task
from azaion_augmentor.transforms import Canvas
from azaion_common.core.errors import PermanentError


def multiply(task: Task) -> tuple[Made, ...]:
    """The original, then every variant of the recipe, in order.

    Raises:
        PermanentError: ``picture_undecodable``, ``picture_too_large``.
    """
    recipe, augmenter = tools(task.recipe_json)
    try:
        canvas = decode(
            task.image,
            longer_side=task.longer_side,
            shorter_side=task.shorter_side,
            max_size=recipe.output.max_size,
        )
        return tuple(_made(task, recipe, augmenter, canvas))
    except MemoryError:
        raise _too_large(task) from None
    except cv2.error as error:
        if error.code != cv2.Error.StsNoMem:
            raise
        raise _too_large(task) from None


@functools.lru_cache(maxsize=1)
def tools(recipe_json: str) -> tuple[Recipe, Augmenter]:
    """The recipe and its augmenter, made once per process.

    Raises:
        PermanentError: ``recipe_invalid``.
    """
    recipe = Recipe.model_validate_json(recipe_json)
    return recipe, Augmenter(recipe)


def _made(task: Task, recipe: Recipe, augmenter: Augmenter, canvas: Canvas) -> Iterator[Made]:
    boxes = np.array(task.boxes, np.float64).reshape(-1, 4)
    quality = recipe.output.jpeg_quality
    as_it_is = task.usable and task.longer_side <= recipe.output.max_size
    yield Made(None if as_it_is else encode_jpeg(canvas, quality), _labels(task.slots, boxes), len(boxes))
    for index in range(1, recipe.variants + 1):
        drawn = augmenter.draw(canvas, boxes, picture_sha256=task.picture_sha256, seed=task.seed, index=index)
        slots = [task.slots[number] for number in drawn.kept]
        yield Made(encode_jpeg(drawn.picture, quality), _labels(slots, drawn.boxes), len(slots))


def _labels(slots: Sequence[int], boxes: Boxes) -> bytes:
    lines = (
        f"{slot} {cx:.6f} {cy:.6f} {w:.6f} {h:.6f}\n"
        for slot, (cx, cy, w, h) in zip(slots, boxes.tolist(), strict=True)
    )
    return "".join(lines).encode()


def _too_large(task: Task) -> PermanentError:
    return PermanentError(
        "picture_too_large",
        f"picture {task.picture_sha256} needs more memory than a worker may take",
        hint="raise the setting worker_memory_bytes, or shrink the picture",
    )
