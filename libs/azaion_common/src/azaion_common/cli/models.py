"""``azaion models``: which models there are, how good they are, and where they come from."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.tree import Tree

from azaion_common.cli.options import Home
from azaion_common.cli.output import stdout_console
from azaion_common.errors import PermanentError
from azaion_common.events import Candidate, ModelExported, ModelPublished, ModelRejected, ModelTrained, models
from azaion_common.events.codec import UnknownEventType, decode
from azaion_common.events.envelope import Envelope
from azaion_common.runtime.settings import PlatformSettings, home_from
from azaion_common.runtime.transports import check_exists, open_log

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Reference = Annotated[str, typer.Argument(help="Model id, or its first digits.", show_default=False)]
_PAGE = 500


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


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Look at trained models.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("lineage")(lineage)
    app.add_typer(group, name="models")


def list_(home: Home = None, *, as_json: AsJson = False) -> None:
    """Every model, oldest first."""
    records = asyncio.run(read_models(home_from(home)))
    if as_json:
        rows = [{"model_id": record.candidate.model_id, "state": record.state, "at": record.at.isoformat(),
                 "map50": record.candidate.metrics.map50, "map50_95": record.candidate.metrics.map50_95}
                for record in records]  # fmt: skip
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("model", "trained", "mAP50", "mAP50-95", "test pictures", "state")
    for record in records:
        metrics = record.candidate.metrics
        figures = (f"{metrics.map50:.3f}", f"{metrics.map50_95:.3f}", str(metrics.pictures))
        table.add_row(record.candidate.model_id, f"{record.at:%Y-%m-%d %H:%M}", *figures, record.state)
    stdout_console().print(table)


def show(model: Reference, home: Home = None) -> None:
    """Everything that was announced about one model, as JSON."""
    record = asyncio.run(find_model(home_from(home), model))
    facts = record.candidate.model_dump(mode="json") | {
        "state": record.state,
        "exports": [export.model_dump(mode="json") for export in record.exports],
        "releases": [release.model_dump(mode="json", exclude={"wrapped_key"}) for release in record.releases],
    }
    sys.stdout.write(json.dumps(facts, indent=2) + "\n")


def lineage(model: Reference, home: Home = None) -> None:
    """Where a model comes from and what became of it: annotations, dataset, run, exports, releases."""
    record = asyncio.run(find_model(home_from(home), model))
    origin = record.candidate.lineage
    tree = Tree(f"model {record.candidate.model_id} ({record.state})")
    data = tree.add(f"dataset {origin.dataset_id}")
    for stream, offset in sorted(origin.stream_offsets.items()):
        data.add(f"{stream}: everything before offset {offset}")
    run = tree.add(f"run, parameters {origin.job_sha256[:16]}")
    run.add(
        f"from weights {origin.base_weights_sha256[:16]}" if origin.base_weights_sha256 else "from scratch"
    )
    if record.candidate.hardware:
        run.add(f"on the {record.candidate.hardware}")
    run.add(f"champion then: {origin.parent_model_id or 'none'}")
    run.add(", ".join(f"{name} {version}" for name, version in sorted(origin.toolchain.items())))
    for export in record.exports:
        tree.add(f"export {export.target} {export.imgsz} px: {export.artifact.sha256}")
    for release in record.releases:
        tree.add(f"release {release.release}, package {release.package_id}: {release.package_sha256}")
    stdout_console().print(tree)


async def find_model(home: Path, reference: str) -> ModelRecord:
    """The model whose id begins with ``reference``.

    Raises:
        PermanentError: ``home_missing``, ``model_unknown``, ``model_ambiguous``.
    """
    found = [record for record in await read_models(home) if record.candidate.model_id.startswith(reference)]
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
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    records: dict[str, ModelRecord] = {}
    async with open_log(home, settings) as log:
        offset = 0
        while batch := await log.read(models.STREAM, offset, limit=_PAGE):
            for record in batch:
                try:
                    fold(records, decode(record.body))
                except UnknownEventType:
                    continue
            offset = batch[-1].offset + 1
    return list(records.values())


def fold(records: dict[str, ModelRecord], envelope: Envelope) -> None:
    """Take in one event. Pure but for ``records``."""
    match envelope.event:
        case ModelTrained() | ModelRejected() as candidate:
            records[candidate.model_id] = ModelRecord(candidate, envelope.time)
        case ModelExported() as export if export.model_id in records:
            records[export.model_id].exports.append(export)
        case ModelPublished() as release if release.model_id in records:
            records[release.model_id].releases.append(release)
        case _:
            return
