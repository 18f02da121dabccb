import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from azaion_augmentor.adapters.pool import WorkerPool
from azaion_augmentor.recipe import PixelTransform, Recipe
from azaion_augmentor.tasks import Made, Task
from azaion_common.core.errors import PermanentError

pytestmark = pytest.mark.slow

MEMORY_BYTES = 512 << 20


class Poison:
    """Kills the process that receives it, as a picture might that hits a bug of a decoder."""

    picture_sha256 = "f" * 64
    is_large = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (os._exit, (1,))


def _task(recipe: Recipe, image: bytes, longer_side: int = 320) -> Task:
    return Task(
        recipe_json=recipe.model_dump_json(),
        image=image,
        picture_sha256=hashlib.sha256(image).hexdigest(),
        longer_side=longer_side,
        shorter_side=longer_side,
        usable=True,
        slots=(),
        boxes=(),
        seed=0,
    )


def _children() -> set[int]:
    """Worker processes of this process; the tracker that multiprocessing starts beside them is none."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


async def _multiply_all(recipe: Recipe, images: list[bytes], workers: int) -> list[tuple[Made, ...]]:
    async with WorkerPool.open(recipe, workers=workers, memory_bytes=MEMORY_BYTES, timeout_s=60) as pool:
        return await asyncio.gather(*(pool.multiply(_task(recipe, image)) for image in images))


async def test_results_do_not_depend_on_the_number_of_processes(recipe: Recipe, jpeg: bytes) -> None:
    """One worker and two give the same bytes."""
    images = [jpeg + bytes(number) for number in range(5)]

    assert await _multiply_all(recipe, images, 1) == await _multiply_all(recipe, images, 2)


async def test_a_worker_killed_at_work_costs_nothing(recipe: Recipe, jpeg: bytes) -> None:
    """The picture is tried again in a new worker, and its result is the same."""
    long = recipe.model_copy(update={"variants": 64})
    large = cv2.imencode(".jpg", np.zeros((1280, 1280, 3), np.uint8))[1].tobytes()
    async with WorkerPool.open(long, workers=1, memory_bytes=MEMORY_BYTES, timeout_s=60) as pool:
        expected = await pool.multiply(_task(long, large, 1280))
        working = asyncio.create_task(pool.multiply(_task(long, large, 1280)))
        await asyncio.sleep(0.1)
        assert not working.done()
        for pid in _children():
            os.kill(pid, signal.SIGKILL)

        assert await working == expected


async def test_a_picture_that_kills_workers_is_given_up(recipe: Recipe, jpeg: bytes) -> None:
    """After three dead workers the picture is to blame; the others go on."""
    async with WorkerPool.open(recipe, workers=1, memory_bytes=MEMORY_BYTES, timeout_s=60) as pool:
        with pytest.raises(PermanentError) as caught:
            await pool.multiply(Poison())  # type: ignore[arg-type]
        made = await pool.multiply(_task(recipe, jpeg))

    assert caught.value.code == "picture_crashes_worker"
    assert len(made) == 8


async def test_a_worker_that_hangs_is_replaced(recipe: Recipe, jpeg: bytes) -> None:
    """A picture that never ends does not stop the service."""
    async with WorkerPool.open(recipe, workers=1, memory_bytes=MEMORY_BYTES, timeout_s=0.001) as pool:
        with pytest.raises(PermanentError) as caught:
            await pool.multiply(_task(recipe, jpeg))

    assert caught.value.code == "picture_crashes_worker"


async def test_a_picture_beyond_the_memory_limit_is_refused(recipe: Recipe) -> None:
    """A small file that unfolds into gigabytes costs an error message, not the machine's memory."""
    bomb = cv2.imencode(".png", np.zeros((12000, 12000, 3), np.uint8))[1].tobytes()
    async with WorkerPool.open(recipe, workers=1, memory_bytes=128 << 20, timeout_s=60) as pool:
        with pytest.raises(PermanentError) as caught:
            await pool.multiply(_task(recipe, bomb, 320))

    assert caught.value.code == "picture_too_large"


async def test_workers_refuse_a_wrong_recipe_at_start(recipe: Recipe) -> None:
    """A mistake that only albumentations can see still stops the start, with its reason."""
    wrong = recipe.model_copy(update={"pixels": (PixelTransform(transform="Nonsense", p=1),)})

    with pytest.raises(PermanentError, match="Nonsense"):
        async with WorkerPool.open(wrong, workers=1, memory_bytes=MEMORY_BYTES, timeout_s=60):
            pass


async def test_workers_end_with_their_pool(recipe: Recipe, jpeg: bytes) -> None:
    """Nothing is left running."""
    await _multiply_all(recipe, [jpeg], 2)

    assert _children() == set()


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    """A service that is killed leaves no processes behind."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, os, pathlib\n"
        "from azaion_augmentor.adapters.pool import WorkerPool\n"
        "from azaion_augmentor.recipe import Recipe\n"
        "async def main():\n"
        "    async with WorkerPool.open(Recipe.load(), workers=1, memory_bytes=1 << 29, timeout_s=60):\n"
        "        print(pathlib.Path(f'/proc/self/task/{os.getpid()}/children').read_text(), flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()

    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(workers) >= 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_the_parent_stays_light() -> None:
    """Naming the service loads neither OpenCV nor albumentations: only its workers need them."""
    script = (
        "import sys, azaion_augmentor.app\n"
        "sys.exit(' '.join({'cv2', 'albumentations', 'scipy'} & set(sys.modules)) or 0)"
    )

    subprocess.run([sys.executable, "-c", script], check=True)


async def test_large_pictures_are_multiplied_one_at_a_time() -> None:
    """However many workers there are, the memory of one large picture is enough; small ones do not wait for it."""
    lanes = [Watched(), Watched()]
    pool = WorkerPool(lanes, timeout_s=60)  # type: ignore[arg-type]
    large, small = (replace(_task(Recipe.load(), b"", side)) for side in (8000, 640))

    working = [asyncio.create_task(pool.multiply(each)) for each in (large, large)]
    await lanes[0].busy.wait()
    assert await pool.multiply(small) == ()
    assert Watched.large_at_work == 1
    for lane in lanes:
        lane.go_on.set()
    await asyncio.gather(*working)


class Watched:
    """A lane that keeps large pictures until it may go on."""

    large_at_work = 0

    def __init__(self) -> None:
        self.busy, self.go_on = asyncio.Event(), asyncio.Event()

    async def run(self, _function: object, task: Task, *, timeout_s: float) -> tuple[Made, ...]:
        if task.is_large:
            Watched.large_at_work += 1
            self.busy.set()
            await self.go_on.wait()
            Watched.large_at_work -= 1
        return ()
