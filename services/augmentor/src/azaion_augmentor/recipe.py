"""The recipe: what happens to a picture and how often, as a value read from YAML."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import rfc8785
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from azaion_common.core.errors import PermanentError

_ALGORITHM = 1
"""Counts up when the same recipe gives other pictures than before, so that every picture is augmented again."""


def _rising(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lowest value {limits[0]} is above the highest, {limits[1]}")
    return limits


Probability = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_rising)]
PositiveRange = Annotated[tuple[Annotated[float, Field(gt=0)], float], AfterValidator(_rising)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Affine(_Section):
    """Scale (per axis), rotation and shear about the centre of the picture."""

    p: Probability
    scale: PositiveRange
    rotate_deg: Range
    shear_deg: Range


class Geometry(_Section):
    """What moves pixels and boxes: a flip, then an affine transform."""

    horizontal_flip_p: Probability
    affine: Affine


class PixelTransform(_Section):
    """One image-only transform of albumentations, by its class name and with its own parameters."""

    transform: str
    p: Probability
    parameters: dict[str, Any] = {}


class BoxRule(_Section):
    """Which boxes of a variant are kept after clipping; both limits are parts, 0 to 1."""

    min_area: Probability
    min_visibility: Probability


class Output(_Section):
    """How variants are stored."""

    max_size: int = Field(ge=32, le=16384)
    jpeg_quality: int = Field(ge=1, le=100)


class Recipe(_Section):
    """Everything that decides how variants look, apart from the picture and the seed."""

    version: Literal[1] = 1
    variants: int = Field(ge=0, le=64)
    geometry: Geometry
    pixels: tuple[PixelTransform, ...] = ()
    boxes: BoxRule
    output: Output

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a recipe file; without a path, the one that ships with this package.

        Raises:
            PermanentError: ``recipe_invalid``, naming the file and the field.
        """
        source = path or resources.files("azaion_augmentor").joinpath("recipe.yaml")
        try:
            return cls.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            message = f"{source}: {field}: {first['msg']}"
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            message = f"{source}: {str(error).splitlines()[0]}"
        raise PermanentError("recipe_invalid", message, hint="start from a copy of the packaged recipe.yaml")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the recipe's content, equal for files that differ in layout only."""
        return hashlib.sha256(rfc8785.dumps([_ALGORITHM, self.model_dump(mode="json")])).hexdigest()
