"""Pictures that are made to stop whoever decodes them: refused at once, or decoded where they can be killed."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from picturetest.attacks import ATTACKS, jpeg, many_scans, png, segment, with_segments
from PIL import Image

from azaion_annotations.picture_limits import MIB, PictureLimits
from azaion_annotations.picture_process import PictureProcess
from azaion_annotations.pictures import inspect_picture, look
from azaion_common.core.errors import PermanentError, TransientError

pytestmark = pytest.mark.slow

SLOW = PictureLimits(max_scans=100_000, max_unpacking_ratio=10_000, timeout_s=60)
"""Allows what takes minutes."""
LONG_S = 10.0


def verdict(data: bytes, limits: PictureLimits | None = None) -> str:
    try:
        inspect_picture(data, limits)
    except PermanentError as error:
        return error.code
    return "sound"


@pytest.mark.parametrize("name", ATTACKS)
def test_no_picture_takes_long(name: str) -> None:
    """Whatever it promises, there is a verdict within the time that a very large ordinary picture takes."""
    make, expected = ATTACKS[name]
    data = make()
    started = time.process_time()

    assert verdict(data) == expected
    assert time.process_time() - started < LONG_S


def test_a_refusal_has_the_numbers_and_the_setting() -> None:
    """Whoever has such pictures for a reason learns which limit to raise."""
    with pytest.raises(PermanentError) as caught:
        inspect_picture(png(40_000, 2))

    assert caught.value.message == "the picture has 40000 x 2 pixels; the limit is 32768 on a side"
    assert caught.value.hint is not None
    assert "max_side" in caught.value.hint


@pytest.mark.parametrize(
    ("limits", "data", "code"),
    [
        (PictureLimits(max_side=63), jpeg(64, 48), "picture_too_large"),
        (PictureLimits(max_pixels=64 * 48 - 1), png(64, 48), "picture_too_large"),
        (PictureLimits(max_scans=5), jpeg(64, 48, progressive=True), "picture_too_complex"),
        (PictureLimits(max_parts=9), with_segments(*[segment(0xFE)] * 9), "picture_too_complex"),
        (PictureLimits(max_picture_bytes=64 * 48), png(64, 48), "picture_too_large"),
    ],
)
def test_each_limit_can_be_set(limits: PictureLimits, data: bytes, code: str) -> None:
    """A limit that is lowered refuses what the ordinary one takes."""
    assert verdict(data) == "sound"
    assert verdict(data, limits) == code


def test_what_makes_no_pixels_is_not_given_to_the_decoder() -> None:
    """Profiles, texts, thumbnails and further frames are parsed with less care than pixels; here they do not matter."""
    for name in ("EXIF that points around", "ICC profile in 300 pieces", "texts that unpack", "animated"):
        assert len(look(ATTACKS[name][0](), PictureLimits()).pixels) < 1000


def test_a_picture_in_a_process_of_its_own_is_the_same() -> None:
    """Where it is decoded makes no difference to what is known of it."""
    data = many_scans(0, side=7000) + bytes(MIB)
    costly = look(data, PictureLimits())
    assert costly.is_costly

    facts = inspect_picture(data)

    assert (facts.media_type, facts.width, facts.height) == ("image/jpeg", 7000, 7000)


def test_a_picture_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is that of a processor, so that a busy machine refuses nothing; when it is over, so is the process."""
    monkeypatch.setattr("azaion_annotations.picture_process._WALL_FACTOR", 1000)
    limits = PictureLimits(max_scans=100_000, max_unpacking_ratio=10_000, timeout_s=1)

    assert verdict(many_scans(3000), limits) == "picture_too_slow"


def test_a_picture_that_stands_still_is_killed() -> None:
    """A process that takes no time of a processor gets three times as much on the clock."""
    process = PictureProcess(PictureLimits(max_scans=100_000, max_unpacking_ratio=10_000, timeout_s=1))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(process.inspect, many_scans(3000))
        while process._running is None:
            time.sleep(0.001)
        process._running.send_signal(signal.SIGSTOP)

        with pytest.raises(PermanentError, match="picture_too_slow"):
            answer.result(timeout=20)


def test_the_memory_of_the_process_is_limited() -> None:
    """More than the picture's structure foresees is not to be had."""
    program = (
        "from azaion_annotations.picture_process import _limit\n"
        "_limit(1 << 20, 5)\n"
        "try: bytearray(200 << 20)\n"
        "except MemoryError: print('refused')\n"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)

    assert said.stdout == "refused\n"


def test_a_stop_does_not_wait_for_a_picture() -> None:
    """Closing ends the process; the picture is not refused for that, it is tried again another time."""
    process = PictureProcess(SLOW)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(process.inspect, many_scans(3000))
        while process._running is None:
            time.sleep(0.01)
        process.close()

        with pytest.raises(TransientError):
            answer.result(timeout=5)


def test_a_process_that_somebody_kills_is_no_verdict() -> None:
    """The picture is tried again; only one at which processes keep dying is refused."""
    process = PictureProcess(PictureLimits())
    deaths = 0

    def kill_once() -> None:
        nonlocal deaths
        while process._running is None:
            time.sleep(0.001)
        process._running.kill()
        deaths += 1

    threading.Thread(target=kill_once).start()
    data = many_scans(0, side=7000) + bytes(MIB)

    assert process.inspect(data)["width"] == 7000
    assert deaths == 1


def test_the_process_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """A service that is killed leaves no decoder behind."""
    (tmp_path / "picture").write_bytes(many_scans(3000))
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from azaion_annotations.picture_limits import PictureLimits\n"
        "from azaion_annotations.pictures import inspect_picture\n"
        "limits = PictureLimits(max_scans=100_000, max_unpacking_ratio=10_000, timeout_s=60)\n"
        "inspect_picture(Path(sys.argv[1]).read_bytes(), limits)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "picture")]) as parent:
        child = first_child(parent.pid)
        parent.kill()

    until = time.monotonic() + 10
    while child.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not child.exists()


def first_child(pid: int) -> Path:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return Path("/proc", found[0])
        time.sleep(0.02)
    raise AssertionError("no process was started")


def test_a_jpeg_with_a_preview_is_a_jpeg(picture: Callable[..., bytes]) -> None:
    """Drones and phones write pictures behind the picture (MPO); what viewers show is the first one."""
    first = Image.open(io.BytesIO(picture(300, 200)))
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[Image.open(io.BytesIO(picture(80, 60)))])
    assert Image.open(io.BytesIO(out.getvalue())).format == "MPO"

    facts = inspect_picture(out.getvalue())

    assert (facts.media_type, facts.width, facts.height) == ("image/jpeg", 300, 200)
    assert facts.dhash == inspect_picture(picture(300, 200)).dhash


@pytest.mark.parametrize(
    "data",
    [
        with_segments(segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")),
        with_segments(segment(0xE2, b"MPF\0broken")),
        with_segments(segment(0xED, b"Photoshop 3.0\0" + b"8BIM" * 9)),
        with_segments(b"\xff\xff\xff", segment(0xFE, b"")),
        jpeg(64, 48) + bytes(500),
        jpeg(64, 48, "CMYK"),
        jpeg(5, 3),
        jpeg(1, 1),
        jpeg(7, 4000),
    ],
)
def test_what_every_viewer_shows_is_a_picture(data: bytes) -> None:
    """Broken notes beside the pixels, bytes behind them, odd colours and very narrow pictures are no reason to refuse."""
    assert verdict(data) == "sound"


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (300, 200)), (5, (200, 300)), (8, (200, 300)), (9, (300, 200))]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_orientation_is_the_files_own(
    picture: Callable[..., bytes], kind: str, orientation: int, size: tuple[int, int]
) -> None:
    """Told by EXIF in either format; one that there is not is none."""
    exif = Image.Exif()
    exif[0x0112] = orientation

    facts = inspect_picture(picture(300, 200, kind=kind, exif=exif))

    assert (facts.width, facts.height) == size
