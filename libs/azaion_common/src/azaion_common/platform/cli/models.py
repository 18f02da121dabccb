"""``azaion models``: which models there are, how good they are, and where they come from."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer
from rich.table import Table
from rich.tree import Tree

from azaion_common.platform.cli.model_files import get
from azaion_common.platform.cli.model_records import ModelRecord, find_model, read_models
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.cli.pending_work import tell_what_waits
from azaion_common.platform.runtime.settings import home_from

Reference = Annotated[str, typer.Argument(help="Model id, its first digits, or latest.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Look at trained models, and get their files.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("lineage")(lineage)
    group.command("get")(get)
    app.add_typer(group, name="models")


def list_(home: Home = None, *, as_json: AsJson = False) -> None:
    """Every model, oldest first."""
    place = home_from(home)
    records = asyncio.run(read_models(place))
    if as_json:
        rows = [{"model_id": record.candidate.model_id, "state": record.state, "at": record.at.isoformat(),
                 "map50": record.candidate.metrics.map50, "map50_95": record.candidate.metrics.map50_95}
                for record in records]  # fmt: skip
        print_json({"models": rows})
        return
    table = Table("model", "trained", "mAP50", "mAP50-95", "test pictures", "state")
    for record in records:
        metrics = record.candidate.metrics
        figures = (f"{metrics.map50:.3f}", f"{metrics.map50_95:.3f}", str(metrics.pictures))
        table.add_row(record.candidate.model_id, f"{record.at:%Y-%m-%d %H:%M}", *figures, record.state)
    stdout_console().print(table)
    if not records:
        tell_what_waits(place)


def show(model: Reference, home: Home = None, *, as_json: AsJson = False) -> None:
    """Everything that was announced about one model, as JSON.

    With --json on one line.
    """
    record = asyncio.run(find_model(home_from(home), model))
    facts = record.candidate.model_dump(mode="json") | {
        "state": record.state,
        "exports": [export.model_dump(mode="json") for export in record.exports],
        "releases": [
            release.model_dump(
                mode="json", exclude={"wrapped_key": True, "signed": {"statement", "signature"}}
            )
            for release in record.releases
        ],
    }
    if as_json:
        print_json(facts)
    else:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")


def lineage(model: Reference, home: Home = None, *, as_json: AsJson = False) -> None:
    """Where a model comes from and what became of it.

    Annotations, dataset, run, exports, releases.
    """
    record = asyncio.run(find_model(home_from(home), model))
    if as_json:
        print_json(_lineage(record))
        return
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


def _lineage(record: ModelRecord) -> dict[str, object]:
    return {
        "model_id": record.candidate.model_id,
        "state": record.state,
        "lineage": record.candidate.lineage.model_dump(mode="json"),
        "hardware": record.candidate.hardware,
        "exports": [
            {"target": each.target, "imgsz": each.imgsz, "sha256": each.artifact.sha256}
            for each in record.exports
        ],
        "releases": [
            {"release": each.release, "package_id": each.package_id, "sha256": each.package_sha256}
            for each in record.releases
        ],
    }
