"""Prepares a home for the demo: its settings file, its catalogue, its pictures and its clip."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from azaion_annotations.publish import PreparedImport, prepare_import
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.durable import write_file
from azaion_common.platform.runtime.home import make_home
from azaion_common.platform.runtime.settings import FILE_NAME
from azaion_demo.children import free_port
from azaion_demo.inputs import Inputs
from azaion_demo.recipe import Recipe
from azaion_demo.scenes import generate_clip, generate_pictures

SCENES = 132
CLIP_SECONDS = 12.0
SEED = 7

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Material:
    """What the demo works on. ``video`` None: the pictures of the test side stand in for one."""

    pictures: Path
    video: Path | None
    truth: Path | None
    """Boxes of every frame of a drawn clip; None for videos of others."""
    drawn: bool


def gather(home: Path, inputs: Inputs, on_pictures: Progress, on_clip: Progress) -> Material:
    """The pictures and the video: the user's, or drawn scenes. What was drawn before is found again."""
    if inputs.data is not None:
        return Material(inputs.data, inputs.video, None, drawn=False)
    folder = home / "scenes"
    generate_pictures(folder / "pictures", SCENES, SEED, progress=on_pictures)
    if inputs.video is not None:
        return Material(folder / "pictures", inputs.video, None, drawn=True)
    video, truth = folder / "clip.mp4", folder / "clip.jsonl"
    if not (video.exists() and truth.exists()):
        generate_clip(video, truth, CLIP_SECONDS, seed=SEED + 1, progress=on_clip)
    return Material(folder / "pictures", video, truth, drawn=True)


def read_pictures(material: Material, on_progress: Progress) -> PreparedImport:
    """Read and check the pictures; a user's folder brings its own classes, drawn scenes use the default catalogue.

    Raises:
        PermanentError: as ``prepare_import``; nothing was made yet.
    """
    catalogue = Catalogue.default() if material.drawn else None
    return prepare_import(
        material.pictures, catalogue, on_progress=lambda _stage, done, total: on_progress(done, total)
    )


def write_settings(home: Path, catalogue: Catalogue, recipe: Recipe, weights: Path | None) -> None:
    """Write ``azaion.yaml`` and the catalogue; ``azaion up`` on this home works by them too."""
    make_home(home)
    catalogue.dump(home / "catalogue.yaml")
    settings = {
        "platform": {"catalogue": "catalogue.yaml", "api_url": f"http://127.0.0.1:{free_port()}"},
        "trainer": {
            "min_new_pictures": 0,  # the demo asks for its training itself, once all pictures are in
            "weights": str(weights) if weights else None,
            **recipe.trainer_settings(),
        },
    }
    write_file(home / FILE_NAME, yaml.safe_dump(settings, sort_keys=False).encode())


async def clip_truth(path: Path) -> list[list[list[float]]]:
    """Per frame of a drawn clip, its boxes as x1, y1, x2, y2, class id."""
    text = await asyncio.to_thread(path.read_text)
    return [json.loads(line)["boxes"] for line in text.splitlines()]
