from pathlib import Path

import pytest

from azaion_augmentor.recipe import Recipe
from azaion_augmentor.transforms import pixel_transforms
from azaion_common.core.errors import PermanentError

PACKAGED = (Path(__file__).parents[1] / "src/azaion_augmentor/recipe.yaml").read_text(encoding="utf-8")


def test_the_packaged_recipe_is_the_documented_one(recipe: Recipe) -> None:
    """Without a file of one's own, seven variants are made at the size that training reads."""
    steps = [(step.transform, step.p) for step in recipe.pixels]

    assert (recipe.variants, recipe.output.max_size) == (7, 1280)
    assert recipe.geometry.horizontal_flip_p == 0.6
    assert recipe.geometry.affine.rotate_deg == (-35.0, 35.0)
    assert steps == [("RandomBrightnessContrast", 0.4), ("MotionBlur", 0.1), ("HueSaturationValue", 0.4)]
    assert len(pixel_transforms(recipe)) == 3


def test_the_digest_follows_the_content_not_the_layout(recipe: Recipe, tmp_path: Path) -> None:
    """Comments do not make every picture be augmented again, numbers do."""
    (tmp_path / "same.yaml").write_text(f"# a comment\n{PACKAGED}", encoding="utf-8")
    (tmp_path / "other.yaml").write_text(PACKAGED.replace("p: 0.8", "p: 0.7"), encoding="utf-8")

    assert Recipe.load(tmp_path / "same.yaml").digest == recipe.digest
    assert Recipe.load(tmp_path / "other.yaml").digest != recipe.digest


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("p: 0.8", "p: 1.8", "geometry.affine.p"),
        ("scale: [0.8, 1.2]", "scale: [1.2, 0.8]", "geometry.affine.scale"),
        ("scale: [0.8, 1.2]", "scale: [0, 1.2]", "geometry.affine.scale"),
        ("rotate_deg: [-35, 35]", "rotate_deg: [-.inf, 35]", "geometry.affine.rotate_deg"),
        ("rotate_deg:", "rotation:", "geometry.affine"),
        ("variants: 7", "variants: many", "variants"),
        ("version: 1", "version: [", "recipe.yaml"),
        ("version: 1", "version: 2", "version"),
    ],
)
def test_a_wrong_recipe_is_refused_by_field(tmp_path: Path, old: str, new: str, where: str) -> None:
    """A recipe with a mistake names the file and the place, instead of making odd pictures."""
    path = tmp_path / "recipe.yaml"
    path.write_text(PACKAGED.replace(old, new), encoding="utf-8")

    with pytest.raises(PermanentError, match=where.replace(".", r"\.")) as caught:
        Recipe.load(path)

    assert caught.value.code == "recipe_invalid"


def test_a_missing_recipe_is_refused(tmp_path: Path) -> None:
    """A path without a file is a mistake, not the default."""
    with pytest.raises(PermanentError, match="nowhere"):
        Recipe.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("transform: MotionBlur", "transform: MotionBlurr"),
        ("transform: MotionBlur", "transform: Rotate"),
        ("transform: MotionBlur", "transform: cv2"),
        ("blur_limit: [3, 7]", "blur_limits: [3, 7]"),
        ("blur_limit: [3, 7]", "blur_limit: wide"),
    ],
)
def test_what_albumentations_does_not_know_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """Unknown transforms, ones that would move boxes, and unknown parameters do not pass in silence."""
    path = tmp_path / "recipe.yaml"
    path.write_text(PACKAGED.replace(old, new), encoding="utf-8")

    with pytest.raises(PermanentError, match="pixels") as caught:
        pixel_transforms(Recipe.load(path))

    assert caught.value.code == "recipe_invalid"
