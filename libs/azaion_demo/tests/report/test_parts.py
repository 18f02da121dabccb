"""The pure parts of the report: words, charts, choices and the score of a clip."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from azaion_common.contracts.events import BatchAugmented, BlobRef, Box, ImageSaved
from azaion_demo.report import wording
from azaion_demo.report.charts import Series, group_strip, line_chart, nice_ticks
from azaion_demo.report.clip_score import score
from azaion_demo.report.evidence import InferredFrame
from azaion_demo.report.pictures import Thumbnail, stills
from azaion_demo.report.sampling import choose_pictures, evenly
from azaion_demo.run import Outcome

SHA = "cd" * 32


def parsed(markup: str) -> ET.Element:
    return ET.fromstring(str(markup))  # noqa: S314 - our own markup


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (42.4, "42 s"), (59.6, "1 min 00 s"), (252, "4 min 12 s"), (3780, "1 h 03 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    """Two units at most, and never sixty seconds."""
    assert wording.duration(seconds).replace(wording.THIN, " ") == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(512, "512 bytes"), (1000, "1.0 kB"), (10_612_000, "10.6 MB"), (3 * 10**12, "3000.0 GB")],
)
def test_sizes_have_decimal_units(size_bytes: int, text: str) -> None:
    """Kilobytes are thousands."""
    assert wording.size(size_bytes).replace(wording.THIN, " ") == text


def test_lists_of_names_stay_short() -> None:
    """Few names are told, many are counted."""
    assert wording.listing(["car"]) == "car"
    assert wording.listing(["car", "truck", "bus"]) == "car, truck and bus"
    assert wording.listing([str(number) for number in range(17)]) == "17 classes"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (1, 60, [20, 40, 60]), (0, 7.3, [0, 2, 4, 6]), (3, 3, [3])],
)
def test_ticks_are_round_and_inside(low: float, high: float, ticks: list[float]) -> None:
    """Axes show round values of the data's range only."""
    assert nice_ticks(low, high) == ticks


def test_a_chart_shows_each_value_on_hover() -> None:
    """Every x has a title with the values of all lines there, written as text."""
    lines = [Series("<train>", [(1, 3.5), (2, 2.25)], "series-1"), Series("val", [(2, 4.0)], "series-2")]
    chart = line_chart("Loss", lines, x_name="epoch")

    assert chart is not None
    titles = [element.text for element in parsed(chart.svg).iter("title")]
    assert titles == ["epoch 1\n<train> 3.5", "epoch 2\n<train> 2.25\nval 4"]


def test_a_chart_of_one_point_lies_inside_its_axes() -> None:
    """One epoch has no range, and is drawn all the same."""
    chart = line_chart("Loss", [Series("train", [(1, 3.5)], "series-1")], x_name="epoch")

    assert chart is not None
    dot = next(parsed(chart.svg).iter("circle"))
    assert 42 < float(dot.get("cx", "")) < 450
    assert 0 < float(dot.get("cy", "")) < 236


def test_there_is_no_chart_of_nothing() -> None:
    """Without a point there is nothing to draw."""
    assert line_chart("Loss", [Series("train", [], "series-1")], x_name="epoch") is None


def test_the_strip_is_as_wide_as_its_pictures() -> None:
    """Blocks are in proportion to their groups, side after side."""
    strip = parsed(group_strip({"train": [("a", 6), ("b", 2)], "test": [("c", 2)]}))
    blocks = list(strip.iter("rect"))

    assert [block.get("class") for block in blocks] == ["side-train", "side-train", "side-test"]
    assert [float(block.get("x", "")) for block in blocks] == [0, 600, 800]


def test_evenly_chosen_items_span_the_whole() -> None:
    """No more than asked for, in order, from all parts."""
    assert evenly(range(100), 4) == [12, 37, 62, 87]
    assert evenly([1, 2], 8) == [1, 2]


def saved(name: str, condition: str, classes: tuple[int, ...]) -> ImageSaved:
    boxes = tuple(
        Box(class_id=number, condition=condition, cx=0.5, cy=0.5, w=0.1, h=0.1) for number in classes
    )
    image = BlobRef(sha256=SHA, size_bytes=1, media_type="image/jpeg")
    return ImageSaved(
        name=name, revision=1, image=image, width=4, height=4, boxes=boxes, validated=True, dhash="0" * 16,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_samples_show_every_condition_and_come_from_train() -> None:
    """Each condition before a second of any, scenes once, most classes first, and none that training did not see."""
    events = [
        saved("n1", "Norm", (0,)), saved("n2", "Norm", (0, 1)), saved("w1", "Wint", (0,)), saved("k1", "Night", (0,)),
        saved("t1", "Norm", (0, 1, 2)), saved("e1", "Norm", ()),
    ]  # fmt: skip
    batch = BatchAugmented(
        name="x", revision=1, source_sha256=SHA, recipe_sha256=SHA, seed=0, variants=()
    )  # only the names of the batches matter here
    groups = {"n1": "n", "n2": "n", "w1": "w", "k1": "k", "e1": "e"}
    by_name = {event.name: event for event in events}

    assert choose_pictures(by_name, dict.fromkeys(by_name, batch), groups, 5) == ["n2", "k1", "w1", "e1"]


def frame(number: int, *boxes: tuple[float, float, float, float]) -> InferredFrame:
    found = [{"class": "car", "confidence": 0.9, "box": box} for box in boxes]
    return InferredFrame.model_validate({"frame": number, "time_s": 0, "detections": found})


def test_the_clip_score_pairs_each_vehicle_once() -> None:
    """Two boxes on one vehicle are one find and one too many."""
    result = score([frame(1, (0, 0, 10, 10), (1, 0, 11, 10))], [[], [(0, 0, 10, 10, 0), (50, 50, 60, 60, 0)]])

    assert result is not None
    assert (result.there, result.matched, result.extra) == (2, 1, 1)


def test_without_truth_there_is_no_clip_score() -> None:
    """Videos of others are not scored."""
    assert score([frame(0)], []) is None


def test_stills_are_the_frames_of_their_times(make: Callable[..., Outcome]) -> None:
    """Each still shows what the video shows at that time; a time behind the end has none."""
    pictures = stills(make().video, [0.0, 8 / 12, 23 / 12, 9.0], 48)

    assert [round(_grey(picture) / 10) for picture in pictures] == [0, 8, 23]
    assert {(picture.width, picture.height) for picture in pictures} == {(48, 32)}


def _grey(picture: Thumbnail) -> float:
    content = np.frombuffer(base64.b64decode(picture.uri.partition(",")[2]), np.uint8)
    return float(np.mean(np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))))
