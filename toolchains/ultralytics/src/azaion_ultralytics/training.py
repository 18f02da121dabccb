"""Ultralytics' detection trainer, made durable and talkative: each epoch ends in a verified checkpoint and a line."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from ultralytics.models.yolo.detect import DetectionTrainer

from azaion_ultralytics.checkpoints import Checkpoint, CheckpointStore, sha256_of
from azaion_ultralytics.dataset import unreadable
from azaion_ultralytics.devices import use_threads
from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.protocol import Channel
from azaion_ultralytics.threads import FreeCores

METRICS = {"precision": "precision", "recall": "recall", "mAP50": "map50", "mAP50-95": "map50_95"}


class DetectorTraining(DetectionTrainer):
    """One training of one job. (Its name holds no "Trainer": that is what adds ultralytics' platform callbacks.)

    The attributes below are set by whoever makes it.
    """

    store: CheckpointStore
    channel: Channel
    resumed: Checkpoint | None = None  # what it goes on from
    val_period = 1  # measure every n-th epoch; 0: only after the last
    epoch_pictures = 0  # draw so many at random for each epoch; 0: all of them
    threads: int | None = None
    bfloat16 = False
    _measured = False
    _batch = 0

    def start(self) -> None:
        """Train to the end."""
        self.curves: list[dict[str, Any]] = list(self.resumed.curves) if self.resumed else []
        self.best_epoch = self.resumed.best_epoch if self.resumed else 0
        self.earlier_seconds = self.resumed.train_seconds if self.resumed else 0.0
        self.add_callback("on_pretrain_routine_end", lambda _: self._refuse_unlabelled())
        self.add_callback("on_train_start", lambda _: self._share_the_cores())
        self.add_callback("on_train_epoch_start", lambda _: self._begin_epoch())
        self.add_callback("on_train_batch_start", lambda _: self._decay_learning_rate())
        self.add_callback("on_train_batch_end", lambda _: self._report_batch())
        self.add_callback("on_train_epoch_end", lambda _: self._refuse_nan())
        self.train()

    def _setup_train(self) -> None:
        """Ultralytics sets up; on a CPU the network is then laid out and run the way that is fastest there."""
        super()._setup_train()
        if self.device.type == "cpu":
            self.model.to(memory_format=torch.channels_last)
            self.ema.ema.to(memory_format=torch.channels_last)
        if self.bfloat16:  # ultralytics knows mixed precision on GPUs only
            self.model.forward = torch.autocast("cpu", dtype=torch.bfloat16)(self.model.forward)

    def get_dataloader(
        self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        loader = super().get_dataloader(dataset_path, batch_size, rank, mode)
        if mode == "train" and self.epoch_pictures:
            loader.sampler._num_samples = min(self.epoch_pictures, len(loader.dataset))  # noqa: SLF001
        return loader

    def validate(self) -> Any:
        self._measured = True
        return super().validate()

    def save_model(self) -> bool:
        """Write the state where the store takes it from; ultralytics' own place for it is not durable."""
        self.last = self.store.incoming
        super().save_model()
        self._note_epoch()
        checkpoint = Checkpoint(
            epoch=self.epoch + 1,
            sha256=sha256_of(self.store.incoming),
            best_epoch=self.best_epoch,
            finished=bool(self.stop),
            train_seconds=self.earlier_seconds + time.time() - self.train_time_start,
            curves=self.curves,
        )
        self.last = self.store.add(checkpoint)  # where the recovery from a NaN loss looks for it
        self.channel.emit("checkpoint", path=str(self.last), sha256=checkpoint.sha256, epoch=checkpoint.epoch)
        return True

    def final_eval(self) -> None:
        """Nothing: the best epoch has been measured already, and the store knows which it is."""

    def _share_the_cores(self) -> None:
        self.free_cores = FreeCores() if self.threads is None and self.device.type == "cpu" else None
        use_threads(self.free_cores.threads if self.free_cores else self.threads)

    def _look_for_cores(self) -> None:
        if self.free_cores is not None:
            self.free_cores.take_look()
            if self.free_cores.threads != torch.get_num_threads():
                torch.set_num_threads(self.free_cores.threads)

    def _begin_epoch(self) -> None:
        self._batch, self._measured, self._epoch_began = 0, False, time.monotonic()
        self.args.val = bool(self.val_period) and (self.epoch + 1) % self.val_period == 0

    def _decay_learning_rate(self) -> None:
        """Follow the schedule within the epoch too: with two or three epochs its steps would be coarse."""
        factor = self.lf(self.epoch + self._batch / len(self.train_loader))
        for group in self.optimizer.param_groups:  # ultralytics overrides this while it warms up
            group["lr"] = group["initial_lr"] * factor

    def _report_batch(self) -> None:
        self._batch += 1
        self._look_for_cores()
        self.channel.progress(
            "train",
            epoch=self.epoch + 1,
            epochs=self.epochs,
            batch=self._batch,
            batches=len(self.train_loader),
            loss=plain_losses(self.tloss),
            gpu_memory_bytes=torch.cuda.max_memory_reserved() if self.device.type == "cuda" else 0,
        )

    def _note_epoch(self) -> None:
        """Append this epoch to the curves and tell the parent; an epoch that was not measured has no metrics."""
        # Until the first measurement the newest epoch is the best known; afterwards a measured one must be as good.
        if self.best_fitness is None or (self._measured and self.fitness == self.best_fitness):
            self.best_epoch = self.epoch + 1
        entry = {
            "epoch": self.epoch + 1,
            "metrics": plain_metrics(self.metrics) if self._measured else None,
            "loss": plain_losses(self.tloss),
            "val_loss": plain_losses(self.metrics, prefix="val/") if self._measured else None,
            "seconds": round(time.monotonic() - self._epoch_began, 3),
        }
        self.curves.append(entry)
        self.channel.emit("epoch", epochs=self.epochs, **entry)

    def _refuse_unlabelled(self) -> None:
        if not any(len(label["cls"]) for label in self.train_loader.dataset.labels):
            raise unreadable("no picture of 'train' has a usable label")

    def _refuse_nan(self) -> None:
        # Later epochs recover from the last checkpoint (three times); the first has nothing to go back to.
        if self.epoch == self.start_epoch and not math.isfinite(self.loss.item()):
            raise ToolchainError(
                "diverged", f"the loss became NaN in epoch {self.epoch + 1}; try a smaller lr0"
            )


def plain_losses(items: dict[str, Any] | None, *, prefix: str = "") -> dict[str, float]:
    """``{"box": 1.2, "cls": 0.8, "dfl": 0.9}`` out of ultralytics' names for them."""
    losses = {
        name.removeprefix(prefix): value for name, value in (items or {}).items() if name.startswith(prefix)
    }
    return {name.removesuffix("_loss"): round(float(value), 5) for name, value in losses.items()}


def plain_metrics(items: dict[str, Any]) -> dict[str, float]:
    """Precision, recall, map50 and map50_95 out of "metrics/mAP50(B)" and its like."""
    bare = {name.removeprefix("metrics/").removesuffix("(B)"): float(value) for name, value in items.items()}
    return {ours: bare[theirs] for theirs, ours in METRICS.items()}
