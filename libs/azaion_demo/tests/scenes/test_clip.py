"""What a generated clip promises: a video that browsers play, with the truth of each of its frames."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_demo.scenes import CLASS_NAMES, Clip, clip, generate_clip

pytestmark = pytest.mark.slow

SIZE = (192, 256)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tmp_path_factory.mktemp("clip")
    return generate_clip(
        folder / "new" / "clip.mp4", folder / "new" / "clip.jsonl", 1.2, 10, seed=4, size=SIZE
    )


def frames(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def truth(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_there_is_one_line_of_truth_per_frame(made: Clip) -> None:
    """Frames and lines are counted alike, from 0 and without gaps."""
    lines = truth(made.truth)

    assert made.frames == len(frames(made.video)) == len(lines) == 12
    assert [line["frame"] for line in lines] == list(range(12))


def test_truth_boxes_lie_inside_and_have_known_classes(made: Clip) -> None:
    """Each frame shows vehicles, boxed in pixels of the frame."""
    for line in truth(made.truth):
        boxes = np.array(line["boxes"])
        assert len(boxes)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, :2] < boxes[:, 2:4]).all()
        assert (boxes[:, 2:4] <= [SIZE[1], SIZE[0]]).all()
        assert set(boxes[:, 4].astype(int)) <= set(range(len(CLASS_NAMES)))


def test_the_video_is_what_browsers_play(made: Clip) -> None:
    """H.264 in 4:2:0, of the size and rate that were asked for, with its index in front."""
    with av.open(str(made.video)) as container:
        stream = container.streams.video[0]
        found = (
            stream.codec_context.name,
            stream.pix_fmt,
            stream.height,
            stream.width,
            float(stream.average_rate or 0),
        )

    data = made.video.read_bytes()
    assert made.codec == "libx264"
    assert found == ("h264", "yuv420p", *SIZE, 10.0)
    assert data.index(b"moov") < data.index(b"mdat")


def test_camera_and_traffic_move(made: Clip) -> None:
    """The clip is no still: pictures change and so do boxes."""
    pictures, lines = frames(made.video), truth(made.truth)

    assert np.abs(pictures[0].astype(int) - pictures[-1].astype(int)).mean() > 5
    assert lines[0]["boxes"] != lines[-1]["boxes"]


def test_the_same_seed_gives_the_same_truth(made: Clip, tmp_path: Path) -> None:
    """A clip can be made again."""
    again = generate_clip(tmp_path / "c.mp4", tmp_path / "c.jsonl", 1.2, 10, seed=4, size=SIZE)

    assert again.truth.read_bytes() == made.truth.read_bytes()
    assert again.video.read_bytes() == made.video.read_bytes()


def test_a_killed_run_leaves_neither_file(tmp_path: Path) -> None:
    """Half a video never has the wanted name, and an old truth never lies beside it."""

    class Killed(BaseException):
        pass

    def progress(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        generate_clip(
            tmp_path / "c.mp4", tmp_path / "c.jsonl", 1, 10, seed=4, size=(96, 128), progress=progress
        )

    assert not (tmp_path / "c.mp4").exists()
    assert not (tmp_path / "c.jsonl").exists()


def test_without_an_h264_encoder_the_clip_is_mpeg4_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fallback is told to the caller."""
    monkeypatch.setattr(clip, "_ENCODERS", ("no-such-encoder", "mpeg4"))

    made = generate_clip(tmp_path / "c.mp4", tmp_path / "c.jsonl", 0.5, 10, seed=4, size=(96, 128))

    assert made.codec == "mpeg4"
    assert len(frames(made.video)) == 5


def test_without_any_encoder_there_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written when nothing can be encoded."""
    monkeypatch.setattr(clip, "_ENCODERS", ("no-such-encoder",))

    with pytest.raises(PermanentError, match="encoder_missing"):
        generate_clip(tmp_path / "c.mp4", tmp_path / "c.jsonl", 0.5, 10)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("seconds", "size"), [(0.0, SIZE), (1.0, (191, 256)), (1.0, (10, 10))])
def test_nonsense_is_refused(tmp_path: Path, seconds: float, size: tuple[int, int]) -> None:
    """No frames, odd and tiny sizes are errors with a code."""
    with pytest.raises(PermanentError, match="clip_invalid"):
        generate_clip(tmp_path / "c.mp4", tmp_path / "c.jsonl", seconds, 10, size=size)
