"""Labels: the platform's JSON detections to checked boxes, and boxes to the YOLO text that trainers read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import Box
from azaion_common.core.errors import PermanentError

MAX_BOXES = 2000
TOLERANCE = 1e-3
"""How far outside 0..1 a coordinate may lie and still be taken for a rounding error (it is then clipped)."""

_KEYS = {
    "cls": "cls", "classnum": "cls", "x": "x", "y": "y", "w": "w", "width": "w", "h": "h", "height": "h",
    "annotationname": "annotation_name", "confidence": "confidence",
}  # fmt: skip
"""Keys without case and underscores: the producers' exact casing is not settled."""


def parse_detections(text: str, catalogue: Catalogue) -> tuple[Box, ...]:
    """The boxes in a JSON list of ``{cls, annotation_name, x, y, w, h, ...}`` (centre form, 0-1), clipped to the picture.

    What a box shows follows from its name and, where the catalogue has none such, from ``cls``, a slot.

    Raises:
        PermanentError: ``labels_malformed``, ``labels_not_finite``, ``labels_out_of_range``, ``too_many_boxes``,
            ``unknown_class``.
    """
    items = _parse(text)
    if not isinstance(items, list):
        raise _malformed("not a list")
    if len(items) > MAX_BOXES:
        raise PermanentError("too_many_boxes", f"{len(items)} boxes, the limit is {MAX_BOXES}")
    return tuple(_box(item, number, catalogue) for number, item in enumerate(items, 1))


def detections_json(rows: Iterable[tuple[int, str, Sequence[float]]]) -> str:
    """The JSON text for (slot, class name, (cx, cy, w, h)) rows; NaN and infinity are written as such, not hidden."""
    return json.dumps(
        [
            {"annotation_name": name, "cls": slot, "x": cx, "y": cy, "w": w, "h": h}
            for slot, name, (cx, cy, w, h) in rows
        ]
    )


def yolo_text(boxes: Iterable[Box], catalogue: Catalogue) -> str:
    """One line ``slot cx cy w h`` for each box, six decimals."""
    return "".join(
        f"{catalogue.slot(box.class_id, box.condition)} {box.cx:.6f} {box.cy:.6f} {box.w:.6f} {box.h:.6f}\n"
        for box in boxes
    )


def unchecked_text(detections: str) -> str:
    """Refused detections for people to look at: label lines where that is possible, else the text as it came."""
    try:
        items = [_normalised(list(item.items())) for item in json.loads(detections)]
        return "".join(
            " ".join(str(item[key]) for key in ("cls", "x", "y", "w", "h")) + "\n" for item in items
        )
    except (PermanentError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return detections


def _parse(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_normalised)
    except (ValueError, RecursionError) as error:
        raise _malformed("not JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    raise PermanentError("labels_not_finite", f"a label holds {name}")


def _normalised(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        known = _KEYS.get(key.replace("_", "").lower())
        if known in fields:
            raise _malformed(f"'{known}' is there twice")
        if known:
            fields[known] = value
    return fields


def _box(item: object, number: int, catalogue: Catalogue) -> Box:
    if not isinstance(item, dict):
        raise _malformed(f"box {number} is not an object")
    cx, cy, w, h = (_coordinate(item, key, number) for key in ("x", "y", "w", "h"))
    class_id, condition = _class(item, number, catalogue)
    cx, w = _inside(cx, w, number)
    cy, h = _inside(cy, h, number)
    return Box(class_id=class_id, condition=condition, cx=cx, cy=cy, w=w, h=h)


def _class(item: dict[str, Any], number: int, catalogue: Catalogue) -> tuple[int, str]:
    slot = item.get("cls")
    if isinstance(slot, bool) or not isinstance(slot, (int, float)) or slot != slot // 1:
        raise _malformed(f"box {number} has no class number")
    name = item.get("annotation_name")
    try:
        return catalogue.resolve(name.strip() if isinstance(name, str) else "", int(slot))
    except PermanentError as error:
        raise PermanentError(error.code, f"box {number}: {error.message}", hint=error.hint) from error


def _coordinate(item: dict[str, Any], key: str, number: int) -> float:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _malformed(f"box {number} has no number '{key}'")
    if isinstance(value, float) and not math.isfinite(value):
        raise PermanentError("labels_not_finite", f"box {number}: {key} is {value}")
    if not -TOLERANCE <= value <= 1 + TOLERANCE:
        raise _out_of_range(number, f"{key} = {str(value)[:20]}")
    return float(value)


def _inside(centre: float, size: float, number: int) -> tuple[float, float]:
    """One axis clipped to the picture. A box that is inside already keeps its exact numbers."""
    if size <= 0:
        raise _out_of_range(number, "no area")
    low, high = centre - size / 2, centre + size / 2
    if low < 0 or high > 1:
        low, high = max(low, 0.0), min(high, 1.0)
        centre, size = (low + high) / 2, high - low
    if size <= 0:
        raise _out_of_range(number, "no area inside the picture")
    return centre, size


def _out_of_range(number: int, what: str) -> PermanentError:
    return PermanentError("labels_out_of_range", f"box {number}: {what}; coordinates are relative, 0 to 1")


def _malformed(what: str) -> PermanentError:
    return PermanentError("labels_malformed", f"detections: {what}")
