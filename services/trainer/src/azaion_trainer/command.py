"""``azaion dataset`` and ``azaion train``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.table import Table

from azaion_common.contracts.events import ModelRejected, ModelTrained, models
from azaion_common.contracts.jobs import TRAININGS, TrainingJob
from azaion_common.core.errors import PermanentError, TransientError
from azaion_common.core.printable import printable
from azaion_common.platform.cli.backlog import START, until_taken_in
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.cli.patience import Patience
from azaion_common.platform.cli.pending_work import absence_explained, tell_what_waits
from azaion_common.platform.runtime.running import is_running
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.settings_reference import describe
from azaion_common.platform.runtime.toolchains import ToolchainSettings
from azaion_common.platform.runtime.transports import check_exists, open_jobs, open_log
from azaion_common.platform.toolchain import Toolchain
from azaion_trainer.adapters.dataset_folder import CERTIFICATE, read_folder, verify_folder
from azaion_trainer.adapters.ultralytics import UltralyticsTraining
from azaion_trainer.asking import OWN, check_own, check_theirs, parse_settings
from azaion_trainer.certificate import Certificate, decode_certificate
from azaion_trainer.manifest import Manifest
from azaion_trainer.parameters import TrainingWishes, run_id_of
from azaion_trainer.ports import KnownSettings
from azaion_trainer.settings import TrainerSettings
from azaion_trainer.split import SIDES
from azaion_trainer.waiting import NOBODY, wait_for_run

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
    place = home_from(home)
    found = [decode_certificate((folder / CERTIFICATE).read_bytes()) for folder in _folders(place)]
    if as_json:
        print_json({"datasets": [{"dataset_id": each.dataset_id, **each.pictures} for each in found]})
        return
    table = Table("dataset", *SIDES, "scenes", "left out")
    for each in found:
        sides = [str(each.pictures[side]) for side in SIDES]
        table.add_row(each.dataset_id[:16], *sides, str(sum(each.groups.values())), str(len(each.left_out)))
    Console().print(table)
    if not found:
        tell_what_waits(place)


def show(dataset: Dataset = None, home: Home = None, *, as_json: AsJson = False) -> None:
    """What is in a dataset, and what its certificate says."""
    manifest, certificate = read_folder(asyncio.run(_find(home_from(home), dataset)))
    if as_json:
        print_json(certificate.model_dump(mode="json") | {"class_names": manifest.class_names})
        return
    _show(manifest, certificate)


def verify(dataset: Dataset = None, home: Home = None, *, as_json: AsJson = False) -> None:
    """Recompute the leak certificate and hash every image."""
    certificate = verify_folder(asyncio.run(_find(home_from(home), dataset)))
    if as_json:
        print_json({"dataset_id": certificate.dataset_id, "valid": True, "checks": len(certificate.checks)})
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
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait at most; the training goes on. [for ever]")
    ] = None,
    list_settings: Annotated[
        bool,
        typer.Option("--list", help="List every KEY with the values that it takes, and do nothing else."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a training; the trainer service does it (azaion up)."""
    place = home_from(home)
    if list_settings:
        _list_settings(asyncio.run(_toolchain(place).check({})), as_json=as_json)
        return
    check_exists(place, PlatformSettings.load(place, "platform"))
    wanted = parse_settings(settings or [])
    asyncio.run(_check(place, wanted))
    dataset_id = asyncio.run(_find(place, dataset)).name if dataset else None
    body = TrainingJob(dataset_id=dataset_id, overrides=wanted).model_dump_json()
    job_id = f"cli-{uuid4().hex}"
    result = asyncio.run(_train(place, job_id, body, dataset_id, timeout_s=timeout, wait=wait))
    if result is None:
        _tell({"job_id": job_id, "run_id": run_id_of(job_id, body)}, "queued: {job_id}", as_json=as_json)
        return
    _tell(
        _result(result),
        "{outcome}: {model_id}, mAP50 {map50:.3f}, mAP50-95 {map50_95:.3f}, {reason}",
        as_json=as_json,
    )


def _toolchain(home: Path) -> UltralyticsTraining:
    return UltralyticsTraining(Toolchain(ToolchainSettings.load(home, "toolchains").ultralytics_command()))


async def _check(home: Path, settings: dict[str, Any]) -> None:
    """Refuse what no training takes before it is queued; where no toolchain is installed, the trainer does."""
    check_own(settings)
    if settings.get("weights") and PlatformSettings.load(home, "platform").jobs_url is None:
        TrainingWishes(batch=1, architecture="any", weights=Path(settings["weights"])).with_home(home)
    theirs = {name: value for name, value in settings.items() if name not in OWN}
    if not theirs and "architecture" not in settings:
        return
    try:
        known = await _toolchain(home).check(theirs)
    except PermanentError as error:
        if error.code != "toolchain_missing":
            raise
        typer.echo("no toolchain is installed here: the trainer will check the settings", err=True)
        return
    check_theirs(settings, known)


def _list_settings(known: KnownSettings, *, as_json: bool) -> None:
    own = {each.name: each.kind for each in describe("trainer", TrainerSettings) if each.name in OWN}
    takes = own | dict(known.settings)
    if as_json:
        print_json({"settings": takes, "architectures": sorted(known.architectures)})
        return
    table = Table("key", "takes")
    for name, text in takes.items():
        table.add_row(name, text)
    stdout_console().print(table)


async def _train(
    home: Path, job_id: str, body: str, dataset_id: str | None, *, timeout_s: float | None, wait: bool
) -> ModelTrained | ModelRejected | None:
    settings = PlatformSettings.load(home, "platform")

    async def works() -> bool:
        return await asyncio.to_thread(is_running, home, settings, "trainer")

    async with open_log(home, settings) as log, open_jobs(home, settings) as jobs:
        if not wait:
            await jobs.put(TRAININGS, job_id, body)
            if not await works():
                typer.echo(NOBODY, err=True)
            return None
        try:
            async with asyncio.timeout(timeout_s):
                if dataset_id is None:  # else it might not see the end of an import
                    with Patience(Console(stderr=True)) as patience:
                        await until_taken_in(home, log, patience, works)
                start = await log.end(models.STREAM)
                await jobs.put(TRAININGS, job_id, body)
                return await wait_for_run(log, run_id_of(job_id, body), start, works=works)
        except TimeoutError:
            queued = any(job.job_id == job_id for job in await jobs.pending(TRAININGS))
            fate = "the training stays queued" if queued else "no training was queued yet"
            hint = None if await works() else START
            raise TransientError(
                "wait_timed_out", f"no result within {timeout_s:g} s; {fate}", hint=hint
            ) from None


def _result(model: ModelTrained | ModelRejected) -> dict[str, Any]:
    return {
        "outcome": "trained" if isinstance(model, ModelTrained) else "rejected",
        "model_id": model.model_id,
        "dataset_id": model.lineage.dataset_id,
        "map50": model.metrics.map50,
        "map50_95": model.metrics.map50_95,
        "reason": model.reason if isinstance(model, ModelRejected) else model.verdict,
        "hardware": model.hardware.model_dump() if model.hardware else None,
        "train_seconds": model.train_seconds,
    }


def _folders(home: Path) -> list[Path]:
    """Complete dataset folders, the newest first."""
    check_exists(home, PlatformSettings.load(home, "platform"))
    found = [path.parent for path in (home / "datasets").glob(f"[!.]*/{CERTIFICATE}")]
    return sorted(found, key=lambda folder: (folder / CERTIFICATE).stat().st_mtime_ns, reverse=True)


async def _find(home: Path, digits: str | None) -> Path:
    async with absence_explained(home):
        fitting = [folder for folder in _folders(home) if folder.name.startswith(digits or "")]
        if not fitting or (digits and len(fitting) > 1):
            found = "no dataset" if not fitting else f"{len(fitting)} datasets"
            why = f"{found} with id {digits or '(any)'} in {home / 'datasets'}"
            raise PermanentError("dataset_missing", why, hint="a training forms one: azaion train")
        return fitting[0]


def _show(manifest: Manifest, certificate: Certificate) -> None:
    typer.echo(f"dataset {manifest.dataset_id}\nclasses {printable(', '.join(manifest.class_names))}")
    for side in SIDES:
        typer.echo(f"{side:6}{certificate.pictures[side]:7} pictures of {certificate.groups[side]} scenes")
    typer.echo(f"closest pictures across sides differ in {certificate.closest_across_sides} of 64 hash bits")
    for each in certificate.left_out:
        typer.echo(f"left out: {printable(each.name)} ({each.reason})")
    for name in manifest.classes_left_out:
        typer.echo(f"class left out: {printable(name)} (no object on the train side)")


def _tell(facts: dict[str, Any], line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo(printable(line.format(**facts).strip()))
