"""Everything configurable about the exporter."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from azaion_common.platform.runtime.settings import ServiceSettings
from azaion_exporter.plan import Target


class ExporterSettings(ServiceSettings):
    """Section ``exporter`` of ``azaion.yaml``, or ``AZAION_EXPORTER__…``."""

    model_config = SettingsConfigDict(env_prefix="AZAION_EXPORTER__")

    targets: tuple[Target, ...] = (Target(),)
    """What every trained model is exported to."""
    graph_confidence: float = Field(default=0.001, gt=0, lt=1)
    """The filter built into the graph. Low, so that a device can choose its own and mAP can be measured on the export."""
    confidence: float = Field(default=0.25, gt=0, lt=1)
    """Boxes of this score and above have to be the same in export and source."""
    iou: float = Field(default=0.7, gt=0, le=1)
    """Overlap at which the suppression inside the graph takes the weaker box away."""
    max_detections: int = Field(default=300, ge=1, le=10_000)
    """Most boxes that the graph gives for one picture."""
    device: str = "cpu"
    """Where the source model predicts for the comparison: ``cpu``, ``auto`` or a GPU number."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of an export and its comparison. None: all cores."""
