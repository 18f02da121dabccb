"""Makes a video: the camera flies along a road and turns slowly while traffic goes its way; with the truth per frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

from azaion_common.core.durable import fsync_folder, make_folder, storage_errors
from azaion_common.core.errors import PermanentError
from azaion_demo.scenes.camera import Camera
from azaion_demo.scenes.layout import Theme
from azaion_demo.scenes.pictures import Progress
from azaion_demo.scenes.render import Picture, render
from azaion_demo.scenes.scene import Scene, view_diagonal_m

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""In order of preference: browsers play H.264; MPEG-4 part 2 is what every build of FFmpeg can write."""
_FLIGHT_M_S = 6.0
_LONGEST_FLIGHT_M = 150.0
_SHORTEST_PLACE_M = 60.0
_SWAY_M = 4.0


@dataclass(frozen=True)
class Clip:
    """A finished video and its truth. ``codec`` is what was available: browsers do not play ``mpeg4``."""

    video: Path
    truth: Path
    frames: int
    fps: int
    size: tuple[int, int]
    codec: str


def generate_clip(  # noqa: PLR0917 (files, then length, then looks)
    path_mp4: Path,
    truth_jsonl: Path,
    seconds: float = 10.0,
    fps: int = 25,
    seed: int = 0,
    size: tuple[int, int] = (480, 640),
    *,
    condition: str = "Norm",
    progress: Progress | None = None,
) -> Clip:
    """Render a clip of ``size`` (height, width) and, per frame, the boxes of its vehicles.

    Each line of the truth is ``{"frame": n, "boxes": [[x1, y1, x2, y2, class_id], ...]}`` in pixels. Both files
    appear when they are complete, the truth last.

    Raises:
        PermanentError: ``clip_invalid`` for odd sizes or less than one frame, ``encoder_missing``,
            ``unknown_condition``.
        TransientError: ``disk_full``, ``store_unavailable``.
    """
    frames = round(seconds * fps)
    if frames < 1 or size[0] % 2 or size[1] % 2 or min(size) < 64:  # noqa: PLR2004 (H.264 stores colour in 2x2 blocks)
        raise PermanentError(
            "clip_invalid", f"cannot make a clip of {frames} frames of {size[1]}x{size[0]} pixels"
        )
    for path in (path_mp4, truth_jsonl):
        make_folder(path.parent)
    video, truth = (path.with_name(f".{path.name}.partial") for path in (path_mp4, truth_jsonl))
    clip = Clip(path_mp4, truth_jsonl, frames, fps, size, _encoder())
    with storage_errors(path_mp4):
        _write(clip, video, truth, _pictures(clip, seed, condition), progress)
        truth_jsonl.unlink(missing_ok=True)  # never an old truth beside a new video
        video.rename(path_mp4)
        truth.rename(truth_jsonl)
    fsync_folder(truth_jsonl.parent)
    return clip


def _encoder() -> str:
    for name in _ENCODERS:
        if name in av.codecs_available:
            return name
    raise PermanentError(
        "encoder_missing", "FFmpeg has no video encoder", hint=f"one of {', '.join(_ENCODERS)}"
    )


def _pictures(clip: Clip, seed: int, condition: str) -> Iterator[Picture]:
    times, size = np.arange(clip.frames) / clip.fps, clip.size
    flight_m = min(_FLIGHT_M_S * clip.frames / clip.fps, _LONGEST_FLIGHT_M)
    view_m = view_diagonal_m(size)
    extent = (view_m + max(flight_m, _SHORTEST_PLACE_M) + 2 * _SWAY_M, view_m + 30.0)
    # Every tenth of a second is close enough: in between nobody moves by more than a vehicle keeps clear.
    watched = np.arange(0, times[-1] + 0.1, 0.1)
    scene = Scene.create((seed, 7), condition, Theme.TOWN, watched, extent=extent, width_px=size[1])
    for number, time_s in enumerate(times):
        camera = _camera(scene, number / max(clip.frames - 1, 1), flight_m, size)
        yield render(scene, camera, float(time_s), grain_seed=number)


def _camera(scene: Scene, progress: float, flight_m: float, size: tuple[int, int]) -> Camera:
    """Along the main road from left to right, in and out of it, turning by half a radian."""
    width, height = scene.layout.extent
    margin = view_diagonal_m(size) / 2
    eased = progress * progress * (3 - 2 * progress) * 0.5 + progress * 0.5
    x = width / 2 + (eased - 0.5) * flight_m
    road = scene.layout.roads[0].axis.points
    y = float(road[np.abs(road[:, 0] - x).argmin(), 1]) + _SWAY_M * np.sin(progress * 2 * np.pi)
    centre = np.array([x, np.clip(y, margin, height - margin)])
    return scene.camera(centre, 0.5 * (eased - 0.5), size)


def _write(
    clip: Clip, video: Path, truth: Path, pictures: Iterator[Picture], progress: Progress | None
) -> None:
    with (
        av.open(str(video), "w", format="mp4", options={"movflags": "faststart"}) as container,
        truth.open("w", encoding="utf-8") as lines,
    ):
        stream = _configured(cast(VideoStream, container.add_stream(clip.codec, rate=clip.fps)), clip)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture.image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, clip.fps)
            container.mux(stream.encode(frame))
            lines.write(_truth_line(number, picture))
            if progress:
                progress(number + 1, clip.frames)
        container.mux(stream.encode(None))


def _configured(stream: VideoStream, clip: Clip) -> VideoStream:
    stream.height, stream.width = clip.size
    stream.pix_fmt = "yuv420p"
    if clip.codec == "libx264":
        stream.options = {"preset": "veryfast", "crf": "20"}
    else:
        stream.bit_rate = 4_000_000
    return stream


def _truth_line(number: int, picture: Picture) -> str:
    boxes = [[*(round(edge, 2) for edge in box[:4]), box.class_id] for box in picture.boxes]
    return json.dumps({"frame": number, "boxes": boxes}) + "\n"
