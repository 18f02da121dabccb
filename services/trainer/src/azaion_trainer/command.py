"""``azaion dataset`` and ``azaion train``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
import yaml
from rich.console import Console
from rich.table import Table

from azaion_common.cli.backlog import until_taken_in
from azaion_common.errors import PermanentError
from azaion_common.events import ModelRejected, ModelTrained
from azaion_common.runtime.settings import PlatformSettings, home_from
from azaion_common.runtime.transports import open_jobs, open_log
from azaion_trainer.adapters.dataset_folder import CERTIFICATE, read_folder, verify_folder
from azaion_trainer.certificate import Certificate, decode_certificate
from azaion_trainer.manifest import Manifest
from azaion_trainer.parameters import QUEUE, TrainingRequest, run_id_of
from azaion_trainer.split import SIDES
from azaion_trainer.waiting import wait_for_run

Home = Annotated[
    Path | None, typer.Option(help="Folder that holds everything. [env AZAION_HOME; ./azaion-home]")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Dataset = Annotated[
    str | None, typer.Argument(help="Id of a dataset, or its first digits. [the newest]", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    group = typer.Typer(
        no_args_is_help=True, help="Look at datasets and prove that their split does not leak."
    )
    for name, command in (("list", list_), ("show", show), ("verify", verify)):
        group.command(name)(command)
    app.add_typer(group, name="dataset")
    app.command()(train)


def list_(home: Home = None, *, as_json: AsJson = False) -> None:
    """Every dataset, the newest first."""
    found = [decode_certificate((folder / CERTIFICATE).read_bytes()) for folder in _folders(home_from(home))]
    if as_json:
        _write([{"dataset_id": each.dataset_id, **each.pictures} for each in found])
        return
    table = Table("dataset", *SIDES, "scenes", "left out")
    for each in found:
        sides = [str(each.pictures[side]) for side in SIDES]
        table.add_row(each.dataset_id[:16], *sides, str(sum(each.groups.values())), str(len(each.left_out)))
    Console().print(table)


def show(dataset: Dataset = None, home: Home = None, *, as_json: AsJson = False) -> None:
    """What is in a dataset, and what its certificate says."""
    manifest, certificate = read_folder(_find(home_from(home), dataset))
    if as_json:
        _write(certificate.model_dump(mode="json") | {"class_names": manifest.class_names})
        return
    _show(manifest, certificate)


def verify(dataset: Dataset = None, home: Home = None, *, as_json: AsJson = False) -> None:
    """Recompute the leak certificate and hash every image."""
    certificate = verify_folder(_find(home_from(home), dataset))
    if as_json:
        _write({"dataset_id": certificate.dataset_id, "valid": True, "checks": len(certificate.checks)})
        return
    for check in certificate.checks:
        typer.echo(f"ok  {check.statement} ({check.examined} examined)")
    typer.echo(f"dataset {certificate.dataset_id[:16]} does not leak")


def train(
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]…", help="For example epochs=50 imgsz=640 lr0=0.005"),
    ] = None,
    *,
    dataset: Annotated[str | None, typer.Option(help="Train on this dataset. [form a new one]")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and show progress.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a training; the trainer service does it (``azaion up``)."""
    place = home_from(home)
    dataset_id = _find(place, dataset).name if dataset else None
    body = TrainingRequest(dataset_id=dataset_id, overrides=parse_settings(settings or [])).model_dump_json()
    job_id = f"cli-{uuid4().hex}"
    result = asyncio.run(_train(place, job_id, body, dataset_id, wait=wait))
    if result is None:
        _tell({"job_id": job_id, "run_id": run_id_of(job_id, body)}, "queued: {job_id}", as_json=as_json)
        return
    _tell(
        _result(result),
        "{outcome}: {model_id}, mAP50 {map50:.3f}, mAP50-95 {map50_95:.3f} {reason}",
        as_json=as_json,
    )


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """``["epochs=50", "cos_lr=true"]`` as values; YAML decides what is a number, a truth value or text.

    Raises:
        PermanentError: ``setting_malformed``.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise PermanentError(
                "setting_malformed", f"'{pair}' is not KEY=VALUE", hint="for example epochs=50"
            )
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise PermanentError("setting_malformed", f"'{pair}' has no readable value") from error
    return settings


async def _train(
    home: Path, job_id: str, body: str, dataset_id: str | None, *, wait: bool
) -> ModelTrained | ModelRejected | None:
    settings = PlatformSettings.load(home, "platform")
    async with open_log(home, settings) as log, open_jobs(home, settings) as jobs:
        if wait and dataset_id is None:
            await until_taken_in(
                home, log, Console(stderr=True)
            )  # else it might not see the end of an import
        start = await log.end("azaion.models")
        await jobs.put(QUEUE, job_id, body)
        return await wait_for_run(log, run_id_of(job_id, body), start) if wait else None


def _result(model: ModelTrained | ModelRejected) -> dict[str, Any]:
    return {
        "outcome": "trained" if isinstance(model, ModelTrained) else "rejected",
        "model_id": model.model_id,
        "dataset_id": model.lineage.dataset_id,
        "map50": model.metrics.map50,
        "map50_95": model.metrics.map50_95,
        "reason": model.reason if isinstance(model, ModelRejected) else "",
    }


def _folders(home: Path) -> list[Path]:
    """Complete dataset folders, the newest first."""
    found = [path.parent for path in (home / "datasets").glob(f"[!.]*/{CERTIFICATE}")]
    return sorted(found, key=lambda folder: (folder / CERTIFICATE).stat().st_mtime_ns, reverse=True)


def _find(home: Path, digits: str | None) -> Path:
    fitting = [folder for folder in _folders(home) if folder.name.startswith(digits or "")]
    if not fitting or (digits and len(fitting) > 1):
        found = "no dataset" if not fitting else f"{len(fitting)} datasets"
        raise PermanentError("dataset_missing", f"{found} with id {digits or '(any)'} in {home / 'datasets'}")
    return fitting[0]


def _show(manifest: Manifest, certificate: Certificate) -> None:
    typer.echo(f"dataset {manifest.dataset_id}\nclasses {', '.join(manifest.class_names)}")
    for side in SIDES:
        typer.echo(f"{side:6}{certificate.pictures[side]:7} pictures of {certificate.groups[side]} scenes")
    typer.echo(f"closest pictures across sides differ in {certificate.closest_across_sides} of 64 hash bits")
    for each in certificate.left_out:
        typer.echo(f"left out: {each.name} ({each.reason})")
    for name in manifest.classes_left_out:
        typer.echo(f"class left out: {name} (no object on the train side)")


def _tell(facts: dict[str, Any], line: str, *, as_json: bool) -> None:
    if as_json:
        _write(facts)
    else:
        typer.echo(line.format(**facts).strip())


def _write(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
