"""One film on its way into an MP4 that can be played at any moment, also when nobody ends it.

It is written in fragments of a second, each of which is whole by itself: a kill costs the last one. Ended in order it
becomes an ordinary MP4 with one index, without being copied.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.codec
import av.container
import av.error
import av.video
import cv2
import numpy as np

from azaion_common.core.durable import storage_error, storage_errors
from azaion_common.core.errors import AzaionError, PermanentError
from azaion_inferencer.adapters.decoding import VideoPacket
from azaion_inferencer.ports import Image

_CLOCK = Fraction(1, 60_000)
"""MPEG-4 counts no finer than 1/65535 s; the usual frame rates are whole numbers of these."""
_CONTAINER = {
    "movflags": "hybrid_fragmented+empty_moov+default_base_moof",
    "frag_duration": "1000000",
    "flush_packets": "1",
}
_ENCODERS = {
    # Without looking ahead the encoder holds few frames: at 4K that is 0.3 instead of 0.65 GB.
    "libx264": {"preset": "veryfast", "crf": "23", "tune": "zerolatency"},
    "libopenh264": {"rc_mode": "quality"},
    "mpeg4": {"flags": "+qscale", "global_quality": "354"},
}
"""By preference. The first needs an FFmpeg under the GPL, as the wheels of PyAV bring it; the others do not."""


class Film:
    """A film whose frames are all of the size of ``first``, made even; its times start at nought.

    Raises:
        PermanentError: ``picture_too_small``, ``encoder_missing``, ``not_writable``, ``folder_missing``.
        TransientError: ``disk_full``, ``store_unavailable``.
    """

    def __init__(self, path: Path, first: Image, rate: float) -> None:
        self._path = path
        self._started_s: float | None = None
        self._last_pts = -1
        height, width = (size - size % 2 for size in first.shape[:2])
        if not height or not width:
            raise PermanentError("picture_too_small", "a picture of one pixel makes no video")
        encoder = _encoder()
        try:
            self._container = av.open(str(path), "w", format="mp4", options=_CONTAINER)
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error
        self._stream = cast(
            "av.video.stream.VideoStream",
            self._container.add_stream(
                encoder, rate=Fraction(rate).limit_denominator(1001), options=_ENCODERS[encoder]
            ),
        )
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _CLOCK

    def write(self, picture: Image, time_s: float) -> None:
        """Add a picture (H, W, 3), blue first; one of another size is fitted in.

        Raises:
            TransientError: ``disk_full``, ``store_unavailable``; the film is over then, and can be closed.
        """
        if self._started_s is None:
            self._started_s = time_s
        frame = av.VideoFrame.from_ndarray(
            _fitted(picture, self._stream.width, self._stream.height), format="bgr24"
        )
        frame.time_base = _CLOCK
        # Two frames of a live source may arrive in the same instant; a film's times must grow.
        pts = round((time_s - self._started_s) / _CLOCK)
        frame.pts = self._last_pts = max(pts, self._last_pts + 1)
        try:
            self._mux(self._stream.encode(frame))
        except av.error.FFmpegError as error:
            raise self._failed(error) from error

    def move(self, path: Path) -> None:
        """Go on under another name in the same folder."""
        with storage_errors(path):
            self._path.replace(path)
        self._path = path

    def sync(self) -> None:
        """Make the fragments that were written safe from a power cut; from any thread. Raises as ``write``."""
        with storage_errors(self._path):
            fsync_file(self._path)

    def close(self) -> None:
        """End the film in order. Raises as ``write``; what was written before can still be played then."""
        try:
            self._mux(self._stream.encode(None))
            self._container.close()
        except av.error.FFmpegError as error:
            raise self._failed(error) from error

    def _mux(self, packets: list[VideoPacket]) -> None:
        self._container.mux(packets)

    def _failed(self, error: av.error.FFmpegError | OSError) -> AzaionError:
        return storage_error(OSError(error.errno, error.strerror), self._path)


def index_in_front(path: Path, target: Path) -> None:
    """Copy a film so that playing can begin before all of it is loaded.

    Raises:
        TransientError: ``disk_full``, ``store_unavailable``.
    """
    try:
        with (
            av.open(str(path)) as film,
            av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as copy,
        ):
            source = film.streams.video[0]
            stream = copy.add_stream_from_template(source)
            for packet in film.demux(source):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
    except (av.error.FFmpegError, OSError) as error:
        raise storage_error(OSError(error.errno, error.strerror), target) from error


def fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encoder() -> str:
    for name in _ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name
    raise PermanentError(
        "encoder_missing", "this FFmpeg encodes neither h264 nor MPEG-4", hint="use --lines instead of --save"
    )


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
