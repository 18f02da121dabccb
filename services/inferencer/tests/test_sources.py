"""Sources: what they give, and what they refuse with one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from azaion_common.core.errors import PermanentError, TransientError
from azaion_inferencer.adapters.pictures import Pictures
from azaion_inferencer.adapters.sources import open_source
from azaion_inferencer.adapters.video_file import VideoFile
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import run
from azaion_inferencer.ports import Frame

Kit = Any


def read_all(path: Path) -> list[Any]:
    return list(VideoFile(path).frames())


def test_a_video_gives_every_frame_once_with_its_time(kit: Kit, tmp_path: Path) -> None:
    """Numbers count from zero, times follow the rate, and the pixels are those of the frame, B-frames or not."""
    source = VideoFile(kit.film(tmp_path / "a.mp4"))

    frames = list(source.frames())

    assert (source.rate, source.total, source.live) == (25.0, 50, False)
    assert [frame.number for frame in frames] == list(range(50))
    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in range(50)])
    assert [frame.decode().mean() for frame in frames] == pytest.approx([n * 5 for n in range(50)], abs=4)


def test_pixels_are_those_that_opencv_decodes(kit: Kit, tmp_path: Path) -> None:
    """Boxes can be compared with any pipeline over OpenCV: decoding and colours are the same to the bit."""
    path = kit.film(tmp_path / "a.mp4", count=5)
    capture = cv2.VideoCapture(str(path))

    for frame in VideoFile(path).frames():
        assert np.array_equal(frame.decode(), capture.read()[1])


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_a_truncated_video_is_refused(share: float, kit: Kit, tmp_path: Path) -> None:
    """However much of the file is there, a missing end is an error and not a shorter film (index in front)."""
    whole = kit.film(tmp_path / "whole.mp4")
    fast = tmp_path / "fast.mp4"
    with av.open(str(whole)) as taken, av.open(str(fast), "w", options={"movflags": "+faststart"}) as given:
        stream = given.add_stream_from_template(taken.streams.video[0])
        for packet in taken.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                given.mux(packet)
    content = fast.read_bytes()
    fast.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(PermanentError) as refused:
        read_all(fast)

    assert refused.value.code == "video_unreadable"
    assert "\n" not in refused.value.message


def test_a_truncated_video_without_an_index_is_refused(kit: Kit, tmp_path: Path) -> None:
    """A container that only declares its duration is checked against that."""
    path = kit.film(tmp_path / "a.mkv", count=200)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])

    with pytest.raises(PermanentError, match="seconds are missing"):
        read_all(path)


@pytest.mark.parametrize("content", [b"", b"this is text\n" * 50], ids=["empty", "text"])
def test_what_is_no_video_is_refused(content: bytes, tmp_path: Path) -> None:
    """Nothing and text are no video, whatever they are called."""
    path = tmp_path / "a.mp4"
    path.write_bytes(content)

    with pytest.raises(PermanentError) as refused:
        VideoFile(path)

    assert refused.value.code == "video_unreadable"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A name that leads nowhere is named in the message."""
    with pytest.raises(PermanentError, match=r"nowhere\.mp4"):
        open_source(str(tmp_path / "nowhere.mp4"))


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    """A file with streams but without pictures is refused."""
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))

    with pytest.raises(PermanentError, match="no video"):
        VideoFile(path)


def test_damage_in_the_middle_costs_frames_and_not_the_film(kit: Kit, tmp_path: Path) -> None:
    """Overwritten bytes make some frames undecodable: they are counted, and the rest is inferred."""
    path = kit.film(tmp_path / "a.mp4", count=100)
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + 1500
    content[middle : middle + 200] = b"\xff" * 200
    path.write_bytes(content)

    with ModelSlot(kit.loaded()) as slot:
        outcome = run(VideoFile(path), slot, [])

    assert outcome.ledger.balanced
    assert 50 < outcome.ledger.inferred <= 100


def test_pictures_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Each picture of a folder is a frame with its name; other files are not."""
    for name in ("b.png", "a.jpg", "C.PNG", "notes.txt"):
        _, content = cv2.imencode(".png", np.full((4, 6, 3), len(name), np.uint8))
        (tmp_path / name).write_bytes(content.tobytes())

    frames = list(Pictures(tmp_path).frames())

    assert [frame.name for frame in frames] == ["C.PNG", "a.jpg", "b.png"]
    assert frames[0].decode().shape == (4, 6, 3)


def test_broken_pictures_are_dropped_with_a_reason(kit: Kit, tmp_path: Path) -> None:
    """An empty file, a text and half a picture are counted; the good picture is inferred."""
    _, content = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8))
    good = content.tobytes()
    for name, part in (("a.png", b""), ("b.png", b"text"), ("c.png", good), ("d.png", good[:30])):
        (tmp_path / name).write_bytes(part)

    with ModelSlot(kit.loaded()) as slot:
        outcome = run(Pictures(tmp_path), slot, [])

    assert outcome.ledger.as_dict() == {
        "read": 4,
        "inferred": 1,
        "skipped": 0,
        "dropped": {"picture_unreadable": 3},
    }


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".mpo", ".avif", ".jp2", ".webp", ".tif", ".ppm"])
def test_pictures_have_many_suffixes(suffix: str, tmp_path: Path) -> None:
    """Whatever can be decoded is read, alone and in a folder: JFIF is JPEG by another name."""
    coded_as = {".jfif": ".jpg", ".jpe": ".jpg", ".mpo": ".jpg"}.get(suffix, suffix)
    _, content = cv2.imencode(coded_as, np.full((64, 96, 3), 90, np.uint8))
    (tmp_path / f"a{suffix.upper()}").write_bytes(content.tobytes())

    (alone,), (inside,) = (
        open_source(str(path))[0].frames() for path in (tmp_path / f"a{suffix.upper()}", tmp_path)
    )

    assert isinstance(alone, Frame)
    assert isinstance(inside, Frame)
    assert alone.decode().shape == inside.decode().shape == (64, 96, 3)


def test_pictures_of_a_kind_that_is_not_read_are_listed(tmp_path: Path) -> None:
    """A HEIC among JPEGs is left out by name, not in silence; alone it is named in the error."""
    (tmp_path / "a.HEIC").write_bytes(b"heic")
    with pytest.raises(PermanentError, match=r"1 of a kind that is not read: \.heic"):
        Pictures(tmp_path)
    cv2.imwrite(str(tmp_path / "b.jpg"), np.zeros((8, 8, 3), np.uint8))

    assert [path.name for path in Pictures(tmp_path).left_out] == ["a.HEIC"]


def test_an_avif_is_held_as_its_container_says(tmp_path: Path) -> None:
    """Each EXIF orientation of an AVIF, which writers turn into the container's own words, comes out upright."""
    drawn = np.zeros((40, 60, 3), np.uint8)
    drawn[:10, :20] = 255
    for value in range(1, 9):
        exif = PIL.Image.Exif()
        exif[0x0112] = value
        path = tmp_path / f"{value}.avif"
        PIL.Image.fromarray(drawn).save(path, exif=exif)
        upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(path)))

        (frame,) = Pictures(path).frames()

        assert isinstance(frame, Frame)
        assert np.abs(frame.decode().astype(int) - upright).mean() < 4


def test_a_numbered_sequence_is_a_source(tmp_path: Path) -> None:
    """``f%03d.jpg`` means the numbered files in the order of their numbers, and nothing else of the folder."""
    for name in ("f001.jpg", "f010.jpg", "f1000.jpg", "f2.jpg", "g003.jpg", "f005.jpg.txt"):
        cv2.imwrite(str(tmp_path / name.removesuffix(".txt")), np.zeros((8, 8, 3), np.uint8))

    source, every = open_source(str(tmp_path / "f%03d.jpg"))

    assert every == 1
    assert [frame.name for frame in source.frames() if isinstance(frame, Frame)] == [
        "f001.jpg", "f005.jpg", "f010.jpg", "f1000.jpg",
    ]  # fmt: skip
    assert open_source(str(tmp_path / "f%d.jpg"))[0].total == 5
    with pytest.raises(PermanentError, match="no picture"):
        open_source(str(tmp_path / "h%d.jpg"))


@pytest.mark.parametrize("suffix", [".h264", ".m4v", ".m2v", ".mjpeg", ".avi", ".ts", ".mpg", ".mkv", ".flv"])
def test_times_count_from_the_first_frame_in_every_container(suffix: str, kit: Kit, tmp_path: Path) -> None:
    """Raw streams without any clock, and containers whose clock starts late, give 0, 1/25, 2/25 … all the same."""
    codec = {".m4v": "mpeg4", ".m2v": "mpeg2video", ".mjpeg": "mjpeg", ".avi": "mpeg4", ".mpg": "mpeg2video"}
    path = kit.film(tmp_path / f"a{suffix}", count=30, codec=codec.get(suffix, "h264"))

    times = [frame.time_s for frame in read_all(path)]

    assert times == pytest.approx([n / 25 for n in range(30)], abs=0.001)


def test_a_recording_whose_clock_runs_already_starts_at_nought(kit: Kit, tmp_path: Path) -> None:
    """A recorder's clock that stood at ten hours is told apart from the time since the first frame."""
    source = VideoFile(kit.film(tmp_path / "a.mkv", starts_at_s=36_000))

    times = [frame.time_s for frame in source.frames()]

    assert times == pytest.approx([n / 25 for n in range(50)], abs=0.001)
    assert source.starts_at_s == pytest.approx(36_000)


def test_a_truncated_recording_is_refused_wherever_its_clock_starts(kit: Kit, tmp_path: Path) -> None:
    """A clock that starts late does not stand for frames that are missing."""
    path = kit.film(tmp_path / "a.ts", count=200, starts_at_s=36_000)
    whole = [frame.time_s for frame in read_all(path)]
    mkv = kit.film(tmp_path / "a.mkv", count=200, starts_at_s=36_000)
    mkv.write_bytes(mkv.read_bytes()[: mkv.stat().st_size // 3])

    assert len(whole) == 200
    with pytest.raises(PermanentError, match="seconds are missing"):
        read_all(mkv)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without a picture is an error, not a run over nothing."""
    with pytest.raises(PermanentError) as refused:
        open_source(str(tmp_path))

    assert refused.value.code == "no_pictures"


def test_a_camera_that_is_not_there_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    """A number means a camera; without one that is told, and after the time allowed there is one clear error."""
    told: list[str] = []
    source, _ = open_source("97", give_up_after_s=0.01, tell=lambda _code, sentence: told.append(sentence))

    with pytest.raises(TransientError, match="no picture from camera 97"):
        list(source.frames())

    assert "camera 97 cannot be reached: it is not there, or in use" in told[0]


def test_each_kind_of_source_has_its_own_step(kit: Kit, tmp_path: Path) -> None:
    """Every fourth frame of what moves, each picture of a folder, unless the user says otherwise."""
    film = kit.film(tmp_path / "a.mp4", count=2)
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((8, 8, 3), np.uint8))

    assert open_source(str(film))[1] == 4
    assert open_source(str(film), 2)[1] == 2
    assert open_source(str(tmp_path))[1] == 1
    assert open_source(str(tmp_path / "a.jpg"))[1] == 1
    assert open_source("rtsp://nowhere.invalid/stream")[0].live
