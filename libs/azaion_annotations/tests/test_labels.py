"""Detections to boxes and back to text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azaion_annotations.labels import (
    MAX_BOXES,
    detections_json,
    parse_detections,
    unchecked_text,
    yolo_text,
)
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Box
from azaion_common.core.errors import PermanentError

CATALOGUE = Catalogue.from_names(["car", "bus"])
sizes = st.floats(1e-3, 1)


def text(**changes: object) -> str:
    return json.dumps([{"cls": 0, "x": 0.5, "y": 0.5, "w": 0.1, "h": 0.1} | changes])


@given(
    st.integers(0, 1),
    st.sampled_from(["Norm", "Wint", "Night"]),
    st.tuples(sizes, sizes),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_boxes_survive_the_round_trip(
    class_id: int, condition: str, size: tuple[float, float], place: tuple[float, float]
) -> None:
    """A box that lies inside the picture comes back exactly, class and condition included."""
    w, h = size
    cx, cy = w / 2 + place[0] * (1 - w), h / 2 + place[1] * (1 - h)
    slot = CATALOGUE.slot(class_id, condition)

    name = CATALOGUE.entry(class_id).name

    (box,) = parse_detections(detections_json([(slot, name, (cx, cy, w, h))]), CATALOGUE)

    assert (box.class_id, box.condition) == (class_id, condition)
    assert (box.cx, box.cy, box.w, box.h) == pytest.approx((cx, cy, w, h), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "slot", "meant"),
    [
        ("bus", 0, (1, "Norm")),  # the name counts
        ("bus", 20, (1, "Wint")),  # and the slot says in which condition
        ("bus", 27, (1, "Wint")),  # a free one too
        ("bus (Night)", 0, (1, "Night")),
        (" Bus ", 0, (1, "Norm")),
        ("bus", -1, (1, "Norm")),
        ("bus", 10**9, (1, "Norm")),
        ("autobus", 21, (1, "Wint")),  # none of ours: the slot counts
        ("", 21, (1, "Wint")),
        (None, 21, (1, "Wint")),
    ],
)
def test_a_class_is_known_by_its_name(name: object, slot: int, meant: tuple[int, str]) -> None:
    """Slots change their meaning when classes are added; names do not."""
    (box,) = parse_detections(text(annotation_name=name, cls=slot), CATALOGUE)

    assert (box.class_id, box.condition) == meant


def test_a_name_that_two_classes_share_but_for_case_is_exact() -> None:
    """Where letter case makes the difference, it counts."""
    catalogue = Catalogue.from_names(["car", "Car"])

    boxes = [parse_detections(text(annotation_name=name, cls=-1), catalogue)[0] for name in ("car", "Car")]

    assert [box.class_id for box in boxes] == [0, 1]
    with pytest.raises(PermanentError, match="CAR"):
        parse_detections(text(annotation_name="CAR", cls=-1), catalogue)


def test_an_unknown_class_is_named() -> None:
    """Whoever reads the refusal learns which class to add, and what to do then."""
    with pytest.raises(PermanentError) as caught:
        parse_detections(text(annotation_name="truck", cls=-1), CATALOGUE)

    assert caught.value.code == "unknown_class"
    assert "'truck'" in caught.value.message
    assert caught.value.hint is not None


def test_every_class_of_a_catalogue_fits_into_an_event() -> None:
    """A catalogue may have 1000 slots and conditions with long names; a picture of any class is a picture."""
    condition = "c" * 64
    catalogue = Catalogue.model_validate(
        {
            "name": "many",
            "slots": 1000,
            "conditions": {condition: 0},
            "classes": [{"id": each, "name": f"n{each}"} for each in range(1000)],
        }
    )

    (box,) = parse_detections(text(annotation_name="n999", cls=999), catalogue)

    assert (box.class_id, box.condition) == (999, condition)


def test_keys_are_read_in_any_casing() -> None:
    """The producers' casing is not settled, so case and underscores do not count."""
    upper = '[{"AnnotationName": "a", "Cls": 1, "X": 0.5, "Y": 0.5, "Width": 0.2, "Height": 0.2, "Confidence": 1}]'

    assert parse_detections(upper, CATALOGUE) == (Box(class_id=1, cx=0.5, cy=0.5, w=0.2, h=0.2),)


@pytest.mark.parametrize(
    ("slot", "name", "expected"),
    [
        (-1, "truck", (1, "Norm")),
        (-1, "Truck (Wint)", (1, "Wint")),
        (0, "truck", (1, "Norm")),
        (20, "truck", (1, "Wint")),
        (40, "a name of the platform's own", (0, "Night")),
    ],
)
def test_a_class_is_known_by_its_name_first(slot: int, name: str, expected: tuple[int, str]) -> None:
    """Numbers change their meaning when a catalogue gains classes; a message that came before is read right after."""
    catalogue = Catalogue.from_names(["car", "truck"])

    (box,) = parse_detections(detections_json([(slot, name, (0.5, 0.5, 0.1, 0.1))]), catalogue)

    assert (box.class_id, box.condition) == expected


def test_boxes_are_clipped_to_the_picture() -> None:
    """A box that hangs over the edge keeps the part that is inside."""
    (box,) = parse_detections(text(x=1.0005, w=0.201), CATALOGUE)

    assert box.cx + box.w / 2 == pytest.approx(1)
    assert box.w == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize(
    ("detections", "code"),
    [
        ("nonsense", "labels_malformed"),
        ("", "labels_malformed"),
        ("{}", "labels_malformed"),
        ("[1]", "labels_malformed"),
        ("[" * 100_000, "labels_malformed"),
        ('[{"cls": 0}]', "labels_malformed"),
        (text(cls=None), "labels_malformed"),
        (text(cls=0.5), "labels_malformed"),
        (text(cls=True), "labels_malformed"),
        (text(x="0.5"), "labels_malformed"),
        (text(X=0.4), "labels_malformed"),
        (text(x=float("nan")), "labels_not_finite"),
        (text(w=float("inf")), "labels_not_finite"),
        (text(x=0).replace(": 0,", ": 1e999,", 1).replace('"cls": 1e999', '"cls": 0').replace('"x": 0', '"x": 1e999'),
         "labels_not_finite"),
        (text(x=1.01), "labels_out_of_range"),
        (text(y=-0.01), "labels_out_of_range"),
        (text(w=320), "labels_out_of_range"),
        (text(w=0), "labels_out_of_range"),
        (text(h=-0.0005), "labels_out_of_range"),
        (text(x=1.001, w=0.001), "labels_out_of_range"),
        (text(cls=2), "unknown_class"),
        (text(cls=-1), "unknown_class"),
        (text(cls=10**30), "unknown_class"),
        (json.dumps(json.loads(text()) * (MAX_BOXES + 1)), "too_many_boxes"),
    ],
)  # fmt: skip
def test_bad_labels_have_a_reason(detections: str, code: str) -> None:
    """Each kind of fault has its own code."""
    with pytest.raises(PermanentError) as caught:
        parse_detections(detections, CATALOGUE)

    assert caught.value.code == code


def test_the_label_text_has_slots_and_six_decimals() -> None:
    """What trainers read: slot, centre, size."""
    boxes = [Box(class_id=1, condition="Wint", cx=0.5, cy=1 / 3, w=0.1, h=0.2)]

    assert yolo_text(boxes, CATALOGUE) == "21 0.500000 0.333333 0.100000 0.200000\n"


def test_refused_labels_stay_readable() -> None:
    """People see label lines where there are some, and the text itself where there are none."""
    assert unchecked_text(text(x=float("nan"))) == "0 nan 0.5 0.1 0.1\n"
    assert unchecked_text("0 0.5 half") == "0 0.5 half"
