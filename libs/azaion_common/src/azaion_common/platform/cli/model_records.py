"""What the stream of models tells of each model, for commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from azaion_common.contracts.events import (
    Candidate,
    ModelExported,
    ModelPublished,
    ModelRejected,
    ModelTrained,
    models,
)
from azaion_common.contracts.events.envelope import Envelope
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.model_events import LATEST
from azaion_common.platform.cli.pending_work import absence_explained
from azaion_common.platform.cli.remembered import remembered_events

_TYPES = ("model.trained.v1", "model.rejected.v1", "model.exported.v1", "model.published.v1")


@dataclass
class ModelRecord:
    """What the stream says about one model."""

    candidate: Candidate
    at: datetime
    exports: list[ModelExported] = field(default_factory=list)
    releases: list[ModelPublished] = field(default_factory=list)

    @property
    def state(self) -> str:
        if isinstance(self.candidate, ModelRejected):
            return "rejected"
        if self.releases:
            return f"release {self.releases[-1].release}"
        return "exported" if self.exports else "trained"


async def find_model(home: Path, reference: str) -> ModelRecord:
    """The model whose id begins with ``reference``; for ``latest``, the newest that beat the champion.

    Raises:
        PermanentError: ``home_missing``, ``model_unknown``, ``model_ambiguous``.
    """
    async with absence_explained(home):
        return chosen(await read_models(home), reference)


def chosen(records: Sequence[ModelRecord], reference: str) -> ModelRecord:
    """As ``find_model``, of ``records``, oldest first. Pure."""
    if reference == LATEST:
        found = [record for record in records if record.state != "rejected"][-1:]
    else:
        found = [record for record in records if record.candidate.model_id.startswith(reference)]
    if not found:
        raise PermanentError(
            "model_unknown", f"there is no model {reference}", hint="see: azaion models list"
        )
    if len(found) > 1:
        raise PermanentError("model_ambiguous", f"{len(found)} models begin with {reference}")
    return found[0]


async def read_models(home: Path) -> list[ModelRecord]:
    """Every model that the stream of ``home`` tells of.

    Raises:
        PermanentError: ``home_missing``.
    """
    records: dict[str, ModelRecord] = {}
    for envelope in await remembered_events(home, models.STREAM, _TYPES):
        fold(records, envelope)
    return list(records.values())


def fold(records: dict[str, ModelRecord], envelope: Envelope) -> None:
    """Take in one event. Pure but for ``records``."""
    match envelope.event:
        case ModelTrained() | ModelRejected() as candidate:
            records[candidate.model_id] = ModelRecord(candidate, envelope.time)
        case ModelExported() as export if export.model_id in records:
            records[export.model_id].exports.append(export)
        case ModelPublished() as release if release.model_id in records:
            known = records[release.model_id].releases
            known[:] = [each for each in known if each.release != release.release] + [release]
        case _:
            return
