"""The annotated video: h264 in MP4, as browsers play it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.container
import av.error
import av.video
import cv2
import numpy as np

from azaion_common.errors import AzaionError, PermanentError
from azaion_common.storage.durable import storage_error
from azaion_inferencer.adapters.decoding import VideoPacket
from azaion_inferencer.adapters.unfinished import UnfinishedFile
from azaion_inferencer.ports import Image, Shown

_CLOCK = Fraction(1, 90_000)
_OPTIONS = {"preset": "veryfast", "crf": "23", "tune": "zerolatency"}
"""Without looking ahead the encoder holds few frames: at 4K that is 0.3 instead of 0.65 GB."""


class AnnotatedVideo:
    """A film of all frames that gets its name when the run has ended well. Its size is that of the first frame."""

    every_frame = True

    def __init__(self, path: Path, rate: float) -> None:
        self._output = UnfinishedFile(path)
        self._rate = Fraction(rate).limit_denominator(1001)
        self._container: av.container.OutputContainer | None = None
        self._stream: av.video.stream.VideoStream | None = None
        self._last_pts = -1

    def __enter__(self) -> Self:
        return self

    def write(self, shown: Shown) -> None:
        if shown.picture is None:
            return
        try:
            self._encode(shown.picture, shown.frame.time_s)
        except av.error.FFmpegError as error:
            raise self._failed(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._finish(whole=kind is None)
        except av.error.FFmpegError as failed:
            self._output.leave(type(failed))
            raise self._failed(failed) from failed
        except BaseException as failed:
            self._output.leave(type(failed))
            raise
        self._output.leave(kind)

    def _encode(self, picture: Image, time_s: float) -> None:
        stream = self._stream or self._begin(picture)
        frame = av.VideoFrame.from_ndarray(_fitted(picture, stream.width, stream.height), format="bgr24")
        frame.time_base = _CLOCK
        # Two frames of a live source may arrive in the same instant; a film's times must grow.
        frame.pts = self._last_pts = max(round(time_s / _CLOCK), self._last_pts + 1)
        self._mux(stream.encode(frame))

    def _begin(self, picture: Image) -> av.video.stream.VideoStream:
        height, width = (size - size % 2 for size in picture.shape[:2])
        if not height or not width:
            raise PermanentError("picture_too_small", "a picture of one pixel makes no video")
        # The index goes to the front, so that playing can begin before all is loaded.
        self._container = av.open(
            str(self._output.temporary), "w", format="mp4", options={"movflags": "+faststart"}
        )
        self._stream = self._container.add_stream("h264", rate=self._rate, options=_OPTIONS)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _CLOCK
        return self._stream

    def _finish(self, *, whole: bool) -> None:
        if self._container is None or self._stream is None:
            if whole:
                raise PermanentError("video_empty", f"not one frame to write into {self._output.path}")
            return
        try:
            if whole:
                self._mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _mux(self, packets: list[VideoPacket]) -> None:
        if self._container is not None:
            self._container.mux(packets)

    def _failed(self, error: av.error.FFmpegError) -> AzaionError:
        return storage_error(OSError(error.errno, error.strerror), self._output.path)


def _fitted(picture: Image, width: int, height: int) -> Image:
    """Cut an odd last row or column; a picture of another size is scaled into the middle of a black one."""
    if picture.shape[0] - height in (0, 1) and picture.shape[1] - width in (0, 1):
        return np.ascontiguousarray(picture[:height, :width])
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner)
    return canvas
