"""Frames of a video file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import av
import av.container
import av.error

from azaion_common.core.errors import PermanentError
from azaion_inferencer.adapters.decoding import VideoPacket, decoded, frame_rate, pixels
from azaion_inferencer.adapters.orientation import Holding
from azaion_inferencer.ports import Frame

_DECODING_THREADS = 2
_MICROSECONDS = 1_000_000
_MISSING_S = 2.0
_MISSING_SHARE = 0.05


class VideoFile:
    """A file that is read once from its start. Frames are decoded in order, never sought.

    Times count from the first frame, whatever the recording's own clock says; where there is no clock (a raw stream
    of pictures), they follow from the frame rate. They never go back.

    Raises:
        PermanentError: ``video_unreadable`` when it is not a video, or its end is missing.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = False
        self._clock = _Clock()
        self._holding = Holding()
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
    def starts_at_s(self) -> float:
        """What the recording's own clock said at its first frame, once that was read."""
        return self._clock.starts_at_s

    @property
    def total(self) -> int | None:
        return self._stream.frames or None

    def frames(self) -> Iterator[Frame]:
        """Give the frames; a damaged one is there too, and its ``decode`` raises ``frame_undecodable``."""
        numbers = count()
        try:
            for packet in self._container.demux():
                self._clock.note(packet)
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
            number = next(numbers)
            yield Frame(
                number, self._clock.time_s(picture, number, self.rate), pixels(picture, self._holding)
            )

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
        declared_s = self._clock.declared_s((self._container.duration or 0) / _MICROSECONDS)
        missing_s = declared_s - self._clock.covered_s
        if missing_s > max(_MISSING_S, declared_s * _MISSING_SHARE):
            raise unreadable(self._path, f"its last {missing_s:.0f} of {declared_s:.0f} seconds are missing")


class _Clock:
    """The recording's own times, and what is made of them."""

    def __init__(self) -> None:
        self.starts_at_s = 0.0
        self._begun = False
        self._last_s = 0.0
        self._first_packet_s: float | None = None
        self._last_packet_s = 0.0

    @property
    def covered_s(self) -> float:
        """From the first to the end of the last packet read."""
        return self._last_packet_s - (self._first_packet_s or 0.0)

    def declared_s(self, duration_s: float) -> float:
        """A header's duration, from the first packet on: some containers count it from the clock's nought."""
        first_s = self._first_packet_s or 0.0
        return duration_s - first_s if duration_s > first_s else duration_s

    def note(self, packet: av.Packet[Any]) -> None:
        if packet.pts is None or packet.time_base is None:
            return
        start = float(packet.pts * packet.time_base)
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        self._first_packet_s = start if self._first_packet_s is None else min(self._first_packet_s, start)
        self._last_packet_s = max(self._last_packet_s, end)

    def time_s(self, picture: av.VideoFrame | None, number: int, rate: float) -> float:
        """Since the first frame. A damaged picture has the time of the one before it."""
        told = None if picture is None else picture.time
        if told is not None and not self._begun:
            self.starts_at_s, self._begun = told - number / rate, True
        if told is not None:
            self._last_s = max(self._last_s, told - self.starts_at_s)
        elif not self._begun:
            self._last_s = number / rate
        return self._last_s


def unreadable(path: Path | str, reason: str) -> PermanentError:
    return PermanentError("video_unreadable", f"cannot read the video {path}: {reason}")


def _open(path: Path) -> av.container.InputContainer:
    try:
        # A playlist inside a file must not reach out to the network.
        return av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, error.strerror or str(error)) from error
