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
from azaion_ultralytics.devices import has_bfloat16, resolve_device
from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.protocol import Channel, TrainJob, bad_job

# Settings of ultralytics that a job may change. Its own: where to write, what to train, how long, on what device,
# what to save.
OPTIMISER = (
    "optimizer lr0 lrf momentum weight_decay warmup_epochs warmup_momentum warmup_bias_lr cos_lr nbs patience amp "
    "freeze multi_scale single_cls fraction cls_remap max_det deterministic compile cache workers rect"
)
LOSS = "box cls dfl cls_pw"
AUGMENTATION = (
    "hsv_h hsv_s hsv_v degrees translate scale shear perspective flipud fliplr bgr mosaic mixup cutmix copy_paste "
    "close_mosaic"
)
# Ours: measure every n-th epoch (0: only after the last), and draw so many pictures at random for each epoch (0: all),
# so that checkpoints and curves come often however large the dataset is.
PACE = {"val_period": 1, "epoch_pictures": 0}
OVERRIDES = frozenset(f"{OPTIMISER} {LOSS} {AUGMENTATION}".split()) | PACE.keys()
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
        if newest is None or not newest.finished:
            run(job, store, channel, data=data, architecture=architecture, newest=newest)
        return finish(store)


def check_overrides(overrides: dict[str, Any]) -> None:
    """Ultralytics checks the values of its own settings later; names, and the values of ours, are checked here.

    Raises:
        ToolchainError: ``bad_job``.
    """
    if unknown := sorted(overrides.keys() - OVERRIDES):
        raise bad_job(f"unknown overrides: {', '.join(unknown)}")
    for name in PACE.keys() & overrides.keys():
        if type(overrides[name]) is not int or overrides[name] < 0:
            raise bad_job(f"{name} must be a whole number of 0 or more")


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
) -> None:
    from azaion_ultralytics.training import DetectorTraining

    device = resolve_device(job.device)
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
    try:
        training = DetectorTraining(overrides=settings)
    except (TypeError, ValueError) as error:  # what ultralytics' own check of its settings raises
        raise bad_job(str(error)) from error
    training.store, training.channel, training.resumed = store, channel, newest
    training.threads, training.bfloat16 = job.threads, mixed and has_bfloat16(device)
    training.val_period, training.epoch_pictures = pace["val_period"], pace["epoch_pictures"]
    training.start()


def finish(store: CheckpointStore) -> dict[str, Any]:
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
    }
    store.finish(result)
    return result
