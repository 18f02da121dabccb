"""Everything configurable about the inferencer."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.platform.runtime.settings import ServiceSettings
from azaion_inferencer.rotation import MIB, Limits
from azaion_vision.options import Accelerator, Precision, RuntimeName


class InferencerSettings(ServiceSettings):
    """Section ``inferencer`` of ``azaion.yaml``, or ``AZAION_INFERENCER__…``."""

    model_config = SettingsConfigDict(env_prefix="AZAION_INFERENCER__")

    source: str | None = None
    """What the service watches: video file, picture folder, camera index or URL. None: it only keeps the model current."""
    target: str = "onnx"
    """Which export of a model this device runs."""
    every: int = Field(default=4, ge=1)
    """Run the model on every n-th frame; of a folder of pictures on each."""
    confidence: float | None = Field(default=None, ge=0, le=1)
    """Leave out detections with a lower score. None: the score that each class was released with, where its F1 is best, and
    0.25 for a class without one."""
    runtime: RuntimeName = "auto"
    """``onnxruntime``, ``openvino``, or ``auto``: OpenVINO where it is installed."""
    precision: Precision = "f32"
    """What OpenVINO computes in; ``bf16`` is twice as fast on processors that have it."""
    accelerator: Accelerator = "auto"
    """``auto``: a GPU where there is one, and an error where one cannot be used; ``cuda``: only on a GPU; ``cpu``."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of the runtime. None: all cores."""
    account: Path = Path("secrets/device.json")
    """Credentials for the API (``email``, ``password``); relative paths start at the home."""
    fleet_key: Path = Path("secrets/fleet.key")
    """Key that opens releases; relative paths start at the home."""
    release_key: Path = Path("secrets/release-signing.pub.pem")
    """Public keys (PEM, one or more) that releases must be signed by; relative paths start at the home. A device needs a
    copy of the publisher's file."""
    seal_key: Path = Path("inferencer/seal.key")
    """This device's own key (32 bytes, made where there is none), under which it keeps what it needs to start without a
    network; relative paths start at the home. It protects most where it lies on another medium than the rest."""
    max_release_jump: int = Field(default=10_000, ge=1)
    """How far a release number may be beyond the last accepted one: a number out of all reason would lock out all later ones."""
    trial_timeout_s: float = Field(default=120, gt=0)
    """Seconds within which a new model has to load and answer in a child process before it is let in."""
    trial_memory_mb: int = Field(default=2048, ge=64)
    """Memory (MiB) that a new model may take in that child, besides four times the size of its file."""
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
