"""Pictures for the report: small JPEGs as data URIs, boxes as vectors above them, stills out of the annotated video."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import av.container
import av.video
import cv2
import numpy as np
from numpy.typing import NDArray

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Box
from azaion_demo.report.evidence import Copy

Pixels = NDArray[np.uint8]

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 82]
_USUAL_RATE = 25
MAX_INLINE_VIDEO_BYTES = 12_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """A box in pixels of its thumbnail."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture that needs no file."""

    uri: str
    width: int
    height: int
    marks: tuple[Mark, ...] = ()


def thumbnail(image: Pixels, width: int) -> Thumbnail:
    """``image`` (H, W, 3, BGR) at most ``width`` pixels wide."""
    height = image.shape[0]
    if image.shape[1] > width:
        height = max(round(image.shape[0] * width / image.shape[1]), 1)
        image = cast("Pixels", cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    _, content = cv2.imencode(".jpg", image, _QUALITY)
    return Thumbnail(data_uri(content.tobytes(), "image/jpeg"), image.shape[1], height)


def labelled_thumbnail(copy: Copy, catalogue: Catalogue, width: int) -> Thumbnail:
    """A stored picture with its labels over it, coloured by class."""
    image = cast("Pixels", cv2.imdecode(np.frombuffer(copy.image, np.uint8), cv2.IMREAD_COLOR))
    small = thumbnail(image, width)
    marks = tuple(_mark(box, small, catalogue) for box in copy.boxes)
    return Thumbnail(small.uri, small.width, small.height, marks)


def _mark(box: Box, on: Thumbnail, catalogue: Catalogue) -> Mark:
    return Mark(
        x=round((box.cx - box.w / 2) * on.width, 1),
        y=round((box.cy - box.h / 2) * on.height, 1),
        width=round(box.w * on.width, 1),
        height=round(box.h * on.height, 1),
        colour=catalogue.colour(box.class_id),
        title=catalogue.slot_names()[catalogue.slot(box.class_id, box.condition)],
    )


def stills(video: Path, times_s: Sequence[float], width: int) -> list[Thumbnail]:
    """The frames of ``video`` that are shown at ``times_s``; those behind its end are left out."""
    with av.open(str(video)) as container:
        frames = [_frame_at(container, time_s) for time_s in times_s]
        return [
            thumbnail(cast("Pixels", frame.to_ndarray(format="bgr24")), width)
            for frame in frames
            if frame is not None
        ]


def _frame_at(container: av.container.InputContainer, time_s: float) -> av.VideoFrame | None:
    """Seeks to the key frame before and decodes from there: a long video need not be read as a whole."""
    stream = container.streams.video[0]
    half_frame_s = 0.5 / float(stream.average_rate or _USUAL_RATE)
    container.seek(int(time_s / (stream.time_base or 1)), stream=stream)
    for frame in container.decode(stream):
        if (frame.time or 0.0) >= time_s - half_frame_s:
            return frame
    return None


def inline_video(video: Path) -> str | None:
    """The whole video as a data URI, None when it is too large for that."""
    if video.stat().st_size > MAX_INLINE_VIDEO_BYTES:
        return None
    return data_uri(video.read_bytes(), "video/mp4")


def data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
