"""Where a picture comes from, as far as its file tells: the recording, the moment in it, and the picture it copies.

Pictures of one recording that are close in time stay together when a dataset is split. Copies of one picture, which
some tools multiply before they export, are moments of one and the same recording for that purpose: the picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_MAX_MEDIA_NAME = 500
_COPY = re.compile(
    r"""(?: [_.-](?:jpe?g|jpe|jfif|mpo|png|bmp|webp|tiff?|heic|avif|gif) )?  # the suffix that the picture had
        \.rf\.[0-9A-Za-z_-]+                                                  # Roboflow: then a hash for each copy
      | \+[0-9]+                                                              # our own exports of datasets
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DATE = re.compile(
    r"(?<![0-9])((?:19|20)[0-9]{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12][0-9]|3[01])"
    r"[-_.T ]{0,2}([01][0-9]|2[0-3])[-_.:h]?([0-5][0-9])[-_.:m]?([0-5][0-9])(?:[-_.]?([0-9]{3}))?Z?"
)


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """What is known. ``media_time_s`` are seconds in the recording, or since 1970 where a clock was read."""

    media_name: str = ""
    media_time_s: float | None = None
    captured_at: datetime | None = None


def origin_of(
    stem: str, *, recording: str = "", position_s: float | None = None, captured_at: datetime | None = None
) -> FileOrigin:
    """What a file's stem tells, with what is known otherwise: the ``recording``, the place in it, the date."""
    if recording and position_s is not None:
        return FileOrigin(_text(recording), position_s, captured_at)
    source = source_of(stem)
    media_name, position = recording_of(source or stem)
    dated = _dated(source or stem)
    if dated is not None:
        media_name, captured_at = dated
        time_s: float | None = captured_at.timestamp()
    elif recording and position is not None:
        media_name, time_s = recording, float(position)
    elif position is not None and any(character.isdigit() for character in media_name):
        # One second per frame of a numbered recording (DJI_0005-0018). A single running number (IMG_0018) is an
        # order and no time: still pictures of different scenes have one too.
        time_s = float(position)
    else:
        time_s = captured_at.timestamp() if captured_at else None
    if source is not None and (time_s is None or not media_name):
        media_name, time_s = source, 0.0
    return FileOrigin(_text(recording or media_name), time_s, captured_at)


def source_of(stem: str) -> str | None:
    """The stem of the picture that this one is a copy of; None when it is nobody's copy.

    ``street_jpg.rf.0a1b2c`` (Roboflow) and ``street+3`` (a variant in one of our datasets) are copies of ``street``.
    """
    match = re.fullmatch(f"(?P<source>.+?)(?:{_COPY.pattern})", stem, _COPY.flags)
    return match["source"] if match else None


def recording_of(stem: str) -> tuple[str, int | None]:
    """The recording and the frame index that a file's stem tells of.

    The last run of at most nine digits at the end is the index, what stands before it (without separators) is
    the recording: ``MOS74`` is frame 74 of ``MOS``, ``DJI_0005-0018`` frame 18 of ``DJI_0005``. A stem without
    such digits, or of digits only, tells nothing: ``("", None)``.
    """
    match = re.fullmatch(r"(.*?)[_\-. ]*(?<![0-9])([0-9]{1,9})", source_of(stem) or stem)
    if match is None or not match[1]:
        return "", None
    return match[1], int(match[2])


def _dated(stem: str) -> tuple[str, datetime] | None:
    """What stands before a date and time at the end of ``stem``, and these: ``cam1_2024-05-01_12-30-00``."""
    match = re.fullmatch(f"(?P<before>.*?)[-_. ]*{_DATE.pattern}", stem)
    if match is None:
        return None
    year, month, day, hour, minute, second, milliseconds = (int(group or 0) for group in match.groups()[1:])
    try:
        moment = datetime(year, month, day, hour, minute, second, milliseconds * 1000, UTC)
    except ValueError:
        return None
    return match["before"], moment


def _text(name: str) -> str:
    """``name`` as a text that a message can carry: bytes of file names that are no UTF-8 are replaced."""
    return (
        name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "")[:_MAX_MEDIA_NAME]
    )
