"""``azaion models get``: a model's file out of the store, with what belongs to it beside it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from azaion_common.contracts.events import BlobRef
from azaion_common.core.durable import make_folder, replacing, storage_errors, write_file
from azaion_common.core.errors import PermanentError
from azaion_common.platform.cli.model_records import ModelRecord, find_model
from azaion_common.platform.cli.options import AsJson, Home
from azaion_common.platform.cli.output import print_json
from azaion_common.platform.runtime.home import check_target
from azaion_common.platform.runtime.settings import PlatformSettings, home_from
from azaion_common.platform.runtime.transports import open_blobs
from azaion_common.platform.storage import BlobStore

CHECKPOINT = "checkpoint"
_SUFFIXES = {CHECKPOINT: ".pt", "onnx": ".onnx"}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, and what its user has to know about it."""

    blob: BlobRef
    suffix: str
    facts: dict[str, Any]


def get(
    model: Annotated[str, typer.Argument(help="Model id, its first digits, or latest.", show_default=False)],
    target: Annotated[
        str, typer.Option(help="Which file of it: checkpoint, or the target of an export (onnx).")
    ] = CHECKPOINT,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Where to put it. [MODEL.pt or MODEL.onnx here]", show_default=False),
    ] = None,
    home: Home = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Get a model's file out of the store. Class names and scores go into FILE.json beside it."""
    path, facts = asyncio.run(_get(home_from(home), model, target, save))
    if as_json:
        print_json({"file": str(path), **facts})
        return
    typer.echo(f"{path}: {facts['size_bytes']} bytes, sha256 {facts['sha256']}")
    typer.echo(f"{beside(path)}: {len(facts['class_names'])} classes and what else belongs to it")


async def _get(home: Path, reference: str, target: str, save: Path | None) -> tuple[Path, dict[str, Any]]:
    record = await find_model(home, reference)
    found = file_of(record, target)
    path = (save or Path(f"{record.candidate.model_id}{found.suffix}")).expanduser().absolute()
    if path.is_dir():
        path /= f"{record.candidate.model_id}{found.suffix}"
    check_target(home, path)
    await asyncio.to_thread(_make_folder, path.parent)
    async with open_blobs(home, PlatformSettings.load(home, "platform")) as blobs:
        await copy_out(blobs, found.blob, path)
    facts = json.dumps(found.facts, indent=2, ensure_ascii=False)
    await asyncio.to_thread(write_file, beside(path), facts.encode() + b"\n")
    return path, found.facts


def _make_folder(folder: Path) -> None:
    with storage_errors(folder):
        make_folder(folder)


def beside(path: Path) -> Path:
    """Where the facts of a model's file lie."""
    return path.with_name(f"{path.name}.json")


def file_of(record: ModelRecord, target: str) -> ModelFile:
    """The checkpoint of a model, or its newest export for ``target``.

    Raises:
        PermanentError: ``export_missing``.
    """
    candidate = record.candidate
    exports = [export for export in record.exports if export.target == target]
    if target != CHECKPOINT and not exports:
        there = ", ".join(sorted({CHECKPOINT, *(export.target for export in record.exports)}))
        raise PermanentError(
            "export_missing",
            f"model {candidate.model_id} has no export for {target}; there is: {there}",
            hint=f"make one with: azaion export {candidate.model_id} --target {target}",
        )
    source = candidate if target == CHECKPOINT else exports[-1]
    blob = candidate.checkpoint if target == CHECKPOINT else exports[-1].artifact
    facts = {
        "model_id": candidate.model_id,
        "target": target,
        "sha256": blob.sha256,
        "size_bytes": blob.size_bytes,
        "architecture": candidate.architecture,
        "imgsz": source.imgsz,
        "class_names": list(source.class_names),
        "class_colours": list(source.class_colours),
        "thresholds": dict(source.thresholds),
        "map50": candidate.metrics.map50,
        "map50_95": candidate.metrics.map50_95,
    }
    return ModelFile(blob, _SUFFIXES.get(target, f".{target}"), facts)


async def copy_out(blobs: BlobStore, blob: BlobRef, path: Path) -> None:
    """Copy a blob to ``path``, which is whole and right, or stays as it was.

    Raises:
        PermanentError: ``blob_missing``, ``blob_corrupt``, ``not_writable``.
        TransientError: ``store_unavailable``, ``disk_full``.
    """
    sha256 = hashlib.sha256()
    with replacing(path, mode=0o644) as file:
        async for chunk in blobs.read(blob.sha256):
            sha256.update(chunk)
            await asyncio.to_thread(file.write, chunk)
        if sha256.hexdigest() != blob.sha256:
            raise PermanentError(
                "blob_corrupt", f"the store's copy of {blob.sha256} is damaged", hint="azaion blobs verify"
            )
