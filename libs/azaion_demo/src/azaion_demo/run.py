"""The demo from pictures to a report: every service at work, this process only feeds, watches and asks."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azaion_annotations.labels import parse_detections
from azaion_annotations.publish import PreparedImport, send_import
from azaion_common.contracts.jobs import TRAININGS, TrainingJob
from azaion_common.core.errors import PermanentError
from azaion_common.platform.jobs import JobQueue
from azaion_common.platform.runtime.settings import PlatformSettings
from azaion_common.platform.runtime.transports import open_jobs, open_log
from azaion_common.platform.streams import EventLog
from azaion_demo import children
from azaion_demo.following import Follower
from azaion_demo.inputs import Inputs, add_seconds, check_home, claim_home
from azaion_demo.loop_state import LoopState
from azaion_demo.recipe import Recipe, recipe_for
from azaion_demo.stages import Stages
from azaion_demo.training_gauge import TrainingGauge
from azaion_demo.workspace import Material, gather, read_pictures, write_settings

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
    check_home(home, inputs)
    is_new = not await asyncio.to_thread(home.exists)
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
    claim_home(home, inputs)
    if is_new:
        stages.tell(f"made a home: {home}")
    sizes = await asyncio.to_thread(_box_sizes, prepared)
    recipe = recipe_for(sizes, pretrained=inputs.weights is not None)
    write_settings(home, prepared.catalogue, recipe, inputs.weights)
    settings = PlatformSettings.load(home, "platform")
    async with (
        open_log(home, settings) as log,
        open_jobs(home, settings) as jobs,
        children.services_running(home) as services,
    ):
        loop = _Loop(home, inputs, material, prepared, recipe, log, jobs, stages)
        return await children.unless_dead(services, home, loop.run())


@dataclass(frozen=True, slots=True)
class _Loop:
    """The loop while the services are up."""

    home: Path
    inputs: Inputs
    material: Material
    prepared: PreparedImport
    recipe: Recipe
    log: EventLog
    jobs: JobQueue
    stages: Stages

    async def run(self) -> Outcome:
        total = len(self.prepared.plan.messages)
        follower = Follower(self.log, lambda state: show(state, total, self.stages))
        async with follower.following() as state, TrainingGauge(self.home, self.stages).watching():
            await self._feed(follower, total)
            await follower.until(lambda state: state.published)
            inference = await self._infer(state)
        spans = {stage: span.seconds for stage, span in state.spans.items()}
        measured = {stage: round(value, 2) for stage, value in {**self.stages.seconds, **spans}.items()}
        seconds = await asyncio.to_thread(add_seconds, self.home, measured)
        seconds["total"] = round(sum(seconds.values()), 2)
        return Outcome(
            self.home,
            self.material,
            state,
            inference,
            self._result("annotated.mp4"),
            self._result("detections.jsonl"),
            seconds,
        )

    async def _feed(self, follower: Follower, total: int) -> None:
        """Pictures in; once all are stored and multiplied, one training."""
        await send_import(self.prepared, self.log)
        await follower.until(lambda state: state.settled_pictures >= total)
        if not follower.state.saved:
            first = follower.state.quarantined[0].message
            raise PermanentError("nothing_usable", f"none of the {total} pictures could be used: {first}")
        await follower.until(lambda state: state.saved.keys() <= state.augmented.keys())
        await self.jobs.put(TRAININGS, f"demo-{self.inputs.digest[:16]}", TrainingJob().model_dump_json())

    async def _infer(self, state: LoopState) -> dict[str, Any]:
        """The newest release on the video, or on the pictures of the test side."""
        self._result("").mkdir(exist_ok=True)
        source, every = (
            (self.material.video, EVERY) if self.material.video else (self._test_pictures(state), 1)
        )
        await children.answering(PlatformSettings.load(self.home, "platform").api_url)
        with self.stages.whole("infer"):
            return await children.infer(
                [
                    str(source), "--home", str(self.home), "--every", str(every), "--json",
                    "--confidence", str(self.recipe.confidence),
                    "--save", str(self._result("annotated.mp4")), "--lines", str(self._result("detections.jsonl")),
                ]
            )  # fmt: skip

    def _result(self, name: str) -> Path:
        return self.home / "results" / name

    def _test_pictures(self, state: LoopState) -> Path:
        if state.dataset is None:
            raise PermanentError("dataset_missing", "no dataset was formed")
        return self.home / "datasets" / state.dataset.dataset_id / "images" / "test"


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


def _box_sizes(prepared: PreparedImport) -> list[float]:
    """Of every object: the root of its share of the picture."""
    boxes = (parse_detections(message.detections, prepared.catalogue) for message in prepared.plan.sound)
    return [math.sqrt(box.w * box.h) for found in boxes for box in found]
