"""Everything configurable about the inferencer."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.detection.options import Accelerator, Precision, RuntimeName
from azaion_common.runtime.settings import ServiceSettings


class InferencerSettings(ServiceSettings):
    """Section ``inferencer`` of ``azaion.yaml``, or ``AZAION_INFERENCER__…``."""

    model_config = SettingsConfigDict(env_prefix="AZAION_INFERENCER__")

    source: str | None = None
    """What the service watches: video file, picture folder, camera index or URL. None: it only keeps the model current."""
    target: str = "onnx"
    """Which export of a model this device runs."""
    every: int = Field(default=4, ge=1)
    confidence: float = Field(default=0.25, ge=0, le=1)
    runtime: RuntimeName = "auto"
    """``onnxruntime``, ``openvino``, or ``auto``: OpenVINO where it is installed."""
    precision: Precision = "f32"
    """What OpenVINO computes in; ``bf16`` is twice as fast on processors that have it."""
    accelerator: Accelerator = "auto"
    """``auto``: a GPU where there is one, and an error where one cannot be used; ``cuda``: only on a GPU; ``cpu``."""
    threads: int | None = Field(default=None, ge=1)
    account: Path = Path("secrets/device.json")
    """Credentials for the API (``email``, ``password``); relative paths start at the home."""
    fleet_key: Path = Path("secrets/fleet.key")
    device: str = "device"
    """The name under which this device reports."""
