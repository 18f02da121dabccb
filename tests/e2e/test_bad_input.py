"""Bad input at every door: one clear line and a non-zero exit, or quarantine with a reason; nothing is half made."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from looptest.drawing import draw_folder, draw_video
from looptest.evidence import ANNOTATIONS, Evidence, unbalanced
from looptest.program import (
    azaion,
    new_home,
    refusal,
    running,
    succeed,
    wait_until,
)

from azaion_common.contracts.annotations.profiles import STATUS_PROPERTY, Action, Role, status_of
from azaion_common.contracts.annotations.wire import AnnotationMessage, encode_annotation
from azaion_common.platform.runtime.transports import log_path
from azaion_common.platform.streams import Message
from azaion_common.platform.streams.sqlite import SqliteEventLog

pytestmark = pytest.mark.timeout(600)


def nothing(folder: Path) -> None:
    """Leaves it missing."""


def pictures_alone(folder: Path) -> None:
    shutil.rmtree(draw_folder(folder, 3, seed=1) / "labels")
    (folder / "classes.txt").unlink()


def unknown_classes_alone(folder: Path) -> None:
    (draw_folder(folder, 3, seed=1) / "classes.txt").write_text("unicorn\ndragon\n")


def ruins_alone(folder: Path) -> None:
    for picture in (draw_folder(folder, 3, seed=1) / "images").iterdir():
        picture.write_bytes(picture.read_bytes()[:300])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (nothing, "folder_missing"),
        (Path.mkdir, "folder_empty"),
        (pictures_alone, "no_labels"),
        (unknown_classes_alone, "unknown_class"),
        (ruins_alone, "nothing_usable"),
    ],
)
@pytest.mark.parametrize("command", ["annotations import", "demo --data"])
def test_a_useless_folder_is_refused(
    command: str, make: Callable[[Path], None], code: str, tmp_path: Path
) -> None:
    """The line names the folder and the reason; no home comes to be, so that the next try is a first one."""
    if command.startswith("demo") and make is unknown_classes_alone:
        pytest.skip("the demo takes the folder's own classes")
    make(tmp_path / "set")

    line, found = refusal(azaion(*command.split(), tmp_path / "set", home=tmp_path / "home"))

    assert found == code
    assert str(tmp_path / "set") in line
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("option", "code"), [("--video", "video_missing"), ("--weights", "weights_missing")])
def test_the_demo_refuses_files_that_are_not_there(option: str, code: str, tmp_path: Path) -> None:
    """Before anything is drawn, imported or trained."""
    _, found = refusal(azaion("demo", option, tmp_path / "none", home=tmp_path / "home"))

    assert found == code
    assert not (tmp_path / "home").exists()


def test_the_demo_refuses_a_cut_video_and_a_cut_checkpoint(tmp_path: Path) -> None:
    """What would come out only after minutes of training is said before anything is made."""
    whole = draw_video(tmp_path / "whole.mp4", 60).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(tmp_path / "whole.pt", "w") as archive:
        archive.writestr("model/data.pkl", bytes(1000))
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:600])

    codes = [
        refusal(azaion("demo", option, tmp_path / name, home=tmp_path / "home"))[1]
        for option, name in (("--video", "cut.mp4"), ("--weights", "cut.pt"))
    ]

    assert codes == ["video_unreadable", "checkpoint_unreadable"]
    assert not (tmp_path / "home").exists()


def test_the_demo_refuses_the_home_of_another_demo(tmp_path: Path) -> None:
    """What is in a home was made of other pictures: it stays as it is."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "demo.json").write_text(json.dumps({"inputs": "another"}))

    _, code = refusal(azaion("demo", "--data", draw_folder(tmp_path / "set", 3, seed=1), home=home))

    assert code == "home_in_use"
    assert [path.name for path in home.iterdir()] == ["demo.json"]


SPOILT_LABELS = {
    "outside": ("0 1.4 0.5 0.1 0.1\n", "labels_out_of_range"),
    "notanumber": ("0 nan 0.5 0.1 0.1\n", "labels_not_finite"),
    "unknown": ("7 0.5 0.5 0.1 0.1\n", "unknown_class"),
    "words": ("a car, left of the tree\n", "labels_malformed"),
}
SPOILT_PICTURES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "half": (lambda whole: whole[: len(whole) // 2], "picture_truncated"),
    "text": (lambda _whole: b"no picture\n", "picture_unreadable"),
    "empty": (lambda _whole: b"", "picture_empty"),
}


@pytest.fixture
def spoilt_folder(tmp_path: Path) -> Path:
    """Six good pictures, and one of each kind of bad one."""
    folder = draw_folder(tmp_path / "set", 6, seed=5)
    (folder / "classes.txt").write_text("car\ntruck\n\n\n\n\n\nunicorn\n")
    whole = min((folder / "images").iterdir()).read_bytes()
    for name, (text, _) in SPOILT_LABELS.items():
        (folder / "images" / f"{name}.jpg").write_bytes(whole)
        (folder / "labels" / f"{name}.txt").write_text(text)
    for name, (spoil, _) in SPOILT_PICTURES.items():
        (folder / "images" / f"{name}.jpg").write_bytes(spoil(whole))
        (folder / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    return folder


def test_bad_pictures_are_put_aside_and_the_others_go_on(spoilt_folder: Path, tmp_path: Path) -> None:
    """Each bad picture is quarantined with its reason, told beforehand by the import; the good ones are stored."""
    home = new_home(tmp_path / "home")
    report = json.loads(succeed("annotations", "import", spoilt_folder, "--json", home=home))
    evidence = ingest(home)

    expected = {name: reason for name, (_, reason) in (SPOILT_LABELS | SPOILT_PICTURES).items()}
    assert {Path(each["path"]).stem: each["reason"] for each in report["quarantined"]} == expected
    told = evidence.of_type("image.quarantined")
    assert {each["name"]: each["reason"] for each in told} == expected
    assert len(evidence.pictures()) == 6
    assert evidence.count("azaion.dead-letters") == len(expected)
    assert {path.stem for path in evidence.view_files("data-corrupted/images")} == set(expected)
    assert unbalanced(evidence) == []


def ingest(home: Path) -> Evidence:
    """Let the ingestor work through what is in the stream."""
    evidence = Evidence(home)
    with running(home, "--only", "ingestor"):
        wait_until(lambda: not evidence.unread("ingestor", ANNOTATIONS) and evidence.settled(), "rest")
    return evidence


ESCAPES = [
    "../escaped",
    "../../escaped",
    "/etc/escaped",
    "a/../../escaped",
    "..\\escaped",
    "escaped\0.jpg",
    ".",
    "..",
]


def test_a_name_never_leads_out_of_the_home(tmp_path: Path) -> None:
    """COCO file names and messages with ``../`` and the like are quarantined; nothing is written anywhere else."""
    folder = draw_folder(tmp_path / "set", 2, seed=6)
    shutil.copyfile(min((folder / "images").iterdir()), tmp_path / "escaped.jpg")
    (folder / "coco.json").write_text(json.dumps(coco(folder, "../../escaped.jpg")))
    home = new_home(tmp_path / "home")

    succeed("annotations", "import", folder, "--format", "coco", home=home)
    asyncio.run(send_names(home, ESCAPES, min((folder / "images").iterdir()).read_bytes()))
    before = everything_but(home, tmp_path)
    evidence = ingest(home)

    assert evidence.quarantined() == ["unsafe_name"] * (1 + len(ESCAPES))
    assert len(evidence.pictures()) == 2
    assert everything_but(home, tmp_path) == before
    assert not [path for path in home.rglob("*") if "escaped" in path.name and "corrupted" not in str(path)]


def coco(folder: Path, escaping: str) -> dict[str, Any]:
    names = [path.name for path in sorted((folder / "images").iterdir())] + [escaping]
    pictures = [
        {"id": number, "file_name": name, "width": 128, "height": 96} for number, name in enumerate(names)
    ]
    boxes = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [10, 10, 20, 20]}
        for number in range(len(names))
    ]
    return {"images": pictures, "annotations": boxes, "categories": [{"id": 1, "name": "car"}]}


async def send_names(home: Path, names: list[str], image: bytes) -> None:
    """Messages as the annotation platform sends them, each under one of ``names``."""
    properties = {STATUS_PROPERTY: status_of(Action.CREATED)}
    async with SqliteEventLog.open(log_path(home)) as log:
        for name in names:
            message = AnnotationMessage(
                action=Action.CREATED,
                name=name,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                detections="[]",
                image=image,
                image_extension=".jpg",
                role=Role.VALIDATOR,
            )
            await log.append(ANNOTATIONS, [Message(encode_annotation(message), properties)])


def everything_but(home: Path, folder: Path) -> set[Path]:
    inside = {home, home.with_suffix(".log")}
    return {path for path in folder.rglob("*") if not inside & {path, *path.parents}}


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_cut_video_is_refused(kept: float, tmp_path: Path) -> None:
    """A video whose end is missing is named unreadable before any model is opened; no output is left."""
    whole = draw_video(tmp_path / "whole.mp4", 60).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: math.floor(len(whole) * kept)])

    line, code = refusal(
        azaion("infer", cut, "--save", tmp_path / "out.mp4", "--lines", tmp_path / "out.jsonl", home=tmp_path / "home")
    )  # fmt: skip

    assert code == "video_unreadable"
    assert str(cut) in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.mp4", "whole.mp4"]
