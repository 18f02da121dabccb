"""The demo from pictures to a report: every service at work, this process only feeds, watches and asks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from azaion_common.annotations.publish import PreparedImport, send_import
from azaion_common.errors import PermanentError
from azaion_common.jobs import JobQueue
from azaion_common.jobs.sqlite import SqliteJobQueue
from azaion_common.runtime.embedded import log_path, queue_path
from azaion_common.streams import EventLog
from azaion_common.streams.sqlite import SqliteEventLog
from azaion_demo import children
from azaion_demo.following import Follower
from azaion_demo.inputs import Inputs, claim_home
from azaion_demo.loop_state import LoopState
from azaion_demo.recipe import recipe_for
from azaion_demo.stages import Stages
from azaion_demo.training_gauge import TrainingGauge
from azaion_demo.workspace import Material, gather, read_pictures, write_settings

SIZED_PICTURES = 50
"""So many pictures are looked at to choose the size that training uses."""
EVERY = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished demo leaves."""

    home: Path
    material: Material
    state: LoopState
    inference: dict[str, Any]
    video: Path
    detections: Path
    seconds: dict[str, float]


async def run(home: Path, inputs: Inputs, stages: Stages) -> Outcome:
    """Run the loop on ``home``, or what of it was not done yet.

    Raises:
        AzaionError: what kept the loop from its end.
    """
    claim_home(home, inputs)
    material = await asyncio.to_thread(
        gather,
        home,
        inputs,
        lambda done, total: stages.update("draw", done, total),
        lambda done, total: stages.update("clip", done, total),
    )
    prepared = await asyncio.to_thread(
        read_pictures, material, lambda done, total: stages.update("read", done, total)
    )
    widths = await asyncio.to_thread(_widths, prepared)
    write_settings(
        home, prepared.catalogue, recipe_for(widths, pretrained=inputs.weights is not None), inputs.weights
    )
    async with SqliteEventLog.open(log_path(home)) as log, SqliteJobQueue.open(queue_path(home)) as jobs:
        async with children.services_running(home) as services:
            loop = asyncio.create_task(_loop(home, inputs, material, prepared, log, jobs, stages))
            death = asyncio.create_task(children.died(services, home))
            try:
                await asyncio.wait({loop, death}, return_when=asyncio.FIRST_COMPLETED)
                if not loop.done():
                    await death
                return await loop
            finally:
                for task in (loop, death):
                    task.cancel()
                await asyncio.gather(loop, death, return_exceptions=True)


async def _loop(
    home: Path,
    inputs: Inputs,
    material: Material,
    prepared: PreparedImport,
    log: EventLog,
    jobs: JobQueue,
    stages: Stages,
) -> Outcome:
    total = len(prepared.plan.messages)
    follower = Follower(log, lambda state: show(state, total, stages))
    async with follower.following() as state, TrainingGauge(home, stages).watching():
        await send_import(prepared, log)
        await follower.until(lambda state: state.settled_pictures >= total)
        if not state.saved:
            raise PermanentError(
                "nothing_usable",
                f"none of the {total} pictures could be used: {state.quarantined[0].message}",
            )
        await follower.until(lambda state: state.saved.keys() <= state.augmented.keys())
        await jobs.put("trainings", f"demo-{inputs.digest[:16]}", json.dumps({"overrides": {}}))
        await follower.until(lambda state: state.published)
        video, detections, inference = await _infer(home, material, state, stages)
    seconds = {
        name: round(value, 2)
        for name, value in {**stages.seconds, **{k: s.seconds for k, s in state.spans.items()}}.items()
    }
    return Outcome(home, material, state, inference, video, detections, seconds)


def show(state: LoopState, total: int, stages: Stages) -> None:
    """Bring the bars in line with ``state``."""
    note = f"{len(state.quarantined)} quarantined" if state.quarantined else f"{total} pictures"
    stages.update("ingest", state.settled_pictures, total, note)
    if state.settled_pictures >= total and state.saved:
        copies = sum(len(batch.variants) for batch in state.augmented.values())
        stages.update("augment", len(state.augmented), len(state.saved), f"{copies} pictures to train on")
    if state.trained is not None:
        stages.update("train", 1, 1, f"mAP50 {state.trained.metrics.map50:.3f}")
    if state.exported is not None:
        parity = state.exported.parity
        stages.update("export", 1, 1, f"parity {parity.matched}/{parity.expected}")
    if state.published is not None:
        stages.update("publish", 1, 1, f"{state.published.package_size_bytes / 1e6:.1f} MB")


async def _infer(
    home: Path, material: Material, state: LoopState, stages: Stages
) -> tuple[Path, Path, dict[str, Any]]:
    results = home / "results"
    results.mkdir(exist_ok=True)
    detections = results / "detections.jsonl"
    video = results / "annotated.mp4"
    source, every = (material.video, EVERY) if material.video else (_test_pictures(home, state), 1)
    with stages.whole("infer"):
        summary = await children.infer(
            [
                str(source), "--home", str(home), "--every", str(every), "--save", str(video),
                "--json-lines", str(detections), "--catalogue", str(home / "catalogue.yaml"), "--summary-json",
            ],
            lambda _line: None,
        )  # fmt: skip
    return video, detections, summary


def _test_pictures(home: Path, state: LoopState) -> Path:
    """The folder of the dataset's test side."""
    if state.dataset is None:
        raise PermanentError("dataset_missing", "no dataset was formed")
    return home / "datasets" / state.dataset.dataset_id / "images" / "test"


def _widths(prepared: PreparedImport) -> list[int]:
    sound = [message.path for message in prepared.plan.sound if message.path is not None]
    step = max(1, len(sound) // SIZED_PICTURES)
    widths = []
    for path in sound[::step]:
        with Image.open(path) as picture:
            widths.append(picture.width)
    return widths
