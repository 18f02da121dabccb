"""From what a user writes to the source that is meant."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from azaion_inferencer.adapters.camera import open_camera
from azaion_inferencer.adapters.live_source import LiveSource, Patience
from azaion_inferencer.adapters.network_stream import open_stream, shown_url
from azaion_inferencer.adapters.newest import Newest
from azaion_inferencer.adapters.pictures import SUFFIXES, Pictures, is_sequence
from azaion_inferencer.adapters.video_file import VideoFile
from azaion_inferencer.ports import FrameSource, Tell, untold

DEFAULT_EVERY = 4


def open_source(
    text: str, every: int | None = None, *, give_up_after_s: float | None = None, tell: Tell = untold
) -> tuple[FrameSource, int]:
    """Open a camera (a number), a stream (a URL), a folder of pictures, a numbered sequence of them
    (``folder/f%03d.jpg``), a picture or a video file.

    Cameras and streams need not be there yet: they are waited for, for ever or ``give_up_after_s``, and ``tell`` is
    told so.

    Returns:
        The source, and which frames of it are inferred: every ``every``-th, by default each picture of a folder and
        each fourth frame of anything that moves.

    Raises:
        PermanentError: ``video_unreadable``, ``no_pictures``.
    """
    path = Path(text)
    patience = Patience(give_up_after_s=give_up_after_s)
    if text.isdecimal():
        source = LiveSource(f"camera {text}", partial(open_camera, int(text)), patience, tell)
        return _newest(source, every or DEFAULT_EVERY)
    if "://" in text:
        source = LiveSource(shown_url(text), partial(open_stream, text, patience.deadline_s), patience, tell)
        return _newest(source, every or DEFAULT_EVERY)
    if path.is_dir() or is_sequence(path) or (path.is_file() and path.suffix.lower() in SUFFIXES):
        return Pictures(path), every or 1
    return VideoFile(path), every or DEFAULT_EVERY


def _newest(source: FrameSource, every: int) -> tuple[FrameSource, int]:
    # One sampled frame may wait while another is inferred; older ones are news no longer.
    return Newest(source, backlog=every + 1), every
