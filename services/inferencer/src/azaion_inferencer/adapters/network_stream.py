"""A camera by URL: RTSP, or whatever else FFmpeg plays."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

import av
import av.container
import av.error

from azaion_inferencer.adapters.decoding import VideoPacket, decoded, frame_rate, pixels
from azaion_inferencer.adapters.live_source import Decode, SourceLostError
from azaion_inferencer.adapters.orientation import Holding

Opener = Callable[[str, float], av.container.InputContainer]
"""Connects to a URL within so many seconds, which are also the limit for each later read."""

Failure = av.error.FFmpegError | OSError
_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (av.error.HTTPUnauthorizedError, "it wants a user and a password, or others than those given (401)"),
    (av.error.HTTPForbiddenError, "it refuses this user (403)"),
    (av.error.HTTPNotFoundError, "there is no such stream at this address (404)"),
    (av.error.InvalidDataError, "what answers there is no video"),
    (ConnectionRefusedError, "connection refused: nothing listens on this port"),
    ((TimeoutError, av.error.ExitError), "no answer in time"),
)
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935}


def connect(url: str, timeout_s: float) -> av.container.InputContainer:
    options = {"rtsp_transport": "tcp"} if url.startswith("rtsp") else {}
    return av.open(url, timeout=timeout_s, options=options)


class NetworkStream:
    """An opened stream."""

    def __init__(self, container: av.container.InputContainer, timeout_s: float) -> None:
        self._container = container
        self._timeout_s = timeout_s
        self._holding = Holding()
        self._stream = container.streams.video[0]

    @property
    def rate(self) -> float:
        return frame_rate(self._stream)

    def pictures(self) -> Iterator[Decode]:
        """Give pictures until it ends. Raises SourceLostError when it breaks off, or goes on without pictures."""
        last = monotonic()
        try:
            for packet in self._container.demux():
                if packet.stream is self._stream:
                    for picture in decoded(cast("VideoPacket", packet)):
                        yield pixels(picture, self._holding)
                    last = monotonic()
                elif monotonic() - last > self._timeout_s:
                    raise SourceLostError("it sends no pictures any more")
        except (av.error.FFmpegError, OSError) as error:
            raise SourceLostError(error.strerror or str(error)) from error


@contextmanager
def open_stream(url: str, timeout_s: float, opener: Opener = connect) -> Iterator[NetworkStream]:
    """Connect. Raises SourceLostError with what the address answers."""
    try:
        container = opener(url, timeout_s)
    except (av.error.FFmpegError, OSError) as error:
        raise SourceLostError(_reason(url, error)) from error
    with container:
        if not container.streams.video:
            raise SourceLostError("it answers, but sends no video")
        yield NetworkStream(container, timeout_s)


def _reason(url: str, error: Failure) -> str:
    """What went wrong, for whoever typed the address."""
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason
    return _unknown_host(url) or error.strerror or str(error)


def _unknown_host(url: str) -> str | None:
    """FFmpeg calls a host name that nobody knows an input/output error."""
    parts = urlsplit(url)
    if not parts.hostname:
        return "the address names no host"
    try:
        socket.getaddrinfo(parts.hostname, parts.port or _PORTS.get(parts.scheme, 0))
    except (OSError, ValueError):
        return f"there is no host {parts.hostname}"
    return None


def shown_url(url: str) -> str:
    """The URL without user, password and query, for messages."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
