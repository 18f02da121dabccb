"""The ledger's record of training runs, their curves and the champion."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from azaion_common.contracts.events import EpochMetrics, ModelTrained
from azaion_trainer.parameters import TrainingParameters
from azaion_trainer.tables import CHAMPION, EPOCHS, RUNS

State = Literal["running", "trained", "rejected", "failed"]


def find_run(connection: Connection, run_id: str) -> tuple[str, TrainingParameters] | None:
    """The dataset and the parameters that a run was bound to when it first started."""
    row = connection.execute(sa.select(RUNS).where(RUNS.c.run_id == run_id)).first()
    return (row.dataset_id, TrainingParameters.model_validate(row.parameters)) if row else None


def begin_run(
    connection: Connection, run_id: str, job_id: str, dataset_id: str, parameters: TrainingParameters
) -> None:
    values = {"run_id": run_id, "job_id": job_id, "dataset_id": dataset_id, "state": "running"}
    connection.execute(RUNS.insert().values(parameters=parameters.model_dump(mode="json"), **values))


def end_run(connection: Connection, run_id: str, state: State, model_id: str | None = None) -> None:
    """Note how a run ended; one that never began (its dataset could not be formed) has no row to change."""
    connection.execute(RUNS.update().where(RUNS.c.run_id == run_id).values(state=state, model_id=model_id))


def ended_runs(connection: Connection) -> list[str]:
    return list(connection.execute(sa.select(RUNS.c.run_id).where(RUNS.c.state != "running")).scalars())


def add_epoch(connection: Connection, run_id: str, point: EpochMetrics) -> bool:
    """Record a point of the curves; False when the run has that epoch already."""
    known = sa.select(EPOCHS.c.epoch).where((EPOCHS.c.run_id == run_id) & (EPOCHS.c.epoch == point.epoch))
    if connection.execute(known).first() is not None:
        return False
    connection.execute(
        EPOCHS.insert().values(run_id=run_id, epoch=point.epoch, point=point.model_dump(mode="json"))
    )
    return True


def curves(connection: Connection, run_id: str) -> list[EpochMetrics]:
    query = sa.select(EPOCHS.c.point).where(EPOCHS.c.run_id == run_id).order_by(EPOCHS.c.epoch)
    return [EpochMetrics.model_validate(point) for point in connection.execute(query).scalars()]


def champion(connection: Connection) -> ModelTrained | None:
    row = connection.execute(sa.select(CHAMPION.c.model)).first()
    return ModelTrained.model_validate(row.model) if row else None


def crown(connection: Connection, model: ModelTrained) -> None:
    connection.execute(CHAMPION.delete())
    connection.execute(CHAMPION.insert().values(id=1, model=model.model_dump(mode="json")))
