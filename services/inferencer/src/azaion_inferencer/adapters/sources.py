"""From what a user writes to the source that is meant."""

from __future__ import annotations

from pathlib import Path

from azaion_inferencer.adapters.camera import Camera
from azaion_inferencer.adapters.network_stream import NetworkStream
from azaion_inferencer.adapters.newest import Newest
from azaion_inferencer.adapters.pictures import SUFFIXES, Pictures, is_sequence
from azaion_inferencer.adapters.video_file import VideoFile
from azaion_inferencer.ports import FrameSource

DEFAULT_EVERY = 4


def open_source(text: str, every: int | None = None) -> tuple[FrameSource, int]:
    """Open a camera (a number), a stream (a URL), a folder of pictures, a numbered sequence of them
    (``folder/f%03d.jpg``), a picture or a video file.

    Returns:
        The source, and which frames of it are inferred: every ``every``-th, by default each picture of a folder and
        each fourth frame of anything that moves.

    Raises:
        PermanentError: ``video_unreadable``, ``no_pictures``, ``camera_unavailable``.
    """
    path = Path(text)
    if text.isdecimal():
        return _live(Camera(int(text)), every or DEFAULT_EVERY)
    if "://" in text:
        return _live(NetworkStream(text), every or DEFAULT_EVERY)
    if path.is_dir() or is_sequence(path) or (path.is_file() and path.suffix.lower() in SUFFIXES):
        return Pictures(path), every or 1
    return VideoFile(path), every or DEFAULT_EVERY


def _live(source: FrameSource, every: int) -> tuple[FrameSource, int]:
    # One sampled frame may wait while another is inferred; older ones are news no longer.
    return Newest(source, backlog=every + 1), every
