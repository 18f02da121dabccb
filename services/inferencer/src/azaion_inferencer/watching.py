"""The service's other half: the model in the slot looks at the configured source, and what it finds is written down.

A source without an end is watched for ever: when it is lost it is waited for, and an answer of the model that cannot be
used stops nothing but this model.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from threading import Event

import structlog

from azaion_common.core.backoff import Backoff
from azaion_common.core.errors import AzaionError
from azaion_inferencer import metrics
from azaion_inferencer.adapters.json_lines import JsonLines, WhenFull
from azaion_inferencer.adapters.line_series import LineSeries
from azaion_inferencer.adapters.sources import open_source
from azaion_inferencer.model_slot import ModelSlot
from azaion_inferencer.pipeline import Outcome
from azaion_inferencer.pipeline import run as run_pipeline
from azaion_inferencer.ports import FrameSource
from azaion_inferencer.settings import InferencerSettings

_LONGEST_PAUSE_S = 60.0
_log = structlog.get_logger(__name__)


async def watch(home: Path, settings: InferencerSettings, source: str, slot: ModelSlot) -> None:
    """Run the model on the source: to its end, or for ever where it has none.

    Raises:
        AzaionError: what a source with an end, or its results, fail with.
    """
    backoff = Backoff(cap_s=_LONGEST_PAUSE_S)
    while True:
        frames, every = open_source(source, settings.every, tell=_tell)
        try:
            outcome = await _run(home, settings, frames, every, slot)
        except AzaionError as error:
            if not frames.live:
                raise
            _log.error("source.failed", source=source, code=error.code, error=error.message)
            await asyncio.sleep(backoff.next())
        else:
            _log.info("source.ended", **outcome.ledger.as_dict())
            return


async def _run(
    home: Path, settings: InferencerSettings, frames: FrameSource, every: int, slot: ModelSlot
) -> Outcome:
    stop = Event()

    def work() -> Outcome:
        output = LineSeries(
            home / "results", _safe(settings.device), settings.results_limits, compress=settings.results_gzip
        )
        _log.info("results.written", file=str(output.path))
        when_full: WhenFull = "drop" if frames.live else "wait"
        with JsonLines(
            output, when_full=when_full, tell=_tell, stop=stop, on_dropped=metrics.LINES_DROPPED.inc
        ) as sink:
            return run_pipeline(
                frames,
                slot,
                [sink],
                every=every,
                stop=stop,
                on_progress=metrics.FrameCounter(),
                on_stage=metrics.observe_stage,
            )

    task = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        frames.stop()
        await asyncio.wait({task})  # what was found is written before the process may end
        raise


def _safe(name: str) -> str:
    """A device's name as a part of a file's name."""
    return re.sub(r"[^\w.-]", "_", name) or "device"


def _tell(code: str, sentence: str) -> None:
    _log.warning(code, message=sentence)
