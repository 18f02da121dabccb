"""Opens a .pt that somebody hands us: weights-only loading against ultralytics' list of known classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azaion_ultralytics.errors import ToolchainError
from azaion_ultralytics.plain_paths import take_paths_as_they_are


def load_detector(path: Path) -> Any:
    """The `ultralytics.YOLO` of a detection checkpoint.

    Raises:
        ToolchainError: ``checkpoint_unreadable`` when the file is missing, cut off, or not a detector.
    """
    from ultralytics import YOLO

    if not path.is_file():
        raise unreadable(path, "there is no such file")
    if path.suffix != ".pt":
        raise unreadable(path, "its name does not end in .pt")
    take_paths_as_they_are()
    try:
        model = YOLO(path, task="detect")
    except MemoryError:
        raise
    except Exception as error:  # a broken pickle can raise anything
        raise unreadable(path, _reason(error)) from error
    if model.task != "detect":
        raise unreadable(path, f"it is a {model.task} model, not a detector")
    return model


def unreadable(path: Path, reason: str) -> ToolchainError:
    return ToolchainError("checkpoint_unreadable", f"cannot read the checkpoint {path}: {reason}")


def _reason(error: Exception) -> str:
    text = str(error)
    if "truncated or corrupted" in text or "PytorchStreamReader" in text:
        return "the file is empty, cut off or damaged"
    if "outside the supported" in text:
        return "it holds something else than an Ultralytics detector"
    return f"{type(error).__name__}: {text}"
