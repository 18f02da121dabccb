"""Pictures and folders that the tests write."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

MakePicture = Callable[..., bytes]


def make_picture(
    width: int = 64, height: int = 48, *, kind: str = "JPEG", shade: int = 100, **save: Any
) -> bytes:
    """A picture with a gradient, so that each shade gives other bytes."""
    image = (
        Image.linear_gradient("L")
        .resize((width, height))
        .point(lambda value: (value + shade) % 256)
        .convert("RGB")
    )
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


@pytest.fixture
def picture() -> MakePicture:
    return make_picture


@pytest.fixture
def yolo_folder(tmp_path: Path) -> Path:
    """Four pictures of one recording: three with boxes, one background."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text("path: .\ntrain: images\nnames: {0: car, 1: bus}\n")
    for index in range(4):
        (folder / "images" / f"clip_{index:03}.jpg").write_bytes(make_picture(shade=index))
    for index in range(3):
        (folder / "labels" / f"clip_{index:03}.txt").write_text(f"{index % 2} 0.5 0.5 0.25 0.5\n")
    return folder
