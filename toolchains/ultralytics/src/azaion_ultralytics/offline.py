"""Keeps ultralytics off the network and quiet. `go_offline` must run before anything imports ultralytics.

Three things make it ask the network (ultralytics 8.4.190): a DNS query at import, settings whose defaults turn every
experiment tracker on, and a missing Arial.ttf. The environment answers the first, a settings file with every key the
second, a font that matplotlib ships the third.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "1",  # a .pt is a pickle: load only known classes
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime 1.31 makes a device id and sends events, on Linux too
    "MPLBACKEND": "agg",
}
OFF = (
    "sync",
    "clearml",
    "comet",
    "dvc",
    "mlflow",
    "raytune",
    "tensorboard",
    "wandb",
    "vscode_msg",
    "openvino_msg",
)
FONTS = ("Arial.ttf", "Arial.Unicode.ttf")


def go_offline() -> None:
    """Set the environment and write the settings that ultralytics reads at import."""
    root = _writable_root()
    os.environ.update(ENVIRONMENT, YOLO_CONFIG_DIR=str(root), MPLCONFIGDIR=str(root / "matplotlib"))
    folder = root / "Ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    _write_if_changed(folder / "settings.json", json.dumps(_settings(root), indent=1).encode())
    for name in FONTS:
        if not (folder / name).is_file() and (font := _shipped_font()):
            _write_if_changed(folder / name, font.read_bytes())


def _writable_root() -> Path:
    """A folder of this environment in the user's cache; a temporary one where there is no writable home."""
    root = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        / "azaion"
        / "toolchain-ultralytics"
    )
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError as error:
        print(f"no cache folder ({error}); using a temporary one", file=sys.stderr)
    return Path(tempfile.mkdtemp(prefix="azaion-ultralytics-"))


def _settings(root: Path) -> dict[str, object]:
    # Every key: ultralytics gives those left out their defaults, and most integrations default to on.
    return {
        "settings_version": "0.0.8",
        "datasets_dir": str(root / "datasets"),
        "weights_dir": str(root / "weights"),
        "runs_dir": str(root / "runs"),
        "uuid": "0" * 64,
        "api_key": "",
        "openai_api_key": "",
        **dict.fromkeys(OFF, False),
    }


def _shipped_font() -> Path | None:
    # find_spec of a top-level package does not import it.
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def _write_if_changed(path: Path, content: bytes) -> None:
    """Several children may start at once: each sees the old file or the new one, never half of it."""
    if path.is_file() and path.read_bytes() == content:
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    shutil.move(file.name, path)
