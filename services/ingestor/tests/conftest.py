"""Messages and pictures that the tests send."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from azaion_annotations.labels import detections_json
from azaion_common.contracts.annotations.profiles import Action, Role
from azaion_common.contracts.annotations.wire import AnnotationMessage
from azaion_common.contracts.catalogue import Catalogue

MakeMessage = Callable[..., AnnotationMessage]


def make_picture(shade: int = 0, *, kind: str = "JPEG", width: int = 64, height: int = 48) -> bytes:
    image = Image.linear_gradient("L").resize((width, height)).point(lambda value: (value + shade) % 256)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def make_message(
    name: str = "roof", *, boxes: int = 1, by: Role = Role.VALIDATOR, **changes: Any
) -> AnnotationMessage:
    fields: dict[str, Any] = {
        "action": Action.CREATED,
        "name": name,
        "created_at": datetime(2024, 5, 6, tzinfo=UTC),
        "detections": detections_json((0, "car", (0.5, 0.5, 0.1 + each / 100, 0.2)) for each in range(boxes)),
        "image": make_picture(),
        "image_extension": ".jpg",
        "media_name": "flight.mp4",
        "media_time_ticks": 15_000_000,
        "role": by,
        "email": "who@example.org",
    }
    return AnnotationMessage(**fields | changes)


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return make_picture


@pytest.fixture
def message() -> MakeMessage:
    return make_message


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue.from_names(["car", "bus"])
