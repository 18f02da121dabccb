"""Writes a checkpoint as ONNX, TorchScript or OpenVINO, whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from azaion_ultralytics.checkpoint_file import load_detector
from azaion_ultralytics.checkpoints import adopt, sha256_of, sync_folder
from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.protocol import Channel, ExportJob


def export(job: ExportJob, channel: Channel) -> dict[str, Any]:
    """Export with a fixed shape (batch, 3, imgsz, imgsz); the file carries ultralytics' metadata.

    Raises:
        ToolchainError: ``runtime_missing`` when OpenVINO is asked for and not installed.
    """
    channel.progress("export")
    with tempfile.TemporaryDirectory(prefix=".export-", dir=job.output.parent) as folder:
        # ultralytics writes beside the checkpoint and names the export after it.
        checkpoint = (
            Path(shutil.copy(job.checkpoint, Path(folder) / "model.pt"))
            if job.checkpoint.is_file()
            else job.checkpoint
        )
        written = _export(checkpoint, job)
        _put_in_place(written, job.output)
    size_bytes = sum(path.stat().st_size for path in _files(job.output))
    return {
        "output": str(job.output),
        "sha256": _digest(job.output),
        "size_bytes": size_bytes,
        "opset": _opset(job),
    }


def _export(checkpoint: Path, job: ExportJob) -> Path:
    model = load_detector(checkpoint)
    model.model.args["data"] = ""  # its description would carry the path of the training data to every device
    model.add_callback("on_export_start", lambda exporter: exporter.metadata.update(job.properties))
    settings = {
        "format": job.format,
        "imgsz": job.imgsz,
        "batch": job.batch,
        "nms": job.nms or None,  # False would ask for an NMS-free head
        "max_det": job.max_detections,
        "conf": job.confidence,
        "iou": job.iou,
        "dynamic": False,
        "simplify": True,
        "device": "cpu",
    }
    try:
        return Path(model.export(**{name: settings[name] for name in settings if _applies(name, job)}))
    except ModuleNotFoundError as error:
        raise ToolchainError(
            "runtime_missing", f"{error.name} is not installed here: ./install.sh openvino"
        ) from error


def _applies(setting: str, job: ExportJob) -> bool:
    # ultralytics refuses settings that the format does not know.
    return setting != "simplify" or job.format == "onnx"


def _put_in_place(written: Path, output: Path) -> None:
    if not written.is_dir():
        adopt(written, output)
        return
    if output.exists():
        shutil.rmtree(output)
    written.rename(output)
    sync_folder(output.parent)


def _files(output: Path) -> list[Path]:
    return sorted(path for path in output.rglob("*") if path.is_file()) if output.is_dir() else [output]


def _digest(output: Path) -> str:
    """SHA-256 of the file; of a folder: of its lines "<sha256>  <relative path>", as `sha256sum` prints them, sorted by path."""
    if output.is_file():
        return sha256_of(output)
    lines = [f"{sha256_of(path)}  {path.relative_to(output).as_posix()}\n" for path in _files(output)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _opset(job: ExportJob) -> int | None:
    if job.format != "onnx":
        return None
    import onnx

    imports = onnx.load(job.output, load_external_data=False).opset_import
    return next(int(item.version) for item in imports if item.domain in ("", "ai.onnx"))
