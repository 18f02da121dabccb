"""The service's other half: the model in the slot looks at the configured source, and what it finds is written down."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import structlog

from azaion_common.storage.durable import make_folder
from azaion_inferencer import metrics
from azaion_inferencer.adapters.json_lines import JsonLines
from azaion_inferencer.adapters.sources import open_source
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import Outcome
from azaion_inferencer.pipeline import run as run_pipeline
from azaion_inferencer.settings import InferencerSettings

_log = structlog.get_logger(__name__)


async def watch(home: Path, settings: InferencerSettings, source: str, slot: ModelSlot) -> None:
    """Run the model on the source to its end; what is found goes to a file of its own per start."""
    frames, every = open_source(source, settings.every)
    stop = Event()
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = home / "results"
    make_folder(folder)
    path = folder / f"{settings.device}-{started}.jsonl"

    def work() -> Outcome:
        with JsonLines(path) as sink:
            return run_pipeline(
                frames,
                slot,
                [sink],
                every=every,
                stop=stop,
                on_progress=metrics.FrameCounter(),
                on_stage=metrics.observe_stage,
            )

    try:
        outcome = await asyncio.to_thread(work)
    except asyncio.CancelledError:
        stop.set()
        frames.stop()
        raise
    _log.info("source.ended", source=source, **outcome.ledger.as_dict(), detections=str(path))
