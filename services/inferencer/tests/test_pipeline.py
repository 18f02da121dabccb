"""The pipeline: every frame is accounted for, in order, with the boxes that belong to it."""

from __future__ import annotations

import time
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError, TransientError
from azaion_inferencer.adapters.newest import Newest
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import Outcome, run

pytestmark = pytest.mark.slow

Kit = Any


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 37, 200])
@pytest.mark.parametrize("every", [1, 3, 4])
@pytest.mark.parametrize("every_frame", [False, True])
def test_every_frame_is_accounted_for(count: int, every: int, *, every_frame: bool, kit: Kit) -> None:
    """Read equals inferred plus skipped plus dropped, each with its exact count, and nothing is lost at the end."""
    sink = kit.recorder(every_frame=every_frame)

    with ModelSlot(kit.loaded()) as slot:
        outcome = run(kit.source(count), slot, [sink], every=every)

    sampled = list(range(0, count, every))
    assert (outcome.ledger.read, outcome.ledger.inferred) == (count, len(sampled))
    assert outcome.ledger.balanced
    assert sink.numbers == (list(range(count)) if every_frame else sampled)


def test_boxes_belong_to_their_frame_however_slow_the_sink(kit: Kit) -> None:
    """A frame shows what was found in it, a skipped one what was found in the last inferred one before it: also when
    the buffers come round many times.
    """
    sink = kit.recorder(every_frame=True, before=lambda shown: time.sleep(0.0005))

    with ModelSlot(kit.loaded()) as slot:
        run(kit.source(600), slot, [sink], every=3)

    assert [int(shown.detections.class_ids[0]) for shown in sink.shown] == [n - n % 3 for n in range(600)]
    assert [shown.inferred for shown in sink.shown[:4]] == [True, False, False, True]


def test_boxes_are_in_pixels_of_the_original(kit: Kit) -> None:
    """A model with half the width sees half the picture's pixels; its boxes come back doubled."""
    sink = kit.recorder()

    with ModelSlot(kit.loaded(input_size=(12, 20))) as slot:
        run(kit.source(1), slot, [sink])

    assert sink.shown[0].detections.boxes.tolist() == [[20, 10, 40, 24]]  # clipped at 40 x 24


def test_frames_that_cannot_be_decoded_are_dropped_with_their_reason(kit: Kit) -> None:
    """A damaged frame is counted under its code and does not shift the boxes of the others."""
    sink = kit.recorder()

    with ModelSlot(kit.loaded()) as slot:
        outcome = run(kit.source(20, broken=frozenset({0, 5, 6})), slot, [sink], every=2)

    assert outcome.ledger.dropped == {"frame_undecodable": 2}
    assert outcome.ledger.balanced
    assert sink.numbers == [2, 4, 8, 10, 12, 14, 16, 18]
    assert all(shown.detections.class_ids[0] == shown.frame.number for shown in sink.shown)


def test_a_live_source_that_is_too_fast_loses_frames_and_says_so(kit: Kit) -> None:
    """Frames overtaken by newer ones count as dropped (behind), and the numbers still add up."""
    source = Newest(kit.source(500, live=True), backlog=3)
    sink = kit.recorder(before=lambda shown: time.sleep(0.002))

    with ModelSlot(kit.loaded()) as slot:
        outcome = run(source, slot, [sink], every=2)

    assert outcome.ledger.read == 500
    assert outcome.ledger.dropped["behind"] > 0
    assert outcome.ledger.balanced
    assert sink.numbers == sorted(sink.numbers)


def test_a_source_that_breaks_ends_the_run_with_its_error(kit: Kit) -> None:
    """What the decoding thread raises is raised by the run."""

    def fail(number: int) -> None:
        if number == 10:
            raise PermanentError("video_unreadable", "broken on purpose")

    with ModelSlot(kit.loaded()) as slot, pytest.raises(PermanentError, match="broken on purpose"):
        run(kit.source(1000, before=fail), slot, [kit.recorder()])


def test_what_came_before_an_error_is_written(kit: Kit) -> None:
    """Frames that were read before the source broke are inferred and handed out, also those of a batch half full."""

    def fail(number: int) -> None:
        if number == 10:
            raise PermanentError("video_unreadable", "broken on purpose")

    sink = kit.recorder(before=lambda _: time.sleep(0.002))
    with ModelSlot(kit.loaded()) as slot, pytest.raises(PermanentError):
        run(kit.source(1000, before=fail), slot, [sink])

    assert sink.numbers == list(range(10))


@pytest.mark.parametrize("answer", [99999.0, -5.0, 1.5, float("nan")])
def test_a_class_that_the_model_does_not_have_is_an_error_of_the_model(answer: float, kit: Kit) -> None:
    """Class ids beyond the model's list, and none at all, are never shown as classes: the run says so and ends."""
    loaded = kit.loaded()
    sink = kit.recorder()

    def infer(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [np.array([[1, 2, 3, 4, 0.9, answer]], np.float32) for _ in batch]

    loaded.model.infer = infer
    with ModelSlot(loaded) as slot, pytest.raises(PermanentError, match="answers wrongly") as refused:
        run(kit.source(3), slot, [sink])

    assert refused.value.code == "model_unusable"
    assert not sink.shown


def test_a_sink_that_fails_while_the_camera_is_silent_ends_the_run(kit: Kit) -> None:
    """A camera without news does not keep a run alive that has nowhere to write."""
    asked = Event()

    def silent(number: int) -> None:
        if number == 3:
            asked.wait(30)

    class Camera(kit.source):  # type: ignore[misc]
        def stop(self) -> None:
            super().stop()
            asked.set()

    def fail(shown: object) -> None:
        raise TransientError("store_unavailable", "gone on purpose")

    source = Newest(Camera(100, before=silent, live=True), backlog=9)
    with ModelSlot(kit.loaded()) as slot, pytest.raises(TransientError):
        run(source, slot, [kit.recorder(before=fail)])

    assert asked.is_set()


def test_a_sink_that_fails_ends_the_run_with_its_error(kit: Kit) -> None:
    """What the writing thread raises is raised by the run, soon, and the source is not read to its end."""
    source = kit.source(100_000)

    def fail(shown: object) -> None:
        raise TransientError("disk_full", "full on purpose")

    with ModelSlot(kit.loaded()) as slot, pytest.raises(TransientError, match="full on purpose"):
        run(source, slot, [kit.recorder(before=fail)])

    assert source.stopped


def test_the_last_item_of_a_failing_sink_counts_too(kit: Kit) -> None:
    """An error in the very last frame is not lost because nothing is handed over after it."""

    def fail(shown: object) -> None:
        raise TransientError("disk_full", "full on purpose")

    with ModelSlot(kit.loaded()) as slot, pytest.raises(TransientError):
        run(kit.source(1), slot, [kit.recorder(before=fail)])


def test_stopping_ends_in_order(kit: Kit) -> None:
    """A run that is stopped has inferred what it read, and everything is written."""
    stop, sink = Event(), kit.recorder()
    source = kit.source(100_000, before=lambda number: stop.set() if number == 50 else None)

    with ModelSlot(kit.loaded()) as slot:
        outcome = run(source, slot, [sink], every=4, stop=stop)

    assert outcome.ledger.balanced
    assert 50 <= outcome.ledger.read < 60
    assert len(sink.shown) == outcome.ledger.inferred


def test_the_summary_counts_what_was_found(kit: Kit) -> None:
    """Frames with detections, detections by class name and frames by model are counted; progress is told."""
    told: list[Outcome] = []

    with ModelSlot(kit.loaded("b" * 16)) as slot:
        outcome = run(kit.source(3), slot, [], on_progress=told.append)

    assert outcome.with_detections == 3
    assert outcome.detections == {"zero": 1, "one": 1, "2": 1}
    assert outcome.models == {"b" * 16: 3}
    assert told
    assert 0 < outcome.runtime_s < outcome.wall_s
