"""The augmentor against one albumentations ``Compose`` over cv2, by the same recipe: 1 original and 7 variants.

Both decode and encode in memory at the same quality, in worker processes with one OpenCV thread. The plain loop works
at the size of the picture, as such loops do; ``shrunk`` is the same loop on a picture first resized to the size that
training reads, to show how much of the gain at 4K is that alone. Rounds are interleaved; figures are medians.

    python benchmarks/augment.py [--rounds 7] [--pictures 6] [--json]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_augmentor import worker
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.tasks import Task

SIZES = {"720p": (1280, 720), "4K": (3840, 2160)}
BUDGETS = {"720p": 1.3, "4K": 3.0, "two_workers": 1.8}
BOXES = ((0.5, 0.5, 0.1, 0.1), (0.2, 0.3, 0.05, 0.08), (0.7, 0.6, 0.2, 0.1), (0.9, 0.2, 0.1, 0.1))
MEMORY_BYTES = 2 << 30


def ours(task: Task) -> int:
    """Bytes made for ``task``."""
    return sum(len(made.jpeg or task.image) for made in worker.multiply(task))


def plain(task: Task) -> int:
    """The same at the picture's own size."""
    return _compose_loop(task, _decoded(task))


def shrunk(task: Task) -> int:
    """The same on a picture that was made smaller first."""
    picture = _decoded(task)
    scale = min(Recipe.model_validate_json(task.recipe_json).output.max_size / max(picture.shape[:2]), 1)
    return _compose_loop(task, cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _compose_loop(task: Task, picture: NDArray[Any]) -> int:
    compose, quality, variants = _compose(task.recipe_json)
    written = _encoded_bytes(picture, quality)
    for _ in range(variants):
        drawn = compose(image=picture, bboxes=np.array(task.boxes), slots=list(task.slots))
        written += _encoded_bytes(drawn["image"], quality)
    return written


def _decoded(task: Task) -> NDArray[Any]:
    return np.asarray(cv2.imdecode(np.frombuffer(task.image, np.uint8), cv2.IMREAD_COLOR))


def _encoded_bytes(picture: NDArray[Any], quality: int) -> int:
    return len(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


@cache
def _compose(recipe_json: str) -> tuple[Any, int, int]:
    import albumentations as alb  # noqa: PLC0415 - in the workers only

    recipe = Recipe.model_validate_json(recipe_json)
    affine = recipe.geometry.affine
    brightness, blur, hue = (
        getattr(alb, step.transform)(
            p=step.p, **{name: tuple(value) for name, value in step.parameters.items()}
        )
        for step in recipe.pixels
    )
    steps = [
        alb.HorizontalFlip(p=recipe.geometry.horizontal_flip_p),
        brightness,
        alb.Affine(p=affine.p, scale=affine.scale, rotate=affine.rotate_deg, shear=affine.shear_deg),
        blur,
        hue,
    ]
    boxes = alb.BboxParams(
        "yolo", label_fields=["slots"], clip=True, min_visibility=recipe.boxes.min_visibility
    )
    return alb.Compose(steps, bbox_params=boxes, seed=0), recipe.output.jpeg_quality, recipe.variants


CONTENDERS: dict[str, Callable[[Task], int]] = {"ours": ours, "plain": plain, "shrunk": shrunk}


def processor_s(name: str, task: Task) -> float:
    """Processor time that a contender takes for ``task``: what is left when other programs want the machine, too."""
    started = time.process_time()
    CONTENDERS[name](task)
    return time.process_time() - started


def tasks(size: tuple[int, int], count: int) -> list[Task]:
    """``count`` different scenes with the grain and the file size of aerial photographs."""
    recipe_json = Recipe.load().model_dump_json()
    images = [_scene(size, np.random.default_rng(number)) for number in range(count)]
    return [
        Task(
            recipe_json=recipe_json,
            image=image,
            picture_sha256=hashlib.sha256(image).hexdigest(),
            longer_side=max(size),
            shorter_side=min(size),
            usable=True,
            slots=tuple(range(len(BOXES))),
            boxes=BOXES,
            seed=0,
        )
        for image in images
    ]


def _scene(size: tuple[int, int], generator: np.random.Generator) -> bytes:
    width, height = size
    canvas = np.zeros((height, width, 3), np.float32)
    for cells, amplitude in ((9, 90.0), (45, 40.0), (180, 25.0), (height // 2, 14.0)):
        coarse = generator.normal(0, amplitude, (cells, cells * 16 // 9, 3)).astype(np.float32)
        canvas += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    picture = np.clip(canvas + 128, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


Seconds = dict[str, list[float]]
"""Per contender: seconds per picture, one value a round."""


class Workers:
    """A pool of processes, and what each contender took in it."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self.wall: Seconds = {name: [] for name in CONTENDERS}
        self.processor: Seconds = {name: [] for name in CONTENDERS}

    def run(self, name: str, work: list[Task]) -> None:
        started = time.perf_counter()
        busy_s = sum(self._pool.map(processor_s, [name] * len(work), work))
        self.wall[name].append((time.perf_counter() - started) / len(work))
        self.processor[name].append(busy_s / len(work))


@contextmanager
def workers(count: int) -> Iterator[Workers]:
    """``count`` processes that live under the same limits as the service's."""
    context = get_context("spawn")
    with ProcessPoolExecutor(count, context, worker.start, (os.getpid(), MEMORY_BYTES)) as pool:
        measured = Workers(pool)
        warm = tasks((320, 200), 2 * count)
        for name in CONTENDERS:
            measured.run(name, warm)
        yield Workers(pool)


def compare(size: tuple[int, int], pictures: int, rounds: int) -> dict[str, Any]:
    """All figures for one size of pictures; every round draws other variants."""
    work = tasks(size, pictures)
    with workers(1) as one, workers(2) as two:
        for turn in range(rounds):
            drawn = [replace(task, seed=turn) for task in work]
            for name, pool in product(CONTENDERS, (one, two)):
                pool.run(name, drawn)
    return {
        "kilobytes_per_picture": round(statistics.mean(len(task.image) for task in work) / 1000),
        "ms_one_worker": _milliseconds(one.wall),
        "ms_two_workers": _milliseconds(two.wall),
        "ms_processor": _milliseconds(one.processor),
        "speedup_one_worker": _ratio(one.wall["plain"], one.wall["ours"]),
        "speedup_two_workers": _ratio(two.wall["plain"], two.wall["ours"]),
        "speedup_processor": _ratio(one.processor["plain"], one.processor["ours"]),
        "speedup_over_shrunk": _ratio(one.wall["shrunk"], one.wall["ours"]),
        "two_workers_over_one": _ratio(one.wall["ours"], two.wall["ours"]),
        "plain_two_workers_over_one": _ratio(one.wall["plain"], two.wall["plain"]),
    }


def _ratio(slower: list[float], faster: list[float]) -> float:
    """The median of the rounds' ratios: both sides of each met the same state of the machine."""
    return round(statistics.median(a / b for a, b in zip(slower, faster, strict=True)), 2)


def _milliseconds(values: Seconds) -> dict[str, float]:
    return {name: round(1000 * statistics.median(each), 1) for name, each in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    results = {name: compare(size, options.pictures, options.rounds) for name, size in SIZES.items()}
    if options.json:
        print(json.dumps({"budgets": BUDGETS, "results": results}))
        return
    for name, result in results.items():
        print(f"{name} (budget {BUDGETS[name]}x; two workers {BUDGETS['two_workers']}x one)")
        for key, value in result.items():
            print(f"  {key:28} {value}")


if __name__ == "__main__":
    main()
