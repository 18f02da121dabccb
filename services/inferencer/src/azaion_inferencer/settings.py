"""Everything configurable about the inferencer."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.detection.options import Accelerator, Precision, RuntimeName
from azaion_common.runtime.settings import ServiceSettings
from azaion_inferencer.rotation import MIB, Limits


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
    results_file_mib: float = Field(default=64, gt=0)
    """At this size (MiB) the service begins a new file of detections."""
    results_file_hours: float = Field(default=24, gt=0)
    """At this age (hours) the service begins a new file of detections."""
    results_max_mib: float = Field(default=2048, gt=0)
    """How much all files of detections may take together (MiB); then the oldest go, which is logged."""
    results_gzip: bool = True
    """Compress files of detections that are closed, to about a tenth."""

    @property
    def results_limits(self) -> Limits:
        return Limits(
            file_bytes=int(self.results_file_mib * MIB),
            file_age_s=self.results_file_hours * 3600,
            series_bytes=int(self.results_max_mib * MIB),
        )
