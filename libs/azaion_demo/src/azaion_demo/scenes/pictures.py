"""Makes a folder of labelled pictures in the YOLO layout, whole or not at all, and goes on where it was cut off.

Work happens in a hidden folder beside the wanted one; its name holds everything the pictures depend on. The last
step is its rename, so that a folder with the wanted name is always complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.core.durable import fsync_folder, make_folder, storage_errors, write_file
from azaion_common.core.errors import PermanentError
from azaion_demo.scenes.camera import Camera
from azaion_demo.scenes.geometry import direction
from azaion_demo.scenes.layout import Theme
from azaion_demo.scenes.pen import Pixels
from azaion_demo.scenes.render import Box, Picture, render
from azaion_demo.scenes.scene import Scene, view_diagonal_m

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there will be."""

PICTURES_PER_LOCATION = 3
_GENERATION = 2  # to be raised when the same seed would give other pictures
_MANIFEST = "scenes.json"
_CONDITIONS = ("Norm", "Wint", "Norm", "Night")
_THEMES = (Theme.SUBURB, Theme.CAR_PARK, Theme.COUNTRY, Theme.DEPOT, Theme.TOWN)
_SECONDS_BETWEEN = 2.0
_STRAY_M = 7.5
_MIN_ZOOM, _MAX_ZOOM = 0.95, 1.06


class PictureRecord(BaseModel):
    """One picture in ``scenes.json``. Pictures of one location are frames of one recording."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    condition: str
    location: int
    time_s: float


class Manifest(BaseModel):
    """``scenes.json``: what a finished folder holds, and what it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generation: int
    seed: int
    count: int
    size: tuple[int, int]
    pictures: tuple[PictureRecord, ...]


@dataclass(frozen=True)
class LabelledPicture:
    """A picture on disk with its YOLO labels and where it comes from."""

    image: Path
    labels: Path
    condition: str
    location: int
    time_s: float

    @property
    def name(self) -> str:
        return self.image.stem


def generate_pictures(
    directory: Path,
    count: int,
    seed: int,
    size: tuple[int, int] = (480, 640),
    *,
    progress: Progress | None = None,
) -> list[LabelledPicture]:
    """Make ``count`` pictures of ``size`` (height, width) in ``directory``, or find them there from an earlier call.

    Writes ``images/NAME.jpg``, ``labels/NAME.txt`` (YOLO, one line per vehicle), ``classes.txt``, ``data.yaml`` and
    ``scenes.json``. Classes are the slots of the default catalogue, so that labels tell the condition as well: a car
    in winter is ``car (Wint)``. Equal arguments give equal pixels.

    Raises:
        PermanentError: ``scenes_folder_taken`` if the folder holds something else, ``scenes_invalid`` for a count
            below 1 or a size below 64.
        TransientError: ``disk_full``, ``store_unavailable``.
    """
    if count < 1 or min(size) < 64:  # noqa: PLR2004
        raise PermanentError("scenes_invalid", f"cannot make {count} pictures of {size[1]}x{size[0]} pixels")
    manifest = _plan(count, seed, size)
    if not _is_finished(directory, manifest):
        work = directory.with_name(
            f".{directory.name}.{seed}-{count}-{size[1]}x{size[0]}-g{_GENERATION}.partial"
        )
        _fill(work, manifest, progress)
        _put_in_place(work, directory)
    return [_on_disk(directory, record) for record in manifest.pictures]


def _plan(count: int, seed: int, size: tuple[int, int]) -> Manifest:
    records = []
    for number in range(count):
        location, moment = divmod(number, PICTURES_PER_LOCATION)
        condition = _CONDITIONS[location % len(_CONDITIONS)]
        name = f"place-{location:04d}-{moment:02d}"
        records.append(
            PictureRecord(name=name, condition=condition, location=location, time_s=moment * _SECONDS_BETWEEN)
        )
    return Manifest(generation=_GENERATION, seed=seed, count=count, size=size, pictures=tuple(records))


def _on_disk(directory: Path, record: PictureRecord) -> LabelledPicture:
    return LabelledPicture(
        image=directory / "images" / f"{record.name}.jpg",
        labels=directory / "labels" / f"{record.name}.txt",
        condition=record.condition,
        location=record.location,
        time_s=record.time_s,
    )


def _is_finished(directory: Path, wanted: Manifest) -> bool:
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    try:
        found = Manifest.model_validate_json((directory / _MANIFEST).read_bytes())
    except (OSError, ValidationError):
        found = None
    if found == wanted and all(_on_disk(directory, record).image.exists() for record in wanted.pictures):
        return True
    raise PermanentError(
        "scenes_folder_taken",
        f"{directory} holds something else than {wanted.count} pictures of seed {wanted.seed}",
        hint="name another folder, or remove this one",
    )


def _fill(work: Path, manifest: Manifest, progress: Progress | None) -> None:
    for name in ("images", "labels"):
        make_folder(work / name)
    for done, _ in enumerate(_missing_drawn(work, manifest), start=1):
        if progress:
            progress(done, len(manifest.pictures))
    write_file(work / "classes.txt", "".join(f"{name}\n" for name in _catalogue().slot_names()).encode())
    write_file(work / "data.yaml", _data_yaml())
    write_file(work / _MANIFEST, manifest.model_dump_json(indent=1).encode())


def _missing_drawn(work: Path, manifest: Manifest) -> Iterator[PictureRecord]:
    """Draws what is not there yet; yields every record when its picture is there."""
    for leftover in work.rglob("*.tmp"):
        leftover.unlink()
    for location, group in groupby(manifest.pictures, key=lambda record: record.location):
        records = list(group)
        scene: Scene | None = None
        for moment, record in enumerate(records):
            target = _on_disk(work, record)
            if not target.image.exists():
                scene = scene or _scene(manifest, location, record.condition)
                picture = render(scene, _camera(scene, manifest, record), record.time_s, grain_seed=moment)
                _save(picture, target)
            yield record


def _scene(manifest: Manifest, location: int, condition: str) -> Scene:
    side = view_diagonal_m(manifest.size) / _MIN_ZOOM + 2 * _STRAY_M
    return Scene.create(
        (manifest.seed, location),
        condition,
        _THEMES[location % len(_THEMES)],
        np.arange(PICTURES_PER_LOCATION, dtype=np.float64) * _SECONDS_BETWEEN,
        extent=(side, side),
        width_px=manifest.size[1],
    )


def _camera(scene: Scene, manifest: Manifest, record: PictureRecord) -> Camera:
    """A hovering camera: it drifts along a small circle and turns a little; never nearer to an edge than it sees."""
    rng = np.random.default_rng((manifest.seed, record.location, 99))
    home = np.array(scene.layout.extent) / 2 + rng.uniform(-3, 3, 2)
    phase, heading = rng.uniform(0, 2 * np.pi, 2)
    drift = direction(phase + 0.3 * record.time_s) * 3
    zoom = rng.uniform(_MIN_ZOOM, _MAX_ZOOM)
    return scene.camera(home + drift, heading + 0.02 * record.time_s, manifest.size, zoom)


def _save(picture: Picture, target: LabelledPicture) -> None:
    """Labels first: a picture that is there has its labels."""
    height, width = picture.image.shape[:2]
    slots = [_catalogue().slot(box.class_id, target.condition) for box in picture.boxes]
    lines = (_yolo_line(slot, box, width, height) for slot, box in zip(slots, picture.boxes, strict=True))
    write_file(target.labels, "".join(lines).encode())
    write_file(target.image, _jpeg(picture.image))


@cache
def _catalogue() -> Catalogue:
    return Catalogue.default()


def _yolo_line(slot: int, box: Box, width: int, height: int) -> str:
    centre_x, centre_y = (box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height
    return f"{slot} {centre_x:.6f} {centre_y:.6f} {(box.x2 - box.x1) / width:.6f} {(box.y2 - box.y1) / height:.6f}\n"


def _jpeg(image: Pixels) -> bytes:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return data.tobytes()


def _data_yaml() -> bytes:
    names = dict(enumerate(_catalogue().slot_names()))
    document = {"path": ".", "train": "images", "val": "images", "names": names}
    return yaml.safe_dump(document, sort_keys=False).encode()


def _put_in_place(work: Path, directory: Path) -> None:
    with storage_errors(directory):
        work.rename(directory)  # also replaces an empty folder
    fsync_folder(directory.parent)
