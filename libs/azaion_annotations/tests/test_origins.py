"""Where a picture comes from, read from its file's name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from azaion_annotations.origins import FileOrigin, origin_of, recording_of, source_of

TAKEN = datetime(2024, 5, 1, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("scene00x_jpg.rf.c2eb282156233b5d827219971c8b04c2", "scene00x"),
        ("IMG_0012_JPG.rf.AbC123", "IMG_0012"),
        ("roof-png.rf.0123abcd", "roof"),
        ("roof.jpeg.rf.0123abcd", "roof"),
        ("roof.rf.0123abcd", "roof"),
        ("street+3", "street"),
        ("street", None),
        ("roof.rfid.12", None),
        ("a+b", None),
    ],
)
def test_copies_name_their_source(stem: str, source: str | None) -> None:
    """Roboflow's copies and our own variants; whatever else has such letters in it is itself."""
    assert source_of(stem) == source


@pytest.mark.parametrize(
    "stem", ["scene00x", "frame_000012", "000012", "DJI_0005-0018", "cam_2024-05-01_12-30-15"]
)
@pytest.mark.parametrize("suffix", ["_jpg", "_jpeg", "_png", ""])
def test_all_copies_of_a_picture_are_of_one_moment(stem: str, suffix: str) -> None:
    """Whatever its name tells: the same recording at the same time, which is what keeps them on one side of a split."""
    first, second = (origin_of(f"{stem}{suffix}.rf.{digest}") for digest in ("0a1b2c", "9f8e7d"))

    assert first == second
    assert first.media_name
    assert first.media_time_s is not None


def test_copies_of_two_pictures_are_of_two_moments() -> None:
    """Pictures that are numbered, and no frames of a recording, do not become one by being copied."""
    assert origin_of("IMG_0001_jpg.rf.aa") != origin_of("IMG_0002_jpg.rf.aa")


@pytest.mark.parametrize(
    "stem",
    ["cam1_2024-05-01_12-30-15", "cam1-20240501T123015Z", "cam1_20240501_123015", "cam1 2024.05.01 12.30.15"],
)
def test_a_date_in_the_name_is_a_time(stem: str) -> None:
    """A fixed camera's pictures of other days are other moments."""
    assert origin_of(stem) == FileOrigin("cam1", TAKEN.timestamp(), TAKEN)


@pytest.mark.parametrize("stem", ["cam1_2024-13-01_12-30-15", "cam1_2024-05-01_25-30-15", "cam1_123015"])
def test_other_numbers_are_no_date(stem: str) -> None:
    """No month 13 and no hour 25."""
    assert origin_of(stem).captured_at is None


def test_what_the_labels_know_is_taken() -> None:
    """A task's recording with the frame of the name; a date, where there is one."""
    assert origin_of("frame_000012", recording="street 7") == FileOrigin("street 7", 12.0)
    assert origin_of("IMG_0012", captured_at=TAKEN) == FileOrigin("IMG", TAKEN.timestamp(), TAKEN)
    assert origin_of("x", recording="r", position_s=2.5) == FileOrigin("r", 2.5)
    assert origin_of("IMG_0012") == FileOrigin("IMG", None)


@pytest.mark.parametrize(
    ("stem", "recording"),
    [
        ("MOS74", ("MOS", 74)),
        ("DJI_0005-0018", ("DJI_0005", 18)),
        ("DJI-00760-00001", ("DJI-00760", 1)),
        ("MunichStreet02-MOS32", ("MunichStreet02-MOS", 32)),
        ("BloodImage_00000", ("BloodImage", 0)),
        ("frame_0001_jpg.rf.0123abcd", ("frame", 1)),
        ("000123", ("", None)),
        ("roof", ("", None)),
        ("x12345678901234", ("", None)),
    ],
)
def test_the_recording_is_read_from_the_name(stem: str, recording: tuple[str, int | None]) -> None:
    """The number at the end is the frame, what stands before it the recording."""
    assert recording_of(stem) == recording
