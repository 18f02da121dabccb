"""The train operation: check the job, resume what can be resumed, train, leave a stripped best.pt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azaion_ultralytics.checkpoint_file import load_detector
from azaion_ultralytics.checkpoints import (
    Checkpoint,
    CheckpointStore,
    adopt,
    job_digest,
    open_store,
    sha256_of,
)
from azaion_ultralytics.dataset import read_dataset, write_dataset
from azaion_ultralytics.devices import describe_device, has_bfloat16, resolve_device
from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.plain_paths import take_paths_as_they_are
from azaion_ultralytics.protocol import Channel, TrainJob, bad_job
from azaion_ultralytics.settings import PACE, problems

OWN_ARCHITECTURES = Path(__file__).parent / "architectures"


def train(job: TrainJob, channel: Channel) -> dict[str, Any]:
    """Train from the start, go on from the newest verified checkpoint, or return the result that is already there."""
    check_overrides(job.overrides)
    data = read_dataset(job.data, sides=("train", "val"))
    architecture = find_architecture(job.architecture)
    if job.weights:
        check_weights(job.weights, architecture)
    with open_store(job.workdir, identity(job)) as store:
        if result := store.result():
            return result
        newest = store.newest()
        device = resolve_device(job.device)
        if newest is None or not newest.finished:
            run(job, store, channel, data=data, architecture=architecture, newest=newest, device=device)
        return finish(store, describe_device(device, job.threads))


def check_overrides(overrides: dict[str, Any]) -> None:
    """Names and values; ultralytics would check some of them much later.

    Raises:
        ToolchainError: ``bad_job``.
    """
    if found := problems(overrides):
        raise bad_job("; ".join(found.values()))


def identity(job: TrainJob) -> str:
    """What decides the result of a training. Not its place, device and threads: those may change before a resume."""
    return job_digest(
        {
            "data": str(job.data),
            "data_sha256": sha256_of(job.data),
            "weights_sha256": sha256_of(job.weights) if job.weights else None,
            "architecture": job.architecture,
            "epochs": job.epochs,
            "imgsz": job.imgsz,
            "batch": job.batch,
            "seed": job.seed,
            "overrides": job.overrides,
        }
    )


def find_architecture(name: str) -> str:
    """The model description for a name: one of ours, else one that ultralytics ships.

    Raises:
        ToolchainError: ``bad_job`` when neither has it.
    """
    from ultralytics.nn.tasks import yaml_model_load

    own = OWN_ARCHITECTURES / f"{name}.yaml"
    if own.is_file():
        return str(own)
    try:
        yaml_model_load(f"{name}.yaml")
    except FileNotFoundError as error:
        raise bad_job(f"there is no architecture {name} (for example: yolo11n)") from error
    return f"{name}.yaml"


def check_weights(path: Path, architecture: str) -> None:
    """Refuse weights that would leave most of the network untrained without a word.

    Raises:
        ToolchainError: ``weights_mismatch``; ``checkpoint_unreadable`` when they cannot be loaded.
    """
    from ultralytics.nn.tasks import DetectionModel

    given = load_detector(path).model.state_dict()
    wanted = DetectionModel(architecture, verbose=False).state_dict()
    fitting = sum(name in given and given[name].shape == value.shape for name, value in wanted.items())
    if fitting < len(wanted) / 2:
        fits = f"{fitting} of {len(wanted)} tensors fit"
        raise ToolchainError(
            "weights_mismatch", f"the weights {path} are not those of {Path(architecture).stem}: {fits}"
        )


def run(
    job: TrainJob,
    store: CheckpointStore,
    channel: Channel,
    *,
    data: dict[str, Any],
    architecture: str,
    newest: Checkpoint | None,
    device: str,
) -> None:
    from azaion_ultralytics.training import DetectorTraining

    pace = {name: job.overrides.get(name, default) for name, default in PACE.items()}
    mixed = job.overrides.get("amp", True)
    settings = {name: value for name, value in job.overrides.items() if name not in PACE} | {
        "model": architecture,
        "data": str(write_dataset(data, store.workdir / "data.yaml")),
        "pretrained": str(job.weights) if job.weights else False,
        "epochs": job.epochs,
        "imgsz": job.imgsz,
        "batch": job.batch,
        "device": device,
        "amp": mixed and device != "cpu",
        "seed": job.seed,
        "save_dir": str(store.scratch),
        "resume": str(store.path(newest.epoch)) if newest else False,
        "exist_ok": True,
        "plots": False,
        "verbose": False,
    }
    take_paths_as_they_are()
    try:
        training = DetectorTraining(overrides=settings)
    except (TypeError, ValueError) as error:  # what ultralytics' own check of its settings raises
        raise bad_job(str(error)) from error
    training.store, training.channel, training.resumed = store, channel, newest
    training.threads, training.bfloat16 = job.threads, mixed and has_bfloat16(device)
    training.val_period, training.epoch_pictures = pace["val_period"], pace["epoch_pictures"]
    training.start()


def finish(store: CheckpointStore, hardware: dict[str, Any]) -> dict[str, Any]:
    """Strip the best checkpoint of its optimizer, put it in place, record the result."""
    import torch
    import ultralytics
    from ultralytics.utils.torch_utils import strip_optimizer

    last = store.newest()
    if last is None:
        raise ToolchainError("internal", "the training ended without a checkpoint")
    if not strip_optimizer(store.path(last.best_epoch), s=str(store.incoming)):
        raise ToolchainError("internal", "the best checkpoint could not be read back")
    adopt(store.incoming, store.best)
    result = {
        "best": str(store.best),
        "sha256": sha256_of(store.best),
        "epochs": last.epoch,
        "best_epoch": last.best_epoch,
        "curves": last.curves,
        "train_seconds": round(last.train_seconds, 3),
        "ultralytics": ultralytics.__version__,
        "torch": torch.__version__,
        "hardware": hardware,
    }
    store.finish(result)
    return result
