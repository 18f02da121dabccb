"""Hot swap: a newer model takes over between two frames, a broken one never does."""

from __future__ import annotations

from threading import Event, get_ident
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from azaion_common.core.errors import PermanentError
from azaion_inferencer.model_slot import LoadedModel, ModelSlot, warmed
from azaion_inferencer.pipeline import run

Kit = Any
SIZES = [(24, 40), (48, 80), (12, 20)]


class Failing:
    """A model whose file loads, and that fails or talks nonsense when it runs."""

    input_size = (24, 40)
    batch_size = 1
    executed_by = "CPU"

    def __init__(self, answer: float | None) -> None:
        self._answer = answer
        self.names = {0: "car"}

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._answer is None:
            raise RuntimeError("node Conv_7 failed\nwith a long story")
        return np.full((1, 1, 6), self._answer, np.float32)

    def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        rows = self.raw(batch)[0]
        return [rows[rows[:, 4] >= 0.25]]  # as a threshold does, which lets no NaN through


def test_a_thousand_frames_survive_twenty_swaps(kit: Kit) -> None:
    """Twenty models of changing size and batch take over during a run: no frame is lost, doubled, or out of order,
    each is read by the model it was prepared for, and no frame meets a model older than one already seen.
    """
    sink = kit.recorder()

    def swap(number: int) -> None:
        if number and number % 48 == 0 and number // 48 <= 20:
            turn = number // 48
            newer = kit.loaded(f"{turn:016x}", input_size=SIZES[turn % 3], batch_size=1 + turn % 4)
            slot.replace(lambda: newer).result()

    with ModelSlot(kit.loaded(f"{0:016x}")) as slot:
        outcome = run(kit.source(1000, before=swap), slot, [sink])

    models = [int(shown.model_id, 16) for shown in sink.shown]
    assert sink.numbers == list(range(1000))
    assert [int(shown.detections.class_ids[0]) for shown in sink.shown] == list(range(1000))
    assert models == sorted(models)
    assert set(models) == set(range(21))
    assert outcome.ledger.balanced


def test_the_old_model_serves_while_the_new_one_loads(kit: Kit) -> None:
    """Loading happens elsewhere: the frames go on with the old model until the new one is warm."""
    may_load, threads = Event(), set[int]()

    def load() -> LoadedModel:
        threads.add(get_ident())
        may_load.wait(10)
        newer: LoadedModel = kit.loaded("b" * 16)
        return newer

    with ModelSlot(kit.loaded("a" * 16)) as slot:
        pending = slot.replace(load)
        outcome = run(kit.source(100), slot, [])
        assert outcome.models == {"a" * 16: 100}
        may_load.set()
        pending.result(10)

        assert slot.current.model_id == "b" * 16
    assert get_ident() not in threads


@pytest.mark.parametrize("answer", [None, float("nan"), float("inf")])
def test_a_broken_model_leaves_the_old_one_serving(answer: float | None, kit: Kit) -> None:
    """A new model that fails when it is warmed is reported and never serves."""
    with ModelSlot(kit.loaded("a" * 16)) as slot:
        failed = slot.replace(lambda: warmed(LoadedModel("b" * 16, Failing(answer)))).exception(10)

        assert isinstance(failed, PermanentError)
        assert failed.code == "model_unusable"
        assert "\n" not in failed.message
        assert run(kit.source(10), slot, []).models == {"a" * 16: 10}


def test_a_model_that_does_not_load_leaves_the_old_one_serving(kit: Kit) -> None:
    """An error while loading is reported as it is; a later good model still gets in."""

    def refuse() -> LoadedModel:
        raise PermanentError("package_tampered", "a byte was flipped")

    with ModelSlot(kit.loaded("a" * 16)) as slot:
        refused = slot.replace(refuse).exception(10)
        slot.replace(lambda: kit.loaded("c" * 16)).result(10)

        assert isinstance(refused, PermanentError)
        assert slot.current.model_id == "c" * 16


def test_a_warm_model_has_run(kit: Kit) -> None:
    """Warming runs the model on a full batch of its own size."""
    shapes: list[tuple[int, ...]] = []

    class Counting(kit.model):  # type: ignore[misc]
        def infer(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            shapes.append(batch.shape)
            return super().infer(batch)  # type: ignore[no-any-return]

    warmed(LoadedModel("a" * 16, Counting(batch_size=3)))

    assert set(shapes) == {(3, 3, 24, 40)}
