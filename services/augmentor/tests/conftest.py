from collections.abc import Callable
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_augmentor.recipe import Recipe
from azaion_common.contracts.events import BlobRef, Box, ImageSaved

Picture = NDArray[np.uint8]
Saved = Callable[..., ImageSaved]


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.load()


@pytest.fixture
def picture() -> Picture:
    """A grainy picture of 320 x 200 with smooth shapes, red first."""
    generator = np.random.default_rng(5)
    coarse = generator.integers(0, 256, (10, 16, 3), np.uint8)
    return cv2.resize(coarse, (320, 200), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


@pytest.fixture
def canvas(picture: Picture) -> Picture:
    """The same as it is given to be augmented, with a fourth channel."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA).astype(np.uint8)


@pytest.fixture
def jpeg(picture: Picture) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.fixture
def saved() -> Saved:
    """``saved(image, revision=1, boxes=...)``: the event of a picture of 320 x 200."""

    def make(
        image: BlobRef, name: str = "road", revision: int = 1, boxes: tuple[Box, ...] | None = None
    ) -> ImageSaved:
        return ImageSaved(
            name=name,
            revision=revision,
            image=image,
            width=320,
            height=200,
            boxes=(Box(class_id=0, cx=0.5, cy=0.5, w=0.2, h=0.2),) if boxes is None else boxes,
            validated=True,
            dhash="0" * 16,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    return make
