"""What the exporter counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EXPORTS = Counter("azaion_exporter_exports", "Exports that ended", ["target", "outcome"])
EXPORT_SECONDS = Histogram(
    "azaion_exporter_export_seconds", "Time of one export with its comparison", ["target"],
    buckets=(1, 3, 10, 30, 60, 120, 300, 900, 3600),
)  # fmt: skip
PARITY_MIN_IOU = Gauge("azaion_exporter_parity_min_iou", "Worst overlap of the last comparison", ["target"])
PARITY_SCORE_DIFFERENCE = Gauge(
    "azaion_exporter_parity_max_score_difference", "Worst score difference of the last comparison", ["target"]
)

EXPORTS.labels("onnx", "exported")  # 0 until there is one: a rise can only be seen from a number
EXPORT_SECONDS.labels("onnx")
