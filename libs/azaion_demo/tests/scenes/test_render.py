"""What a rendered scene promises: exact truth, equal pixels for equal seeds, nobody in anybody else's way."""

import cv2
import numpy as np
import pytest

from azaion_common.core.errors import PermanentError
from azaion_demo.scenes import (
    CLASS_NAMES,
    MIN_VISIBLE_SHARE,
    Box,
    Picture,
    Scene,
    Theme,
    VehicleClass,
    render,
)
from azaion_demo.scenes.geometry import Points
from azaion_demo.scenes.pen import Pixels
from azaion_demo.scenes.traffic import plan_traffic
from azaion_demo.scenes.vehicles import random_vehicle

pytestmark = pytest.mark.slow

SIZE = (240, 320)
TIMES = np.array([0.0, 2.0])


def scene(seed: int = 1, condition: str = "Norm", theme: Theme = Theme.CAR_PARK) -> Scene:
    return Scene.create((seed,), condition, theme, TIMES, extent=(112.0, 112.0), width_px=SIZE[1])


def shot(of: Scene, *, heading: float = 0.7, time_s: float = 0.0) -> Picture:
    camera = of.camera(np.array([56.0, 56.0]), heading, SIZE)
    return render(of, camera, time_s)


@pytest.fixture(scope="module", params=list(Theme))
def picture(request: pytest.FixtureRequest) -> Picture:
    return shot(scene(seed=5, theme=request.param))


def covered(picture: Picture, number: int) -> tuple[int, int, int, int]:
    """The bounding box (x1, y1, x2, y2) of the pixels that belong to a box's vehicle."""
    rows, columns = np.nonzero(picture.bodies == number)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_boxes_fit_the_painted_bodies_to_a_pixel(picture: Picture) -> None:
    """A label is the bounding box of what was painted, without its shadow."""
    for number, box in enumerate(picture.boxes, start=1):
        assert np.abs(np.array(covered(picture, number)) - box[:4]).max() <= 1.0


def test_boxes_lie_inside_and_have_known_classes(picture: Picture) -> None:
    """Nothing is labelled outside the picture, and every picture has something to find."""
    assert picture.boxes
    for box in picture.boxes:
        assert 0 <= box.x1 < box.x2 <= SIZE[1]
        assert 0 <= box.y1 < box.y2 <= SIZE[0]
        assert CLASS_NAMES[box.class_id] == VehicleClass(box.class_id).name.lower()


@pytest.mark.parametrize("condition", ["Norm", "Wint", "Night"])
def test_equal_seeds_give_equal_pixels(condition: str) -> None:
    """A picture depends on its seed only."""
    first, second = (shot(scene(3, condition)) for _ in range(2))

    assert np.array_equal(first.image, second.image)
    assert first.boxes == second.boxes
    assert not np.array_equal(first.image, shot(scene(4, condition)).image)


def test_conditions_differ_in_light_not_in_truth() -> None:
    """The same place has the same vehicles by day and night, and the night is dark, the winter pale."""
    day, winter, night = (shot(scene(6, condition)) for condition in ("Norm", "Wint", "Night"))

    saturation = [cv2.cvtColor(each.image, cv2.COLOR_BGR2HSV)[..., 1].mean() for each in (day, winter)]
    assert day.boxes == night.boxes
    assert night.image.mean() < 0.6 * day.image.mean() < day.image.mean() < winter.image.mean()
    assert saturation[1] < 0.5 * saturation[0]


def test_an_unknown_condition_is_refused() -> None:
    """A condition without a look is an error, not a default."""
    with pytest.raises(PermanentError, match="unknown_condition"):
        scene(condition="Fog")


def test_a_vehicle_cut_by_the_border_is_clipped_or_dropped() -> None:
    """As the camera moves off, a box shrinks with what can be seen and goes at 40 %."""
    place = scene(2)
    parked = next(track for track in place.traffic if track.parked)
    target = parked.poses(np.zeros(1))[0]
    shares = []
    for step in np.arange(0, 6, 0.25):
        # The vehicle leaves over the right border, lying along it.
        camera = place.camera(target[:2] - [37.0 - 3.0 + step, 0.0], 0.0, SIZE)
        boxes = [
            box
            for box in render(place, camera, 0.0).boxes
            if _is_at(box, camera.to_picture(target[None, :2])[0])
        ]
        shares.append(_visible_share(parked.vehicle.outline, target, boxes, camera.px_per_m))

    kept = [share for share in shares if share]
    assert max(kept) > 0.99
    assert MIN_VISIBLE_SHARE * 0.75 < min(kept) < 0.6
    assert shares[-1] == 0


def _is_at(box: Box, place: Points) -> bool:
    x, y = np.clip(place, 0, [SIZE[1] - 0.01, SIZE[0]])
    return bool(box.x1 - 8 <= x <= box.x2 + 8 and box.y1 <= y <= box.y2)


def _visible_share(outline: Points, pose: Points, boxes: list[Box], px_per_m: float) -> float:
    """Width of the box found as a share of the whole vehicle's width in the picture."""
    if not boxes:
        return 0.0
    corners = outline @ np.array([[np.cos(pose[2]), np.sin(pose[2])], [-np.sin(pose[2]), np.cos(pose[2])]])
    return (boxes[0].x2 - boxes[0].x1) / (float(np.ptp(corners[:, 0])) * px_per_m)


def test_a_vehicle_under_a_crown_is_not_labelled() -> None:
    """What cannot be seen is not asked for."""
    place = scene(2)
    under_leaves: Pixels = np.full_like(place.ground.canopy, 255)
    place.ground.canopy[:] = under_leaves

    assert shot(place).boxes == ()


@pytest.mark.parametrize("theme", list(Theme))
def test_no_two_bodies_overlap_at_any_time(theme: Theme) -> None:
    """Vehicles neither stand nor drive into each other."""
    times = np.arange(0, 4, 0.1)
    place = scene(8, theme=theme)
    tracks = plan_traffic(np.random.default_rng(8), place.layout, times)
    for moment in range(0, len(times), 7):
        painted = np.zeros((1300, 1300), np.uint8)
        for track in tracks:
            x, y, heading = track.poses(times[moment : moment + 1])[0]
            turn = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
            body = (track.vehicle.outline @ turn + [x + 40, y + 40]) * 6
            one = np.zeros_like(painted)
            cv2.fillPoly(one, [np.rint(body).astype(np.int32)], 1)
            painted += one
        assert len(tracks) > 10
        assert painted.max() == 1


def test_classes_are_told_apart_by_length() -> None:
    """In a picture of 640 pixels a car has 34 to 46, a truck about 60, a bus about 80 pixels."""
    rng = np.random.default_rng(0)
    px_per_m = 640 / 74.0
    lengths = {
        kind: [random_vehicle(rng, kind).length_m * px_per_m for _ in range(200)] for kind in VehicleClass
    }

    assert 34 < min(lengths[VehicleClass.CAR]) < max(lengths[VehicleClass.CAR]) < 46
    assert 54 < min(lengths[VehicleClass.TRUCK]) < max(lengths[VehicleClass.TRUCK]) < 66
    assert 74 < min(lengths[VehicleClass.BUS]) < max(lengths[VehicleClass.BUS]) < 88
