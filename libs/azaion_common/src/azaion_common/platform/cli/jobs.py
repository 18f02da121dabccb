"""``azaion jobs``: what is queued, which trainings there were, on what they ran, and how they ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from azaion_common.contracts.jobs import QUEUES
from azaion_common.core.errors import PermanentError
from azaion_common.core.printable import printable
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json, stdout_console
from azaion_common.platform.cli.pending_work import absence_explained
from azaion_common.platform.cli.run_records import RunRecord, read_runs
from azaion_common.platform.jobs import Job
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import check_exists, open_jobs

Run = Annotated[str, typer.Argument(help="Id of a training run, or its first digits.", show_default=False)]
JobId = Annotated[str, typer.Argument(help="Id of a job that is queued or running.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the group of commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Look at trainings and at what is queued; cancel a job.")
    group.command("list")(list_)
    group.command("show")(show)
    group.command("cancel")(cancel)
    app.add_typer(group, name="jobs")


def list_(home: Home = None, *, as_json: AsJson = False) -> None:
    """List training runs and the jobs that are not over."""
    place = home_from(home)
    runs, pending = asyncio.run(read_runs(place)), asyncio.run(_pending(place))
    if as_json:
        jobs = [{"queue": job.queue, "job_id": job.job_id, "attempt": job.attempt} for job in pending]
        print_json({"runs": [run.facts() for run in runs], "pending": jobs})
        return
    table = Table("run", "begun", "on", "epochs", "mAP50", "state")
    for run in runs:
        facts = run.facts()
        quality = "" if facts["map50"] is None else f"{facts['map50']:.3f}"
        epochs = f"{facts['epochs_done']} of {facts['epochs'] or '?'}"
        on = str(run.hardware or "unknown")
        table.add_row(run.run_id[:16], f"{run.at:%Y-%m-%d %H:%M}", on, epochs, quality, run.state)
    stdout_console().print(table)
    for job in pending:
        typer.echo(
            f"{job.queue}: {job.job_id} ({'waiting' if job.attempt == 0 else f'attempt {job.attempt}'})"
        )


def show(run: Run, home: Home = None, *, as_json: AsJson = False) -> None:
    """Show on what a training ran and how it ended."""
    facts = asyncio.run(_find(home_from(home), run))
    if as_json:
        print_json(facts.facts())
        return
    typer.echo(f"run {facts.run_id}\nstate {facts.state}\non {facts.hardware or 'unknown'}")
    for note in facts.started.notes if facts.started else ():
        typer.echo(f"before: {printable(note)}")
    if facts.reason:
        typer.echo(f"verdict: {printable(facts.reason)}")


def cancel(job: JobId, home: Home = None, *, as_json: AsJson = False) -> None:
    """Take a job back, waiting or running."""
    queue = asyncio.run(_cancel(home_from(home), job))
    if as_json:
        print_json({"job_id": job, "queue": queue, "cancelled": True})
    else:
        typer.echo(f"cancelled: {job} of {queue}")


async def _pending(home: Path) -> list[Job]:
    settings = PlatformSettings.load(home, "platform")
    async with open_jobs(home, settings) as jobs:
        return [job for queue in QUEUES for job in await jobs.pending(queue)]


async def _cancel(home: Path, job_id: str) -> str:
    """The queue that it was in; raises PermanentError ``job_unknown``."""
    settings = PlatformSettings.load(home, "platform")
    check_exists(home, settings)
    async with open_jobs(home, settings) as jobs:
        for queue in QUEUES:
            if await jobs.cancel(queue, job_id):
                return queue
    raise PermanentError("job_unknown", f"no unfinished job is {job_id}", hint="see: azaion jobs list")


async def _find(home: Path, digits: str) -> RunRecord:
    async with absence_explained(home):
        found = [run for run in await read_runs(home) if run.run_id.startswith(digits)]
        if len(found) != 1:
            count = "no run" if not found else f"{len(found)} runs"
            raise PermanentError("run_unknown", f"{count} with id {digits}", hint="see: azaion jobs list")
        return found[0]
