import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_augmentor import copies
from azaion_augmentor.augment import Augmenter, Drawn
from azaion_augmentor.pictures import decode
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.tasks import Task
from azaion_common.core.errors import PermanentError

pytestmark = pytest.mark.slow

Picture = NDArray[np.uint8]
BOXES = np.array([(0.5, 0.5, 0.2, 0.2), (0.25, 0.4, 0.1, 0.1)])


def _draw(augmenter: Augmenter, canvas: Picture, index: int, seed: int = 0) -> Drawn:
    return augmenter.draw(canvas, BOXES, picture_sha256="a" * 64, seed=seed, index=index)


def _task(recipe: Recipe, image: bytes, longer_side: int = 320, *, usable: bool = True) -> Task:
    return Task(
        recipe_json=recipe.model_dump_json(),
        image=image,
        picture_sha256=hashlib.sha256(image).hexdigest(),
        longer_side=longer_side,
        shorter_side=longer_side,
        usable=usable,
        slots=(3,),
        boxes=((0.5, 0.5, 0.2, 0.2),),
        seed=0,
    )


def test_variants_do_not_depend_on_order_or_company(recipe: Recipe, canvas: Picture) -> None:
    """Any variant drawn alone is the one drawn after others, pixel by pixel."""
    augmenter = Augmenter(recipe)

    in_order = [_draw(augmenter, canvas, index) for index in range(1, 8)]
    alone = [_draw(Augmenter(recipe), canvas, index) for index in reversed(range(1, 8))][::-1]

    for one, other in zip(in_order, alone, strict=True):
        assert np.array_equal(one.picture, other.picture)
        assert np.array_equal(one.boxes, other.boxes)


def test_variants_differ_by_index_and_seed(recipe: Recipe, canvas: Picture) -> None:
    """Seven variants are seven pictures, and another seed gives seven others."""
    augmenter = Augmenter(recipe)

    digests = {
        hashlib.sha256(_draw(augmenter, canvas, index, seed).picture.tobytes()).hexdigest()
        for index in range(1, 8)
        for seed in (0, 1)
    }

    assert len(digests) == 14


def test_labels_do_not_change_the_pictures(recipe: Recipe, canvas: Picture) -> None:
    """After an edit of labels the variants keep their pictures, so that no bytes are stored twice."""
    augmenter = Augmenter(recipe)

    without = augmenter.draw(canvas, np.empty((0, 4)), picture_sha256="a" * 64, seed=0, index=3)

    assert np.array_equal(without.picture, _draw(augmenter, canvas, 3).picture)
    assert without.boxes.shape == (0, 4)


def test_the_given_picture_is_left_as_it_is(recipe: Recipe, canvas: Picture) -> None:
    """Variants are drawn from the original, never from another variant."""
    before = canvas.copy()

    for index in range(1, 8):
        _draw(Augmenter(recipe), canvas, index)

    assert np.array_equal(canvas, before)


def test_probabilities_are_those_of_the_recipe(recipe: Recipe) -> None:
    """Over many pictures, flips and affine transforms come as often as the recipe says."""
    augmenter, size = Augmenter(recipe), (20, 30)
    canvas = np.zeros((*size, 4), np.uint8)
    canvas[:, :10] = 200

    drawn = [
        augmenter.draw(canvas, BOXES[:1] * (0.2, 1, 1, 1), picture_sha256=f"{number}", seed=0, index=1)
        for number in range(600)
    ]

    flipped = np.mean([each.boxes[0, 0] > 0.5 for each in drawn if len(each.boxes)])
    straight = np.mean(
        [np.allclose(each.boxes[0, 2:], (0.2, 0.2), atol=1e-9) for each in drawn if len(each.boxes)]
    )
    assert flipped == pytest.approx(0.6, abs=0.07)
    assert straight == pytest.approx(0.2, abs=0.06)


def test_another_process_and_hash_seed_give_the_same_bytes(
    recipe: Recipe, jpeg: bytes, tmp_path: Path
) -> None:
    """Files of a restarted service equal the old ones, so that doing work twice changes nothing."""
    (tmp_path / "picture.jpg").write_bytes(jpeg)
    script = (
        "import sys, pathlib, hashlib; from azaion_augmentor import copies; from azaion_augmentor.recipe import Recipe\n"
        "from azaion_augmentor.tasks import Task\n"
        "image = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "task = Task(recipe_json=Recipe.load().model_dump_json(), image=image, longer_side=320, shorter_side=320, usable=True, slots=(3,),\n"
        "    picture_sha256=hashlib.sha256(image).hexdigest(), boxes=((0.5, 0.5, 0.2, 0.2),), seed=0)\n"
        "made = copies.multiply(task)\n"
        "print(hashlib.sha256(b''.join((each.jpeg or b'') + each.labels for each in made)).hexdigest())\n"
    )

    there = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "picture.jpg")],
        env={"PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )

    here = b"".join((each.jpeg or b"") + each.labels for each in copies.multiply(_task(recipe, jpeg)))
    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_a_small_original_stays_the_stored_picture(recipe: Recipe, jpeg: bytes) -> None:
    """The original is listed first, its bytes and labels unchanged."""
    original, *variants = copies.multiply(_task(recipe, jpeg))

    assert (original.jpeg, original.labels) == (None, b"3 0.500000 0.500000 0.200000 0.200000\n")
    assert len(variants) == 7
    assert all(each.jpeg is not None for each in variants)


def test_an_original_that_training_cannot_read_becomes_a_jpeg(recipe: Recipe, picture: Picture) -> None:
    """Formats that only few programs read are converted."""
    original, *_ = copies.multiply(_task(recipe, cv2.imencode(".bmp", picture)[1].tobytes(), usable=False))

    assert original.jpeg is not None
    assert original.jpeg[:2] == b"\xff\xd8"


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize(("width", "height"), [(3000, 2000), (700, 1400), (5200, 640)])
def test_large_pictures_are_made_at_the_size_that_training_reads(
    recipe: Recipe, picture: Picture, extension: str, width: int, height: int
) -> None:
    """No copy is larger than the recipe's size, and the sides keep their proportion."""
    large = cv2.imencode(extension, cv2.resize(picture, (width, height)))[1].tobytes()

    made = copies.multiply(_task(recipe, large, max(width, height)))

    for each in made:
        assert each.jpeg is not None
        shape = decode(each.jpeg, longer_side=1280, shorter_side=1280, max_size=1280).shape
        assert max(shape[:2]) == 1280
        assert shape[1] / shape[0] == pytest.approx(width / height, rel=0.01)


@pytest.mark.parametrize(
    "data", [b"", b"not a picture", b"\xff\xd8\xff\xe0 cut", b"\x89PNG\r\n\x1a\n" + bytes(40)]
)
def test_what_is_no_picture_is_refused(recipe: Recipe, data: bytes) -> None:
    """Bytes that do not decode are an error with a code, for the quarantine."""
    with pytest.raises(PermanentError) as caught:
        copies.multiply(_task(recipe, data))

    assert caught.value.code == "picture_undecodable"


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (30_000, 7), (1, 1), (1280, 1)])
def test_the_narrowest_picture_is_multiplied(recipe: Recipe, size: tuple[int, int]) -> None:
    """A picture of one row or column is one like others."""
    image = cv2.imencode(".png", np.zeros((size[1], size[0], 3), np.uint8))[1].tobytes()
    task = replace(_task(recipe, image, max(size)), shorter_side=min(size))

    assert len(copies.multiply(task)) == 8
