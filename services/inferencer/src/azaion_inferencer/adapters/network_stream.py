"""A camera by URL: RTSP, or whatever else FFmpeg plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from threading import Event
from time import monotonic
from urllib.parse import urlsplit

import av
import av.container
import av.error

from azaion_common.errors import PermanentError, TransientError
from azaion_inferencer.adapters.decoding import decoded, frame_rate, pixels
from azaion_inferencer.ports import Frame

Opener = Callable[[str, float], av.container.InputContainer]
"""Connects to a URL within so many seconds, which are also the limit for each later read."""

_DEFAULT_RATE = 25.0


@dataclass(frozen=True)
class Reconnecting:
    """How long to wait for a stream: per answer, between attempts (doubling), and altogether before giving up."""

    timeout_s: float = 10.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    give_up_after_s: float = 120.0

    def wait_s(self, attempt: int) -> float:
        return float(min(self.first_wait_s * 2**attempt, self.longest_wait_s))


def connect(url: str, timeout_s: float) -> av.container.InputContainer:
    options = {"rtsp_transport": "tcp"} if url.startswith("rtsp") else {}
    return av.open(url, timeout=timeout_s, options=options)


class NetworkStream:
    """A stream that is connected again whenever it breaks off.

    Frame numbers and times go on across a reconnection; times are times of arrival since the start.
    """

    live = True
    total = None

    def __init__(self, url: str, reconnecting: Reconnecting | None = None, opener: Opener = connect) -> None:
        self._url = url
        self._reconnecting = reconnecting or Reconnecting()
        self._opener = opener
        self._stopped = Event()
        self._rate = _DEFAULT_RATE
        self.connections = 0

    @property
    def rate(self) -> float:
        return self._rate

    def frames(self) -> Iterator[Frame]:
        """Give frames until stopped.

        Raises:
            PermanentError: ``video_unreadable`` when what answers has no video.
            TransientError: ``stream_unreachable`` after ``give_up_after_s`` without a frame.
        """
        numbers, started, last, attempt = count(), monotonic(), monotonic(), 0
        while not self._stopped.is_set():
            reason = "it ended"
            try:
                for picture in self._connection():
                    last, attempt = monotonic(), 0
                    yield Frame(next(numbers), last - started, pixels(picture))
            except (av.error.FFmpegError, OSError) as error:
                reason = error.strerror or str(error)
            self._give_up_if(monotonic() - last, reason)
            self._stopped.wait(self._reconnecting.wait_s(attempt))
            attempt += 1

    def stop(self) -> None:
        self._stopped.set()

    def _connection(self) -> Iterator[av.VideoFrame | None]:
        with self._opener(self._url, self._reconnecting.timeout_s) as container:
            if not container.streams.video:
                raise PermanentError("video_unreadable", f"{shown_url(self._url)} has no video")
            self.connections += 1
            stream = container.streams.video[0]
            self._rate = frame_rate(stream)
            for packet in container.demux(stream):
                yield from decoded(packet)
                if self._stopped.is_set():
                    return

    def _give_up_if(self, silent_s: float, reason: str) -> None:
        if silent_s > self._reconnecting.give_up_after_s and not self._stopped.is_set():
            raise TransientError(
                "stream_unreachable", f"no picture from {shown_url(self._url)} for {silent_s:.0f} s: {reason}"
            )


def shown_url(url: str) -> str:
    """The URL without user, password and query, for messages."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
