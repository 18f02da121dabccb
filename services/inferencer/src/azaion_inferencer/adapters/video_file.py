"""Frames of a video file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import av
import av.container
import av.error

from azaion_common.errors import PermanentError
from azaion_inferencer.adapters.decoding import VideoPacket, decoded, frame_rate, pixels
from azaion_inferencer.ports import Frame

_DECODING_THREADS = 2
_MICROSECONDS = 1_000_000
_MISSING_S = 2.0
_MISSING_SHARE = 0.05


class VideoFile:
    """A file that is read once from its start. Frames are decoded in order, never sought.

    Raises:
        PermanentError: ``video_unreadable`` when it is not a video, or its end is missing.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = False
        self._last_time_s = 0.0
        self._container = _open(path)
        if not self._container.streams.video:
            self._container.close()
            raise unreadable(path, "it holds no video")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = _DECODING_THREADS
        self._check_index()

    @property
    def rate(self) -> float:
        return frame_rate(self._stream)

    @property
    def total(self) -> int | None:
        return self._stream.frames or None

    def frames(self) -> Iterator[Frame]:
        """Give the frames; a damaged one is there too, and its ``decode`` raises ``frame_undecodable``."""
        numbers = count()
        try:
            for packet in self._container.demux():
                self._note_time(packet)
                if packet.stream is self._stream:
                    yield from self._decoded(cast("VideoPacket", packet), numbers)
                if self._stopped:
                    return
            self._check_end(next(numbers))
        except av.error.FFmpegError as error:
            raise unreadable(self._path, error.strerror or str(error)) from error
        finally:
            self._container.close()

    def stop(self) -> None:
        self._stopped = True

    def _decoded(self, packet: VideoPacket, numbers: Iterator[int]) -> Iterator[Frame]:
        for picture in decoded(packet):
            time_s = self._last_time_s if picture is None or picture.time is None else picture.time
            yield Frame(next(numbers), time_s, pixels(picture))

    def _note_time(self, packet: av.Packet[Any]) -> None:
        if packet.pts is not None and packet.time_base is not None:
            end = packet.pts + (packet.duration or 0)
            self._last_time_s = max(self._last_time_s, float(end * packet.time_base))

    def _check_index(self) -> None:
        """Refuse a file whose index points behind its end: it would play silently shorter."""
        entries = self._stream.index_entries
        end = max((entry.pos + entry.size for entry in entries), default=0)
        missing = end - self._container.size
        if missing > 0:
            self._container.close()
            raise unreadable(self._path, f"its last {missing} bytes are missing")

    def _check_end(self, frame_count: int) -> None:
        """Refuse what ended early: nothing in it, or less than its header says (containers without an index)."""
        if not frame_count:
            raise unreadable(self._path, "not one frame could be read")
        declared_s = (self._container.duration or 0) / _MICROSECONDS
        missing_s = declared_s - self._last_time_s
        if missing_s > max(_MISSING_S, declared_s * _MISSING_SHARE):
            raise unreadable(self._path, f"its last {missing_s:.0f} of {declared_s:.0f} seconds are missing")


def unreadable(path: Path | str, reason: str) -> PermanentError:
    return PermanentError("video_unreadable", f"cannot read the video {path}: {reason}")


def _open(path: Path) -> av.container.InputContainer:
    try:
        # A playlist inside a file must not reach out to the network.
        return av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, error.strerror or str(error)) from error
