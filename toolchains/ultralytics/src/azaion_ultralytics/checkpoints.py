"""Where a training keeps what must survive `kill -9`: a store of verified checkpoints, and its result.

A work directory holds

    job.json                    the digest of the job it belongs to
    checkpoints/epoch-0003.pt   whole training states; the two newest, and the best one that they refer to
    checkpoints/epoch-0003.json written after its .pt: sha256, which epoch is the best so far, the curves until here
    best.pt, result.json        the finished training
    scratch/                    ultralytics' own output; nothing reads it again

Every file appears whole: temporary file, fsync, rename, fsync of the folder. A .pt counts only if its .json names its
hash, so a torn file is never resumed from. No torch in here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azaion_ultralytics.errors import ToolchainError

GENERATIONS = 2
HASH_CHUNK_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One verified training state. ``epoch`` counts from 1; ``finished`` means there is nothing left to train."""

    epoch: int
    sha256: str
    best_epoch: int
    finished: bool
    train_seconds: float
    curves: list[dict[str, Any]]


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def job_digest(fields: dict[str, Any]) -> str:
    """The identity of a job: what decides its result, in canonical JSON."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def adopt(temporary: Path, final: Path) -> None:
    """Make a complete file durable under its final name, replacing what was there."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content))
    adopt(temporary, path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, or None where there is none or something else."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


class CheckpointStore:
    """The work directory of one training. Made by `open_store`, which holds its lock."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.folder = workdir / "checkpoints"
        self.scratch = workdir / "scratch"
        self.incoming = self.folder / "incoming.pt"  # written here, then adopted
        self.best = workdir / "best.pt"
        self.folder.mkdir(exist_ok=True)

    def path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}.pt"

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole and whose best one is whole too; None means: start from the beginning."""
        for epoch in self._epochs():
            checkpoint = self._verified(epoch)
            if checkpoint and (checkpoint.best_epoch == epoch or self._verified(checkpoint.best_epoch)):
                return checkpoint
        return None

    def add(self, checkpoint: Checkpoint) -> Path:
        """Take the file at ``incoming`` in as ``checkpoint`` and drop the generations that nobody needs any more.

        Raises:
            ToolchainError: ``internal`` when what lies on the disk isn't what was written.
        """
        path = self.path(checkpoint.epoch)
        path.with_suffix(".json").unlink(missing_ok=True)
        adopt(self.incoming, path)
        if sha256_of(path) != checkpoint.sha256:
            raise ToolchainError("internal", f"checkpoint {path} reads back differently", transient=True)
        write_json(path.with_suffix(".json"), asdict(checkpoint))
        self._drop_old()
        return path

    def result(self) -> dict[str, Any] | None:
        """The result of a finished training whose best.pt is still the one it speaks of."""
        result = read_json(self.workdir / "result.json")
        if result is None or not self.best.is_file() or sha256_of(self.best) != result["sha256"]:
            return None
        return {**result, "best": str(self.best)}

    def finish(self, result: dict[str, Any]) -> None:
        """Record the result (best.pt is in place already) and remove what only the training needed."""
        write_json(self.workdir / "result.json", result)
        for folder in (self.scratch, self.folder):
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()

    def _epochs(self) -> list[int]:
        return sorted(
            (int(path.stem.removeprefix("epoch-")) for path in self.folder.glob("epoch-*.json")), reverse=True
        )

    def _verified(self, epoch: int) -> Checkpoint | None:
        path = self.path(epoch)
        record = read_json(path.with_suffix(".json"))
        if record is None or not path.is_file() or sha256_of(path) != record.get("sha256"):
            return None
        return Checkpoint(**record)

    def _drop_old(self) -> None:
        newest = self._epochs()[:GENERATIONS]
        best = {
            (read_json(self.path(epoch).with_suffix(".json")) or {}).get("best_epoch") for epoch in newest
        }
        keep = {self.path(epoch).name for epoch in {*newest, *best} if isinstance(epoch, int)}
        for path in self.folder.glob("epoch-*.pt"):
            if path.name not in keep:
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink()


@contextlib.contextmanager
def open_store(workdir: Path, digest: str) -> Iterator[CheckpointStore]:
    """The store of ``workdir``, locked for this process and bound to the job with this digest.

    Raises:
        ToolchainError: ``workdir_in_use`` when another process trains there (transient), or when the directory holds
            another job or anything that isn't a job.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ToolchainError(
                "workdir_in_use", f"another process trains in {workdir}", transient=True
            ) from error
        _claim(workdir, digest)
        store = CheckpointStore(workdir)
        try:
            yield store
        finally:
            store.incoming.unlink(missing_ok=True)  # half a checkpoint, when the disk is full


def _claim(workdir: Path, digest: str) -> None:
    owner = read_json(workdir / "job.json")
    if owner is None:
        if foreign := [
            path.name for path in workdir.iterdir() if path.name not in (".lock", "job.json.tmp", "job.json")
        ]:
            raise ToolchainError("workdir_in_use", f"{workdir} is not empty and holds no job ({foreign[0]})")
        write_json(workdir / "job.json", {"digest": digest})
    elif owner.get("digest") != digest:
        raise ToolchainError("workdir_in_use", f"{workdir} holds the training of another job")
