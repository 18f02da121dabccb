"""What files and network streams share: compressed packets to frames whose pixels come when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import TypeAlias, cast

import av
import av.error
import av.video

from azaion_common.core.errors import PermanentError
from azaion_inferencer.adapters.orientation import UPRIGHT, Holding, Orientation
from azaion_inferencer.ports import Image

VideoPacket: TypeAlias = "av.Packet[av.video.stream.VideoStream]"

_DEFAULT_RATE = Fraction(25)


def frame_rate(stream: av.video.stream.VideoStream) -> float:
    """What the stream declares, in frames per second."""
    return float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)


def decoded(packet: VideoPacket) -> Iterator[av.VideoFrame | None]:
    """Decode a packet of a video stream; one None when it is damaged."""
    try:
        pictures = packet.decode()
    except av.error.InvalidDataError:
        yield None
        return
    yield from pictures


def pixels(picture: av.VideoFrame | None, holding: Holding) -> partial[Image]:
    """The conversion of a picture to blue-green-red, upright, to be done later; of a damaged one, the error."""
    return partial(_converted, picture, UPRIGHT if picture is None else holding.of(picture))


def _converted(picture: av.VideoFrame | None, orientation: Orientation) -> Image:
    if picture is None:
        raise PermanentError("frame_undecodable", "the frame is damaged")
    return orientation.applied(cast("Image", picture.to_ndarray(format="bgr24")))
