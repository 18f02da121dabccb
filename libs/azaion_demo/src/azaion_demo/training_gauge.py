"""Live progress of the training, from the metrics that the services serve."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from azaion_demo.stages import Stages

PERIOD_S = 1.0
_DONE, _ALL = "azaion_trainer_epoch", "azaion_trainer_epochs"


class TrainingGauge:
    """Reads two gauges once a second. They are a nicety: what cannot be read is not shown."""

    def __init__(self, home: Path, stages: Stages) -> None:
        self._address_file = home / "run" / "up.json"
        self._stages = stages

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Show the training's progress while the block runs."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        async with httpx.AsyncClient(timeout=2) as client:
            while True:
                await asyncio.sleep(PERIOD_S)
                self._stages.beat()
                with suppress(httpx.HTTPError, OSError, ValueError, KeyError):
                    url = json.loads(self._address_file.read_text())["url"]
                    self._show(gauges((await client.get(f"{url}/metrics")).text))

    def _show(self, values: dict[str, float]) -> None:
        done, total = values.get(_DONE, 0.0), values.get(_ALL, 0.0)
        if total and done < total:
            self._stages.update("train", done, total, f"epoch {int(done) + 1} of {int(total)}")


def gauges(text: str) -> dict[str, float]:
    """Plain gauges (without labels) of a Prometheus text page."""
    pairs = (
        line.split() for line in text.splitlines() if line and not line.startswith("#") and "{" not in line
    )
    return {name: float(value) for name, value, *_ in pairs}
